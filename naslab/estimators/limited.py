"""Limited: any estimator, behind what is measured of the untrained network, and the limits on that."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from naslab.estimators.estimator import Estimator, Workbench
from naslab.estimators.own_metric import OwnMetric, own_metric
from naslab.metrics import LATENCY, TIMING, find_metric, is_declared, shown_as
from naslab.study.outcome import Candidate, Estimate, Failure
from naslab.study.problem import Limit, Objective, Problem


class Limited(msgspec.Struct, frozen=True):
    """Measures the untrained candidate; only one that meets all `limits` goes to `estimator`.

    What `limits` bound is measured, and the objectives among `measures`, which are the user's own metrics by name;
    naslab measures latency. One that breaks a limit is the failure `infeasible`, with what was measured. What was
    measured stays with the estimate. Of a candidate that is trained on, on a higher rung, the limits were seen to
    before.
    """

    estimator: Estimator
    limits: tuple[Limit, ...]
    measures: dict[str, OwnMetric] = {}
    objectives: tuple[str, ...] = ()

    def prepare(self, bench: Workbench) -> None:
        """Prepare the other estimator."""
        self.estimator.prepare(bench)

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        """Measure, and estimate what is within the limits."""
        limits = () if candidate.origin.get("operator") == "promote" else self.limits
        names = dict.fromkeys((*(limit.metric for limit in limits), *self.objectives))
        measured: dict[str, float] = {}
        for name in names:
            if name in self.measures:
                measured |= self.measures[name].measure(candidate, bench)
        timed = tuple(name for name in names if name not in measured)
        if timed:
            measured |= measured_before_training(timed, candidate, bench)
        broken = [limit for limit in limits if not limit.holds(measured[limit.metric])]
        if broken:
            told = [f"{shown_as(each.metric).sentence(measured[each.metric])}, the limit is {each}" for each in broken]
            return Estimate(measured=measured, failure=Failure("infeasible", "; ".join(told)))
        estimate = self.estimator.estimate(candidate, bench)
        return msgspec.structs.replace(estimate, measured=measured | estimate.measured)


def limited(estimator: Estimator, problem: Problem) -> Estimator:
    """The estimator behind what `problem` asks to be measured before training; itself where that is nothing."""
    own = own_measures(problem)
    objectives = tuple(goal.metric for goal in problem.objectives if goal.metric in own)
    if not (problem.measured_limits or objectives):
        return estimator
    return Limited(estimator, problem.measured_limits, own, objectives)


def own_measures(problem: Problem) -> dict[str, OwnMetric]:
    """The user's own metrics among objectives and limits of a problem that are measured before training, by name."""
    named: Sequence[Objective | Limit] = (*problem.objectives, *problem.measured_limits)
    rows = [find_metric(each.metric) for each in named if is_declared(each.metric)]
    return {row.name: own_metric(row) for row in rows if row.measure is not None}


def measured_before_training(names: tuple[str, ...], candidate: Candidate, bench: Workbench) -> dict[str, float]:
    """The metrics called `names` of the untrained network of a candidate, with what is measured beside them."""
    from naslab.arch.build import build
    from naslab.estimators.latency import measure_latency

    for name in names:
        assert find_metric(name).measured_by == TIMING, f"nothing measures {name} before training"
    seen = measure_latency(build(candidate.arch, candidate.seed), candidate.arch.input, bench.device)
    return LATENCY.measured(seen.median_ms, seen.iqr_ms)
