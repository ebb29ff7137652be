"""Limited: any estimator, behind limits on what is measured of the untrained network."""

from __future__ import annotations

import msgspec

from naslab.estimators.estimator import Estimator, Workbench
from naslab.metrics import LATENCY, TIMING, find_metric, shown_as
from naslab.study.outcome import Candidate, Estimate, Failure
from naslab.study.problem import Limit


class Limited(msgspec.Struct, frozen=True):
    """Measures what `limits` bound on the untrained candidate; only one that meets them all goes to `estimator`.

    One that breaks a limit is the failure `infeasible`, with what was measured. What was measured stays with the
    estimate. A candidate that is trained on, on a higher rung, was measured before.
    """

    estimator: Estimator
    limits: tuple[Limit, ...]

    def prepare(self, bench: Workbench) -> None:
        """Prepare the other estimator."""
        self.estimator.prepare(bench)

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        """Measure, and estimate what is within the limits."""
        if candidate.origin.get("operator") == "promote":
            return self.estimator.estimate(candidate, bench)
        names = tuple(dict.fromkeys(limit.metric for limit in self.limits))
        measured = measured_before_training(names, candidate, bench)
        broken = [limit for limit in self.limits if not limit.holds(measured[limit.metric])]
        if broken:
            told = [f"{shown_as(each.metric).sentence(measured[each.metric])}, the limit is {each}" for each in broken]
            return Estimate(measured=measured, failure=Failure("infeasible", "; ".join(told)))
        estimate = self.estimator.estimate(candidate, bench)
        return msgspec.structs.replace(estimate, measured=measured | estimate.measured)


def measured_before_training(names: tuple[str, ...], candidate: Candidate, bench: Workbench) -> dict[str, float]:
    """The metrics called `names` of the untrained network of a candidate, with what is measured beside them."""
    from naslab.arch.build import build
    from naslab.estimators.latency import measure_latency

    for name in names:
        assert find_metric(name).measured_by == TIMING, f"nothing measures {name} before training"
    seen = measure_latency(build(candidate.arch, candidate.seed), candidate.arch.input, bench.device)
    return LATENCY.measured(seen.median_ms, seen.iqr_ms)
