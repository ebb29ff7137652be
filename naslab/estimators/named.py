"""Estimators by name, as the command line and benchmarks write them: `naswot`, `short:epochs=2,images=5000`.

An estimator is added by one `Entry` in `ENTRIES`: its options as a struct, and a function that makes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from naslab.arch.block import require
from naslab.errors import SpecError, UnknownNameError
from naslab.estimators.ensemble import MEMBERS, EnsembleMember, RankEnsemble
from naslab.estimators.estimator import Estimator
from naslab.estimators.extrapolated import LEAST_EPOCHS, LEAST_EPOCHS_OF_LOSS, Extrapolated
from naslab.estimators.predictor import AccuracyPredictor, KnownResult
from naslab.estimators.proxies.proxy import DESCRIBED, PROXIES, Probe, Proxy
from naslab.estimators.short_training import ShortTraining
from naslab.estimators.supernet import SupernetEstimator
from naslab.metrics import ACCURACY, ACTIVATIONS, MACS, PARAMS, TIMING
from naslab.study.outcome import Fidelity
from naslab.study.problem import Problem
from naslab.study.recipe import named_recipe


class Setting(NamedTuple):
    """Where estimators work: the problem, the folder of its data, the seed, and networks whose results are known.

    `known` gives that many of them, of the problem's space, none of which is to be estimated.
    """

    problem: Problem
    data_dir: str | None = None
    seed: int = 0
    known: Callable[[int], tuple[KnownResult, ...]] = lambda _: ()


class MadeEstimator(NamedTuple):
    """An estimator, and the fidelity of the candidates that it is given."""

    estimator: Estimator
    fidelity: Fidelity = Fidelity()


LATER_OPTIONS = ("by", "study")
"""Options that names of studies may be without: such studies go on as long as these have their defaults."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What may be said behind an estimator's name; this one takes nothing."""

    @property
    def metric(self) -> str:
        """Which of `measured` ranks networks; empty where no option says so."""
        return ""


class ShortOptions(Options, frozen=True):
    """Short training: epochs, training images, the side of square images, the factor of the widths, the batch size.

    The learning rate follows the batch size in proportion (Goyal et al. 2017, arXiv 1706.02677): a training of few
    images needs small batches, or it ends after a handful of steps.
    """

    epochs: int = 1
    images: int | None = None
    resolution: int | None = None
    width: float | None = None
    batch: int | None = None

    @property
    def fidelity(self) -> Fidelity:
        """The fidelity that the options are."""
        side = self.resolution
        return Fidelity(
            epochs=self.epochs,
            images=self.images,
            resolution=None if side is None else (side, side),
            width=self.width,
        )

    def training(self, setting: Setting) -> ShortTraining:
        """The training of a problem, its batches of the size asked for."""
        problem, recipe = setting.problem, setting.problem.recipe
        if self.batch is not None:
            rate = recipe.learning_rate * self.batch / recipe.batch_size
            recipe = msgspec.structs.replace(recipe, batch_size=self.batch, learning_rate=rate)
        return ShortTraining(data=problem.data, recipe=recipe, data_dir=setting.data_dir)


class ExtrapolatedOptions(ShortOptions, frozen=True):
    """Short training that ends on the way to `of` epochs, and whose curve says where they would lead.

    Networks are ranked `by` the extrapolated `loss`, or `accuracy`, which takes an epoch more.
    """

    epochs: int = 4
    of: int = 8
    by: Literal["accuracy", "loss"] = "accuracy"

    @property
    def metric(self) -> str:
        """Which of `measured` ranks networks."""
        return "extrapolated_accuracy" if self.by == "accuracy" else "extrapolated_log_likelihood"

    @property
    def fidelity(self) -> Fidelity:
        """The fidelity that the options are."""
        return msgspec.structs.replace(super().fidelity, schedule_epochs=self.of)


class FullOptions(Options, frozen=True):
    """Training to the end, by the recipe `full`."""

    epochs: int = 20


class ProxyOptions(Options, frozen=True):
    """The images of one batch."""

    batch: int = 32


class EnsembleOptions(Options, frozen=True):
    """The members as `naswot*2+layers+macs*-0.5`, the networks they are compared with, the images of one batch."""

    members: str = "+".join(f"{name}*{weight:g}" if weight != 1 else name for name, weight in MEMBERS)
    reference: int = 32
    batch: int = 32


