"""ScoresOf: several estimators of one network, as the prior of a search asks them; alone, or beside trainings."""

from __future__ import annotations

import math
import time

import msgspec

from naslab.estimators.estimator import Estimator, Workbench
from naslab.estimators.failures import failure_of
from naslab.study.outcome import Candidate, Estimate


class Scorer(msgspec.Struct, frozen=True):
    """An `estimator` by its `name`, and the `metric` of its results that ranks networks, larger for better."""

    name: str
    estimator: Estimator
    metric: str


class ScoresOf(msgspec.Struct, frozen=True):
    """The scores of a candidate by each of the `scorers`, in `measured` by the scorer's name.

    One that fails is left out, and `notes` says why under `failures`; `seconds` there is what each took.
    """

    scorers: tuple[Scorer, ...]

    def prepare(self, bench: Workbench) -> None:
        """Prepare every estimator."""
        for each in self.scorers:
            each.estimator.prepare(bench)

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        """Ask one estimator after the other; what goes wrong with one is a note."""
        began = time.perf_counter()
        measured: dict[str, float] = {}
        failures: dict[str, str] = {}
        seconds: dict[str, float] = {}
        for each in self.scorers:
            started = time.perf_counter()
            try:
                found = each.estimator.estimate(candidate, bench)
                failure, value = found.failure, found.measured.get(each.metric, math.nan)
            except Exception as error:  # noqa: BLE001  (whatever a candidate does wrong is a value)
                failure, value = failure_of(error), math.nan
            seconds[each.name] = time.perf_counter() - started
            if failure is not None or not math.isfinite(value):
                failures[each.name] = f"{each.metric} is {value}" if failure is None else failure.message
            else:
                measured[each.name] = value
        return Estimate(
            measured=measured,
            wall_seconds=time.perf_counter() - began,
            device=bench.device,
            worker=bench.worker,
            notes={"failures": failures, "seconds": seconds},
        )


class TrialsAndScores(msgspec.Struct, frozen=True):
    """The estimator `trials` for the trials of a search, and `scores` for the networks of its prior's pool.

    One worker has both, so that it trains and scores in turn on data that it loads once.
    """

    trials: Estimator
    scores: ScoresOf

    def prepare(self, bench: Workbench) -> None:
        """Prepare both."""
        self.trials.prepare(bench)
        self.scores.prepare(bench)

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        """Score a network of the pool; whatever else is given is a trial."""
        return (self.scores if candidate.role == "pool" else self.trials).estimate(candidate, bench)
