"""The estimators, one row each: all that searches, calibrations, reports and helps know of them is said here.

An estimator is added by a struct of options (`naslab.estimators.options`), a function that makes it, which imports
what it needs when it is called, and a row of `ROWS`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from naslab.arch.block import require
from naslab.dense_prediction.tasks import DENSE_TASKS, DenseTask, levels_of_kind
from naslab.errors import DataError, SpecError, StudyError
from naslab.estimators.dense_training import DenseTraining, metric_names
from naslab.estimators.ensemble import EnsembleMember, RankEnsemble
from naslab.estimators.estimator import Estimator
from naslab.estimators.options import (
    DenseOptions,
    EnsembleOptions,
    ExtrapolatedOptions,
    FullOptions,
    Options,
    PredictorOptions,
    ProxyOptions,
    ShortOptions,
    SupernetOptions,
    TableOptions,
)
from naslab.estimators.proxies.proxy import DESCRIBED, PROXIES, Probe, Proxy
from naslab.metrics import ACCURACY, ACTIVATIONS, EXTRAPOLATED_ACCURACY, MACS, PARAMS, TIMING
from naslab.regular_files import open_regular
from naslab.study.outcome import Candidate, Fidelity
from naslab.study.problem import Problem
from naslab.study.recipe import Recipe, named_recipe
from naslab.targets.metrics import accuracy_targets
from naslab.training.datasets.info import facts_of

if TYPE_CHECKING:
    from naslab.estimators.ensemble import EnsembleMember
    from naslab.estimators.predictor import AccuracyPredictor, KnownResult
    from naslab.estimators.short_training import ShortTraining
    from naslab.space import Genome


class Setting(NamedTuple):
    """Where estimators work: the problem, the folder of its data, the seed, and what is known of other networks.

    `known` gives a calibration's results of that many networks of the space, none of which is to be estimated.
    `learned` makes, in a search, a predictor of what a study of the ledger has measured.
    """

    problem: Problem
    data_dir: str | None = None
    seed: int = 0
    known: Callable[[int], tuple[KnownResult, ...]] = lambda _: ()
    learned: Callable[[PredictorOptions], AccuracyPredictor] | None = None


class MadeEstimator(NamedTuple):
    """An estimator, and what follows from how it was made.

    `fidelity` is that of the candidates that a calibration gives it. `file` is what it reads, `taught` the bytes of
    what a study has taught it; a study goes on with the same alone. `require` raises `DataError` for a candidate that
    is not of the networks that it knows, before anything runs.
    """

    estimator: Estimator
    fidelity: Fidelity = Fidelity()
    file: str = ""
    taught: bytes = b""
    require: Callable[[Candidate], None] = lambda _: None
    known_part: Callable[[], Sequence[Genome]] = tuple

    @property
    def sha256(self) -> str:
        """The SHA-256 of what it depends on beside its options, in hexadecimal digits; empty where that is nothing.

        Raises `DataError` where its file cannot be read.
        """
        if not self.file:
            return hashlib.sha256(self.taught).hexdigest() if self.taught else ""
        path = Path(self.file).expanduser()
        try:
            with open(open_regular(path, follow_links=True), "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from error


class EstimatorRow(NamedTuple):
    """All that is known of an estimator by its name.

    `kind` is `training` where it trains every network, `accuracy` where it estimates the accuracy of networks without
    training them, `proxy` where it gives a score that is no accuracy. `metrics` are the names in `measured`, larger for
    better, the one that ranks networks first; options may say another (`Options.metric`). `any_network` says whether
    it judges networks from elsewhere too, such as a search's baselines, `times` whether it measures latency, `deploys`
    whether it measures the accuracy of trained networks in targets, `is_own` whether a user has brought it,
    `brings_data` whether its options say its data, by another name than those of `naslab.training.datasets`,
    `goes_on` whether its trainings go on from weights, as naslab's own do: by rungs, from parents, from pretrained
    ones; and end early. `builds` says whether networks are built in the worker, which takes memory of its device; else
    they are judged by their descriptions or looked up.
    """

    name: str
    summary: str
    kind: Literal["training", "accuracy", "proxy"]
    options: type[Options]
    make: Callable[[Setting, Any], MadeEstimator]
    metrics: tuple[str, ...] = (ACCURACY.name,)
    any_network: bool = True
    times: bool = False
    deploys: bool = False
    is_own: bool = False
    brings_data: bool = False
    goes_on: bool = False
    builds: bool = True


def _short(setting: Setting, options: ShortOptions) -> MadeEstimator:
    return MadeEstimator(_short_training(setting, options), options.fidelity)


def _extrapolated(setting: Setting, options: ExtrapolatedOptions) -> MadeEstimator:
    from naslab.estimators.extrapolated import LEAST_EPOCHS, LEAST_EPOCHS_OF_LOSS, Extrapolated

    least = LEAST_EPOCHS if options.by == "accuracy" else LEAST_EPOCHS_OF_LOSS
    require(options.epochs >= least, "extrapolated:epochs", f"must be at least {least}, got {options.epochs}")
    return MadeEstimator(Extrapolated(_short_training(setting, options)), options.fidelity)


def _full(setting: Setting, options: FullOptions) -> MadeEstimator:
    recipe = named_recipe("full", setting.problem.data.name)
    return MadeEstimator(_training(setting, recipe), options.fidelity)


def _short_training(setting: Setting, options: ShortOptions) -> ShortTraining:
    """The training of a problem, its batches of the size asked for."""
    problem, recipe = setting.problem, setting.problem.recipe
    if options.images is not None:
        facts = facts_of(problem.data, setting.data_dir)
        name, least = problem.data.name, facts.num_classes
        most = int((problem.data.max_images or facts.num_train) * (1 - problem.data.validation_fraction))
        rule = f"must be {least} (one a class of {name}) to {most:,} (those not for validation), got {options.images:,}"
        require(least <= options.images <= most, "short:images", rule)
    if options.batch is not None:
        rate = recipe.learning_rate * options.batch / recipe.batch_size
        recipe = msgspec.structs.replace(recipe, batch_size=options.batch, learning_rate=rate)
    return _training(setting, recipe)


def _training(setting: Setting, recipe: Recipe) -> ShortTraining:
    """The training of a problem by a recipe, with what its objectives ask for."""
    from naslab.estimators.short_training import ShortTraining

    return ShortTraining(
        data=setting.problem.data,
        recipe=recipe,
        data_dir=setting.data_dir,
        latency=_wants_latency(setting),
        targets=accuracy_targets(setting.problem),
    )


def _proxy(name: str) -> Callable[[Setting, Any], MadeEstimator]:
    def make(setting: Setting, options: Any) -> MadeEstimator:
        batch = options.batch if isinstance(options, ProxyOptions) else ProxyOptions().batch
        return MadeEstimator(Proxy(name=name, probe=_probe(setting, batch)))

    return make


def _ensemble(setting: Setting, options: EnsembleOptions) -> MadeEstimator:
    made = RankEnsemble(
        space=setting.problem.space,
        probe=_probe(setting, options.batch),
        members=tuple(_member(each) for each in options.member_names),
        num_reference=options.reference,
        seed=setting.seed,
    )
    return MadeEstimator(made)


def _predictor(setting: Setting, options: PredictorOptions) -> MadeEstimator:
    from naslab.estimators.predictor import AccuracyPredictor

    is_seen = bool(options.proxies) or options.batch == PredictorOptions().batch
    require(is_seen, "predictor:batch", "has no effect without proxies, which look at these images")
    if setting.learned is not None:
        require(
            bool(options.study), "predictor:study", "must name what a search's predictor learns from, as study=NAME"
        )
        if options.known != PredictorOptions().known:
            raise StudyError("predictor:known is for calibrations; a search's predictor learns from all of its study")
        learned = setting.learned(options)
        return MadeEstimator(learned, taught=msgspec.json.encode(learned.known))
    require(not options.study, "predictor:study", "is for searches; a calibration teaches it known results")
    known = setting.known(options.known)
    rule = f"needs {options.known} known results, there are {len(known)}"
    require(len(known) >= options.known, "predictor:known", rule)
    probe = _probe(setting, options.batch)
    return MadeEstimator(
        AccuracyPredictor(problem=setting.problem, known=known, proxies=options.proxy_names, probe=probe)
    )


def _supernet(setting: Setting, options: SupernetOptions) -> MadeEstimator:
    from naslab.estimators.supernet import SupernetEstimator

    require(bool(options.path), "supernet:path", "must name a file of `naslab supernet`, as in supernet:path=FILE")
    made = SupernetEstimator(
        path=str(Path(options.path).absolute()),
        data=setting.problem.data,
        data_dir=setting.data_dir,
        calibration_images=options.images,
        latency=_wants_latency(setting),
    )
    return MadeEstimator(made, file=made.path, require=lambda candidate: made.require_space(candidate.arch))


def _table(setting: Setting, options: TableOptions) -> MadeEstimator:
    from naslab.estimators.known_table import KNOWN_TABLES, KnownTable

    require(not (options.path and options.name), "table", "is a file or a known table, so give path or name, not both")
    plain = TableOptions()
    has_columns = (options.key, options.accuracy) != (plain.key, plain.accuracy)
    require(not has_columns or bool(options.path), "table", "names columns of a file, so give its path, too")
    if options.path:
        path = str(Path(options.path).expanduser().absolute())
        columns = {"key_column": options.key, "accuracy_column": options.accuracy}
        made = KnownTable(path=path, space=setting.problem.space, **columns)
    else:
        name = options.name or setting.problem.space.name
        if name not in KNOWN_TABLES:
            there = " and ".join(KNOWN_TABLES)
            raise DataError(
                f"there is no table of known results of space '{name}' (there are those of {there}); "
                f"give a CSV of results: table:path=FILE.csv as an estimator, FILE.csv as a reference"
            )
        made = KNOWN_TABLES[name](setting.data_dir)
    part = partial(made.known_part, setting.problem.space)
    is_known = partial(made.require_known, setting.problem.space)
    return MadeEstimator(made, file=made.path, require=is_known, known_part=part)


def _dense(task: DenseTask) -> Callable[[Setting, Any], MadeEstimator]:
    def make(setting: Setting, options: Any) -> MadeEstimator:
        from naslab.dense_prediction.choosing import open_annotated
        from naslab.dense_prediction.content import content_hash

        kinds = DENSE_TASKS[task].kinds
        kind = options.kind or kinds[0]
        require(kind in kinds, f"{task}:kind", f"must be one of {', '.join(kinds)}, got '{kind}'")
        require(bool(options.data), f"{task}:data", f"must name a data set, as in {task}:data=coco:DIR")
        require(options.channels >= 4, f"{task}:channels", f"must be at least 4, got {options.channels}")
        made = DenseTraining(
            data=options.data,
            task=task,
            kind=kind,
            levels=_strides(task, options.levels) or levels_of_kind(kind),
            channels=options.channels,
            max_images=setting.problem.data.max_images,
        )
        data = open_annotated(options.data, task)

        def has_levels(candidate: Candidate) -> None:
            made.whole_cost(candidate.arch, len(data.classes))

        return MadeEstimator(made, taught=content_hash(data).encode(), require=has_levels)

    return make


def _strides(task: str, text: str) -> tuple[int, ...]:
    """Strides as written, `4-8-16-32`."""
    parts = [each.strip() for each in text.split("-")] if text else []
    require(all(map(str.isdigit, parts)), f"{task}:levels", f"must be strides, as 4-8-16-32, got '{text}'")
    return tuple(map(int, parts))


def _wants_latency(setting: Setting) -> bool:
    return bool(setting.problem.measured_by(TIMING))


def _member(text: str) -> EnsembleMember:
    """A member as written: `naswot*2`, or `layers` at a weight of 1."""
    name, star, weight = text.partition("*")
    try:
        return EnsembleMember(name.strip(), float(weight) if star else 1.0)
    except ValueError:
        raise SpecError("ensemble:members", f"a weight is a number, as in naswot*2, got '{text}'") from None


def _probe(setting: Setting, batch: int) -> Probe:
    return Probe(data=setting.problem.data, data_dir=setting.data_dir, batch_size=batch)


_ABOUT = {
    **{row.name: row.unit for row in (PARAMS, MACS, ACTIVATIONS)},
    "depth": "weighted layers on the longest way",
    "layers": "blocks that are no identity",
    "synflow": "synaptic flow (Tanaka 2020)",
    "naswot": "log-determinant of the kernel of codes (Mellor 2021)",
    "jacob_cov": "correlation of the gradients in the images (Mellor 2020)",
    "grad_norm": "norm of the gradient (Abdelfattah 2021)",
    "snip": "sum of |weight x gradient| (Lee 2019)",
    "zico": "steadiness of gradients over batches (Li 2023)",
}
ROWS: tuple[EstimatorRow, ...] = (
    *(
        EstimatorRow(name, _ABOUT[name], "proxy", Options, _proxy(name), (name,), builds=False)
        if name in DESCRIBED
        else EstimatorRow(name, _ABOUT[name], "proxy", ProxyOptions, _proxy(name), (name,))
        for name in PROXIES
    ),
    EstimatorRow("ensemble", "proxies that vote by rank", "proxy", EnsembleOptions, _ensemble, ("ensemble",)),
    EstimatorRow("short", "short training to a fidelity", "training", ShortOptions, _short, times=True, deploys=True),
    EstimatorRow(
        "extrapolated",
        "the end of a curve from its beginning",
        "training",
        ExtrapolatedOptions,
        _extrapolated,
        (EXTRAPOLATED_ACCURACY.name, "extrapolated_log_likelihood", ACCURACY.name),
        times=True,
    ),
    EstimatorRow("full", "training by the recipe full", "training", FullOptions, _full, times=True, deploys=True),
    EstimatorRow(
        "supernet",
        "weights shared by the whole space",
        "accuracy",
        SupernetOptions,
        _supernet,
        any_network=False,
        times=True,
    ),
    EstimatorRow(
        "predictor",
        "a Gaussian process of known results",
        "accuracy",
        PredictorOptions,
        _predictor,
        any_network=False,
        builds=False,
    ),
    EstimatorRow("table", "results that are known", "accuracy", TableOptions, _table, any_network=False, builds=False),
)
"""Every estimator, proxies first."""
_ON_NETWORKS = "a detector or segmenter on the network"
DENSE_ROWS: tuple[EstimatorRow, ...] = tuple(
    EstimatorRow(
        task,
        _ON_NETWORKS,
        "training",
        DenseOptions,
        _dense(task),
        metric_names(task),
        brings_data=True,
        goes_on=True,
    )
    for task in DENSE_TASKS
)
"""Those of detection and segmentation, which are for searches alone; `naslab search --task` names them."""
FORMER_NAMES = {"foretold": "extrapolated"}
"""Names that estimators had in earlier versions, each with its name now; both are understood."""
