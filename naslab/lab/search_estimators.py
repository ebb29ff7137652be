"""Estimators of a search: its own training, or any estimator by name in the place of that."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from naslab.analysis.front import widest
from naslab.analysis.study import StudyView, read_study
from naslab.arguments import takes
from naslab.errors import StudyError, counted
from naslab.estimators.dense_training import DenseTraining
from naslab.estimators.estimator import Estimator, NetworkTraining
from naslab.estimators.inheritance import InheritedTraining
from naslab.estimators.named import EstimatorName, Setting, named, read_name
from naslab.estimators.own_training import OwnTraining
from naslab.estimators.pretrained import PretrainedTraining
from naslab.estimators.proxies.proxy import Probe
from naslab.estimators.short_training import ShortTraining
from naslab.lab.models import COUNT, FOLDER, LEDGER, NAMES, STUDY, find_study
from naslab.lab.search_options import SearchOptions
from naslab.ledger.genomes import require_genomes_of
from naslab.ledger.ledger import OWN_CHECKPOINTS, Ledger
from naslab.ledger.record import StudyRecord
from naslab.metrics import ACCURACY, EVALUATION, TIMING, find_metric, is_described, metrics
from naslab.outside import source_of
from naslab.study.outcome import Candidate, Fidelity
from naslab.study.problem import Objective, Problem
from naslab.study.rungs import Rungs
from naslab.targets.metrics import accuracy_targets, is_at

if TYPE_CHECKING:
    from naslab.estimators.options import PredictorOptions
    from naslab.estimators.predictor import AccuracyPredictor
    from naslab.pretrained.search_start import SearchStart


class SearchEstimator(NamedTuple):
    """An estimator, the one form of its name, and the SHA-256 of what it knows: a study goes on with the same alone.

    `fidelity` is what its name says that is spent on a network; `None` where it says nothing. `made_with` is the source
    of a user's own (`naslab.outside.source_of`).
    """

    name: str
    estimator: Estimator
    sha256: str
    fidelity: Fidelity | None
    made_with: dict[str, str]

    def placed(self, ledger: Ledger, record: StudyRecord, start: SearchStart | None = None) -> Estimator:
        """The estimator, one that trains with folders for a study `record` beside its `ledger`.

        There networks have their checkpoints. Its trials say that they may stop, and begin with weights of parents, as
        the record asks, all others with those of `start` where there are such.
        """
        if isinstance(self.estimator, DenseTraining):
            return begun(_of_study(self.estimator, ledger, record, start), record, start)
        if not isinstance(self.estimator, OwnTraining):
            return self.estimator
        folder = ledger.checkpoints(record.name).folder.absolute()
        return msgspec.structs.replace(
            self.estimator,
            folder=str(folder / OWN_CHECKPOINTS),
            stop_early=record.stop_early,
            checkpoints=str(folder) if record.inherit else None,
        )


def estimator_of(
    problem: Problem,
    data_dir: str | None,
    record: StudyRecord | None = None,
    ledger: Ledger | None = None,
    start: SearchStart | None = None,
) -> Estimator:
    """The training that a search of `problem` without another estimator does, with latency where it is an objective.

    For a study `record` with rungs or inheritance it leaves checkpoints beside `ledger`. Networks begin with the
    weights of `start` where there are such.
    """
    training = ShortTraining(
        data=problem.data,
        recipe=problem.recipe,
        data_dir=data_dir,
        latency=bool(problem.measured_by(TIMING)),
        checkpoints=_checkpoints(ledger, record),
        stop_early=None if record is None else record.stop_early,
        metrics=tuple(name for name in problem.measured_by(EVALUATION) if name != ACCURACY.name),
        targets=accuracy_targets(problem),
        mean=() if start is None else start.begun.beginning.mean,
        deviation=() if start is None else start.begun.beginning.deviation,
    )
    return begun(training, record, start)


def begun(training: NetworkTraining, record: StudyRecord | None, start: SearchStart | None) -> Estimator:
    """The `training` of a study `record` whose networks begin with weights of others, as that asks.

    They are those of their parents, and of `start`; itself where neither is asked for.
    """
    if start is not None:
        return PretrainedTraining(
            training=training,
            reference=start.begun.arch,
            weights=start.weights,
            source=start.begun.name,
            fresh=start.fresh,
        )
    if record is None or not record.inherit:
        return training
    return InheritedTraining(training=training)


def _of_study(training: DenseTraining, ledger: Ledger, record: StudyRecord, start: SearchStart | None) -> DenseTraining:
    """The training of detectors with what a study asks of it."""
    return msgspec.structs.replace(
        training,
        mean=() if start is None else start.begun.beginning.mean,
        deviation=() if start is None else start.begun.beginning.deviation,
        is_pretrained=start is not None,
        checkpoints=_checkpoints(ledger, record),
        stop_early=record.stop_early,
    )


def _checkpoints(ledger: Ledger | None, record: StudyRecord | None) -> str | None:
    """The folder of the checkpoints of a study; `None` where nothing goes on from them."""
    if record is None or ledger is None or (record.rungs is None and not record.inherit):
        return None
    return str(ledger.checkpoints(record.name).folder.absolute())


def require_estimator_fits(name: EstimatorName, options: SearchOptions, problem: Problem) -> None:
    """Raise `StudyError` where other options make no sense with an estimator, or it does not measure an objective."""
    if name.row.is_own:
        after = [goal.metric for goal in problem.objectives if is_at(goal.metric) and not _is_told(goal, name)]
        if after:
            raise StudyError(f"'{name}' trains in its own way, which {after[0]} is not measured behind: leave it out")
        if all(is_described(goal.metric) for goal in problem.objectives):
            told = ", ".join(goal.metric for goal in problem.objectives)
            raise StudyError(f"none of the objectives is measured by '{name}', got {told}: name one, as f1:max")
        return
    training_only = {"rungs": options.rungs is not None, "inherit": options.inherit}
    training_only["stop_early"] = options.stop_early is not None
    if options.pause:
        training_only["pause"] = True
    if not name.row.any_network:
        training_only["baselines"] = bool(options.baselines)
    if not name.row.goes_on and any(training_only.values()):
        *most, last = training_only
        why = "trains in its own way" if name.trains else "trains nothing"
        raise StudyError(f"'{name}' {why}: leave {', '.join(most)} and {last} out")
    fidelity = name.options.fidelity
    if options.epochs is not None and not name.trains:
        raise StudyError(f"'{name}' trains nothing: leave epochs out")
    if fidelity is not None and options.epochs is not None and options.epochs != fidelity.epochs:
        raise StudyError(f"'{name}' trains networks for {counted(fidelity.epochs, 'epoch')}: leave epochs out")
    timed = [row.name for row in metrics() if row.measured_by == TIMING]
    described = [row.name for row in metrics() if row.is_described or row.measure]
    able = dict.fromkeys((name.metric, *name.row.metrics, *(timed if name.row.times else ())))
    able |= dict.fromkeys(goal.metric for goal in problem.objectives if is_at(goal.metric) and _is_told(goal, name))
    for goal in problem.objectives:
        if goal.metric not in able and goal.metric not in described:
            raise StudyError(
                f"'{name}' measures {', '.join(able)}: leave the objective {goal.metric} out; "
                f"there are {', '.join(dict.fromkeys((*able, *described)))}"
            )


def _is_told(goal: Objective, name: EstimatorName) -> bool:
    """Whether a metric in a target is measured beside an estimator: of the untrained network, or by its training."""
    return find_metric(goal.metric).is_limitable or name.row.deploys


def find_search_estimator(
    asked: str | object,
    problem: Problem,
    typical: Sequence[Candidate],
    ledger: str | Path,
    data_dir: str | None,
    seed: int,
    inherit: bool = False,
) -> SearchEstimator:
    """The estimator that is `asked` for in a search of `problem`; a predictor learns from a study of `ledger`.

    `typical` are candidates of the problem's space, `inherit` says whether candidates are to begin with weights of
    their parents: `StudyError` where an estimator of the user's cannot. Raises `DataError` where the estimator knows
    other networks than those, such as a supernet or a table of another space, and `NaslabError` for whatever else does
    not fit.
    """
    name = named(asked)
    made = name.make(Setting(problem, data_dir, seed, learned=partial(learned_from, problem, ledger, data_dir)))
    for candidate in typical:
        made.require(candidate)
    if inherit and name.row.is_own and not isinstance(made.estimator, OwnTraining):
        rule = "builds its networks itself, so that they cannot begin with inherited weights"
        raise StudyError(f"'{name}' {rule}: leave inherit out, or give a function evaluate(network, trial)")
    made_with = source_of(getattr(made.estimator, "function", made.estimator)) if name.row.is_own else {}
    return SearchEstimator(str(name), made.estimator, made.sha256, name.options.fidelity, made_with)


@takes(study=STUDY, proxies=NAMES, data_dir=FOLDER, batch_size=COUNT, ledger=LEDGER)
def accuracy_predictor(
    study: StudyView | str,
    proxies: Sequence[str] | str = (),
    data_dir: str | Path | None = None,
    batch_size: int = 32,
    ledger: str | Path = "naslab.db",
) -> AccuracyPredictor:
    """An estimator that predicts what `study` would measure, learned from its outcomes at one fidelity.

    It is that which most of its networks have, with rungs the first; trainings that were stopped early are left out.
    `study` is a study, or the name of one of `ledger`. `proxies` are scored on `batch_size` images. Raises `SpecError`
    below 10 complete outcomes of networks of the study's space, and `LedgerError` for one of another space.

    >>> import naslab
    >>> predictor = naslab.accuracy_predictor("mystudy", proxies=["naswot"])  # doctest: +SKIP
    """
    from naslab.estimators.predictor import AccuracyPredictor, KnownResult

    view = find_study(study, ledger)
    require_genomes_of(view.problem.space, (each.candidate for each in view.outcomes))
    measured = [each for each in view.outcomes if each.candidate.genome.genes and "stopped" not in each.estimate.notes]
    known = tuple(
        KnownResult(each.candidate.genome, each.value(ACCURACY.name), each.candidate.seed) for each in widest(measured)
    )
    folder = None if data_dir is None else str(data_dir)
    probe = Probe(data=view.problem.data, data_dir=folder, batch_size=batch_size)
    return AccuracyPredictor(problem=view.problem, known=known, proxies=tuple(proxies), probe=probe)


def learned_from(
    problem: Problem, ledger: str | Path, data_dir: str | None, options: PredictorOptions
) -> AccuracyPredictor:
    """A predictor of what the study that `options` name has measured, for a search of `problem`.

    The study is one of `ledger`; images are read from `data_dir`. Raises `StudyError` where it is of other networks.
    """
    with Ledger.open(ledger, create=False) as opened:
        study = read_study(opened, options.study)
    name = f"predictor:study={options.study}"
    if study.record.estimator and not read_name(study.record.estimator).trains:
        raise StudyError(f"{name}: that study has measured nothing, it is estimated by {study.record.estimator}")
    ours = _ground(problem)
    for part, theirs in _ground(study.problem).items():
        if theirs != ours[part]:
            raise StudyError(f"{name}: that study is of another {part} than the search")
    return accuracy_predictor(study, options.proxy_names, data_dir, options.batch)


def _ground(problem: Problem) -> dict[str, bytes]:
    """What accuracies depend on: the space, the data wherever they are held, the recipe."""
    data = msgspec.structs.replace(problem.data, storage="auto", skip_unreadable=False)
    parts = {"space": problem.space, "data": data, "recipe": problem.recipe}
    return {name: msgspec.json.encode(part) for name, part in parts.items()}


def fidelity_of(rungs: Rungs | None, epochs: int, estimator: SearchEstimator | None) -> Fidelity:
    """What is spent on a new network: what the estimator's name says, the first rung, or `epochs`."""
    if estimator is not None and estimator.fidelity is not None:
        return estimator.fidelity
    return Fidelity(epochs=epochs) if rungs is None else rungs.fidelity(0)
