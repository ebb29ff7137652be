"""Limited: any estimator, behind what is measured of the untrained network, and the limits on that."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from naslab.estimators.dense_training import DenseTraining
from naslab.estimators.estimator import Estimator, Workbench
from naslab.estimators.inheritance import InheritedTraining
from naslab.estimators.own_metric import OwnMetric, own_metric
from naslab.estimators.pretrained import PretrainedTraining
from naslab.metrics import HEADS, LATENCY, TIMING, find_metric, is_declared, shown_as
from naslab.study.outcome import Candidate, Estimate, Failure
from naslab.study.problem import Limit, Objective, Problem
from naslab.targets.metrics import is_at, measured_before


class Limited(msgspec.Struct, frozen=True):
    """Measures what `limits` bound, and the metrics `goals`, on the untrained candidate, before `estimator` has it.

    `own` are the user's own among them. One that breaks a limit is the failure `infeasible`, with what was
    measured, and is not estimated; one that cannot be measured fails with that reason. What was measured stays with the
    estimate. Limits of a candidate that is trained on, on a higher rung, were looked at before. Times are measured
    while no worker of this machine trains.
    """

    estimator: Estimator
    limits: tuple[Limit, ...]
    goals: tuple[str, ...] = ()
    own: dict[str, OwnMetric] = {}

    def prepare(self, bench: Workbench) -> None:
        """Prepare the other estimator."""
        self.estimator.prepare(bench)

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        """Measure, and estimate what is within the limits."""
        limits = () if candidate.origin.get("operator") == "promote" else self.limits
        names = dict.fromkeys((*(limit.metric for limit in limits), *self.goals))
        heads = [name for name in names if is_declared(name) and find_metric(name).measured_by == HEADS]
        left = tuple(name for name in names if name not in self.own and name not in heads)
        measured = measured_before_training(left, candidate, bench)
        if heads:
            training = innermost(self.estimator)
            assert isinstance(training, DenseTraining), "only a detector has heads"
            measured |= training.measure_before(candidate, bench)
        for name in names:
            if name in self.own:
                measured |= self.own[name].measure(candidate, bench)
        broken = [limit for limit in limits if not limit.holds(measured[limit.metric])]
        if broken:
            told = [f"{shown_as(each.metric).sentence(measured[each.metric])}, the limit is {each}" for each in broken]
            return Estimate(measured=measured, failure=Failure("infeasible", "; ".join(told)))
        estimate = self.estimator.estimate(candidate, bench)
        return msgspec.structs.replace(estimate, measured=measured | estimate.measured)


def innermost(estimator: Estimator) -> Estimator:
    """The training within an estimator that begins its networks with weights of others; itself where there is none."""
    while isinstance(estimator, InheritedTraining | PretrainedTraining):
        estimator = estimator.training
    return estimator


def limited(estimator: Estimator, problem: Problem) -> Estimator:
    """The estimator behind what `problem` asks to be measured before training; itself where that is nothing."""
    if not measures_before(problem):
        return estimator
    own = own_measures(problem)
    return Limited(estimator, problem.measured_limits, _goals(problem), own)


def measures_before(problem: Problem) -> bool:
    """Whether `problem` asks for something that is measured of each network before it is estimated."""
    return bool(problem.measured_limits or _goals(problem))


def _goals(problem: Problem) -> tuple[str, ...]:
    own = own_measures(problem)
    return (*target_goals(problem), *(goal.metric for goal in problem.objectives if goal.metric in own))


def target_goals(problem: Problem) -> tuple[str, ...]:
    """The objectives and limits of a problem that a target tells of the untrained network.

    Those that a file tells are among them, so that a study can be read without it.
    """
    goals, limits = ([each.metric for each in some] for some in (problem.objectives, problem.limits))
    names = dict.fromkeys((*goals, *limits))
    return tuple(name for name in names if is_at(name) and find_metric(name).is_limitable)


def own_measures(problem: Problem) -> dict[str, OwnMetric]:
    """The user's own metrics among objectives and limits of a problem that are measured before training, by name."""
    named: Sequence[Objective | Limit] = (*problem.objectives, *problem.measured_limits)
    rows = [find_metric(each.metric) for each in named if is_declared(each.metric)]
    return {row.name: own_metric(row) for row in rows if row.measure is not None}


def measured_before_training(names: tuple[str, ...], candidate: Candidate, bench: Workbench) -> dict[str, float]:
    """The metrics called `names` of the untrained network of a candidate, with what is measured beside them.

    Raises `NaslabError` where a target cannot run it.
    """
    measured = measured_before(filter(is_at, names), candidate.arch, bench.turns.alone)
    if all(map(is_at, names)):
        return measured
    from naslab.arch.build import build
    from naslab.estimators.latency import measure_latency

    for name in names:
        assert is_at(name) or find_metric(name).measured_by == TIMING, f"nothing measures {name} before training"
    module = build(candidate.arch, candidate.seed)
    with bench.turns.alone():
        seen = measure_latency(module, candidate.arch.input, bench.device)
    return measured | LATENCY.measured(seen.median_ms, seen.iqr_ms)