class PredictorOptions(Options, frozen=True):
    """What it learns from, and proxies that it sees beside choices and cost, joined by +.

    A calibration teaches it `known` results, a search all that a `study` has measured.
    """

    known: int = 100
    study: str = ""
    proxies: str = ""
    batch: int = 32

    @property
    def proxy_names(self) -> tuple[str, ...]:
        """The proxies one by one."""
        return _names(self.proxies)


class SupernetOptions(Options, frozen=True):
    """The file of `naslab supernet`, and the training images that batch norms are recalibrated on."""

    path: str = ""
    images: int = 512


class Entry(NamedTuple):
    """A name, what it stands for in a line, which of `measured` ranks networks, its options, what makes it of them."""

    name: str
    summary: str
    metric: str
    options: type[Options]
    make: Callable[[Setting, Any], MadeEstimator]


class EstimatorName(NamedTuple):
    """An estimator asked for by name, its options read and checked; `str` writes it in its one form."""

    entry: Entry
    options: Options

    def __str__(self) -> str:
        said = ",".join(
            f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}" for key, value in self._said()
        )
        return f"{self.entry.name}:{said}" if said else self.entry.name

    def _said(self) -> Iterable[tuple[str, Any]]:
        return msgspec.to_builtins(self.options).items()  # type: ignore[no-any-return]

    @property
    def whole(self) -> str:
        """The name with every option, also those that were not said."""
        said = msgspec.structs.asdict(self.options)
        for key in LATER_OPTIONS:
            if said.get(key) == getattr(type(self.options)(), key, None):
                said.pop(key, None)
        return f"{self.entry.name} {', '.join(f'{key}={value}' for key, value in said.items())}".strip()

    @property
    def metric(self) -> str:
        """Which of `measured` ranks networks, larger for better."""
        return self.options.metric or self.entry.metric

    @property
    def num_known(self) -> int:
        """How many known results it learns from."""
        return self.options.known if isinstance(self.options, PredictorOptions) else 0

    def make(self, setting: Setting) -> MadeEstimator:
        """The estimator. Raises `NaslabError` for what does not fit the setting."""
        return self.entry.make(setting, self.options)


def _short(setting: Setting, options: ShortOptions) -> MadeEstimator:
    return MadeEstimator(options.training(setting), options.fidelity)


def _extrapolated(setting: Setting, options: ExtrapolatedOptions) -> MadeEstimator:
    least = LEAST_EPOCHS if options.by == "accuracy" else LEAST_EPOCHS_OF_LOSS
    require(options.epochs >= least, "extrapolated:epochs", f"must be at least {least}, got {options.epochs}")
    return MadeEstimator(Extrapolated(options.training(setting)), options.fidelity)


def _full(setting: Setting, options: FullOptions) -> MadeEstimator:
    data = setting.problem.data
    made = ShortTraining(data=data, recipe=named_recipe("full", data.name), data_dir=setting.data_dir)
    return MadeEstimator(made, Fidelity(epochs=options.epochs))


def _proxy(name: str) -> Callable[[Setting, Any], MadeEstimator]:
    def make(setting: Setting, options: Any) -> MadeEstimator:
        batch = options.batch if isinstance(options, ProxyOptions) else ProxyOptions().batch
        return MadeEstimator(Proxy(name=name, probe=_probe(setting, batch)))

    return make


def _ensemble(setting: Setting, options: EnsembleOptions) -> MadeEstimator:
    made = RankEnsemble(
        space=setting.problem.space,
        probe=_probe(setting, options.batch),
        members=tuple(_member(each) for each in _names(options.members)),
        num_reference=options.reference,
        seed=setting.seed,
    )
    return MadeEstimator(made)


def _predictor(setting: Setting, options: PredictorOptions) -> MadeEstimator:
    require(not options.study, "predictor:study", "is for searches; a calibration teaches it known results")
    known = setting.known(options.known)
    require(
        len(known) >= options.known, "predictor:known", f"needs {options.known} known results, there are {len(known)}"
    )
    made = AccuracyPredictor(
        problem=setting.problem, known=known, proxies=options.proxy_names, probe=_probe(setting, options.batch)
    )
    return MadeEstimator(made)


