"""Limited: any estimator, behind what is measured of the untrained network."""

from __future__ import annotations

import msgspec

from naslab.estimators.estimator import Estimator, Workbench
from naslab.metrics import LATENCY, TIMING, find_metric, shown_as
from naslab.study.outcome import Candidate, Estimate, Failure
from naslab.study.problem import Limit
from naslab.targets.metrics import is_at, measured_before


class Limited(msgspec.Struct, frozen=True):
    """Measures what `limits` bound, and the metrics `goals`, on the untrained candidate, before `estimator` has it.

    One that breaks a limit is the failure `infeasible`, with what was measured, and is not estimated; one that cannot
    be measured fails with that reason. What was measured stays with the estimate. Limits of a candidate that is trained
    on, on a higher rung, were looked at before. Times are measured while no worker of this machine trains.
    """

    estimator: Estimator
    limits: tuple[Limit, ...]
    goals: tuple[str, ...] = ()

    def prepare(self, bench: Workbench) -> None:
        """Prepare the other estimator."""
        self.estimator.prepare(bench)

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        """Measure, and estimate what is within the limits."""
        limits = () if candidate.origin.get("operator") == "promote" else self.limits
        names = tuple(dict.fromkeys((*(limit.metric for limit in limits), *self.goals)))
        if not names:
            return self.estimator.estimate(candidate, bench)
        measured = measured_before_training(names, candidate, bench)
        broken = [limit for limit in limits if not limit.holds(measured[limit.metric])]
        if broken:
            told = [f"{shown_as(each.metric).sentence(measured[each.metric])}, the limit is {each}" for each in broken]
            return Estimate(measured=measured, failure=Failure("infeasible", "; ".join(told)))
        estimate = self.estimator.estimate(candidate, bench)
        return msgspec.structs.replace(estimate, measured=measured | estimate.measured)


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