def _supernet(setting: Setting, options: SupernetOptions) -> MadeEstimator:
    require(bool(options.path), "supernet:path", "must name a file of `naslab supernet`, as in supernet:path=FILE")
    made = SupernetEstimator(
        path=str(Path(options.path).absolute()),
        data=setting.problem.data,
        data_dir=setting.data_dir,
        calibration_images=options.images,
        latency=bool(setting.problem.measured_by(TIMING)),
    )
    return MadeEstimator(made)


def _member(text: str) -> EnsembleMember:
    """A member as written: `naswot*2`, or `layers` at a weight of 1."""
    name, star, weight = text.partition("*")
    try:
        return EnsembleMember(name.strip(), float(weight) if star else 1.0)
    except ValueError:
        raise SpecError("ensemble:members", f"a weight is a number, as in naswot*2, got '{text}'") from None


def _probe(setting: Setting, batch: int) -> Probe:
    return Probe(data=setting.problem.data, data_dir=setting.data_dir, batch_size=batch)


def _names(joined: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in joined.split("+") if name.strip())


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
ENTRIES: tuple[Entry, ...] = (
    *(
        Entry(name, _ABOUT[name], name, Options if name in DESCRIBED else ProxyOptions, _proxy(name))
        for name in PROXIES
    ),
    Entry("ensemble", "proxies that vote by rank", "ensemble", EnsembleOptions, _ensemble),
    Entry("short", "short training to a fidelity", ACCURACY.name, ShortOptions, _short),
    Entry(
        "extrapolated",
        "the end of a curve from its beginning",
        "extrapolated_accuracy",
        ExtrapolatedOptions,
        _extrapolated,
    ),
    Entry("full", "training by the recipe full", ACCURACY.name, FullOptions, _full),
    Entry("supernet", "weights shared by the whole space", ACCURACY.name, SupernetOptions, _supernet),
    Entry("predictor", "a Gaussian process of known results", ACCURACY.name, PredictorOptions, _predictor),
)


def estimator_names() -> tuple[str, ...]:
    """Every name there is, proxies first."""
    return tuple(entry.name for entry in ENTRIES)


def read_name(text: str) -> EstimatorName:
    """The estimator that a text asks for.

    Raises `UnknownNameError` for unknown names and options, `SpecError` for values that do not fit.

    >>> str(read_name("short:images=5000,epochs=2")), str(read_name("short:epochs=1"))
    ('short:epochs=2,images=5000', 'short')
    """
    name, _, rest = text.strip().partition(":")
    entry = next((entry for entry in ENTRIES if entry.name == name), None)
    if entry is None:
        raise UnknownNameError("estimator", name, estimator_names())
    said: dict[str, str] = {}
    for part in filter(None, (each.strip() for each in rest.split(","))):
        key, equals, value = part.partition("=")
        require(bool(equals and value), name, f"an option looks like epochs=1, got '{part}'")
        if key not in entry.options.__struct_fields__:
            raise UnknownNameError(f"option of {name}", key, entry.options.__struct_fields__)
        said[key] = value
    return EstimatorName(entry, _checked(name, entry.options, said))


def read_names(text: str) -> tuple[EstimatorName, ...]:
    """The estimators of a list with commas, options and all; each once.

    >>> [str(each) for each in read_names("short:epochs=2,images=500,naswot,ensemble")]
    ['short:epochs=2,images=500', 'naswot', 'ensemble']
    """
    parts: list[str] = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        if parts and "=" in part and ":" not in part:  # an option of the name before it
            parts[-1] += f",{part}"
        else:
            parts.append(part)
    return tuple({str(name): name for name in map(read_name, parts)}.values())


def _checked(name: str, kind: type[Options], said: dict[str, str]) -> Options:
    """Options of the types and sizes that they must have."""
    try:
        options = msgspec.convert(said, kind, strict=False)
    except msgspec.ValidationError as error:
        wanted, _, place = str(error).partition(" - at ")
        key = place.strip("`").removeprefix("$.")
        raise SpecError(f"{name}:{key}", f"{wanted[:1].lower()}{wanted[1:]}, as in {said.get(key)!r}") from None
    for key in kind.__struct_fields__:
        value = getattr(options, key)
        if isinstance(value, int | float):
            is_fit = 0 < value < math.inf
            require(is_fit, f"{name}:{key}", f"must be above 0 and finite, got {value:g}")
    return options
