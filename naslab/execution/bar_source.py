"""BarSource: what each candidate must beat to reach the front at its cost, so that hopeless trainings can end early."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from naslab.arch.block import require
from naslab.execution.source import Resumption, Source
from naslab.outcome import Candidate, Fidelity, Outcome
from naslab.problem import ANALYTIC_METRICS, Objective


def require_bars(confidence: float, objectives: Sequence[Objective]) -> None:
    """Raise `SpecError` unless trainings for these objectives can be stopped early with this confidence."""
    require(0.5 <= confidence < 1, "stop_early", f"must be a confidence from 0.5 to below 1, got {confidence:g}")
    metrics = {goal.metric for goal in objectives}
    told = ", ".join(sorted(metrics))
    can_tell = "accuracy" in metrics and metrics <= {"accuracy", *ANALYTIC_METRICS}
    require(
        can_tell, "stop_early", f"needs accuracy and, beside it, costs known before training as objectives, got {told}"
    )


class BarSource:
    """Another source's candidates, each with the best accuracy so far of networks that cost no more.

    A network that ends below it is dominated. Only outcomes of `fidelity`, the whole training, set a bar, and only
    measured ones; a candidate that nothing yet costs less than has none. The bar is that of the moment when the
    candidate is proposed, and is in the ledger with it. Objectives must be accuracy and costs that are known before
    training (see `require_bars`).
    """

    def __init__(self, source: Source, objectives: Sequence[Objective], fidelity: Fidelity) -> None:
        self._source = source
        self._costs = [goal for goal in objectives if goal.metric != "accuracy"]
        self._fidelity = fidelity
        self._finished: list[Outcome] = []

    @property
    def total(self) -> int:
        return self._source.total

    @property
    def is_exhausted(self) -> bool:
        return self._source.is_exhausted

    def resume(self, outcomes: Sequence[Outcome], in_flight: Sequence[Candidate]) -> Resumption:
        for outcome in outcomes:
            self._note(outcome)
        return self._source.resume(outcomes, in_flight)

    def propose(self, count: int, first_trial: int) -> list[Candidate]:
        proposed = self._source.propose(count, first_trial)
        return [msgspec.structs.replace(each, accuracy_to_beat=self.bar(each)) for each in proposed]

    def learn(self, outcome: Outcome) -> None:
        self._note(outcome)
        self._source.learn(outcome)

    def bar(self, candidate: Candidate) -> float | None:
        """The best accuracy, in per cent, of measured networks that cost no more; `None` where there is none."""
        spent = self._spent(candidate)
        accuracies = [
            outcome.value("accuracy")
            for outcome in self._finished
            if all(mine <= theirs for mine, theirs in zip(self._spent(outcome.candidate), spent, strict=True))
        ]
        return max(accuracies, default=None)

    def _spent(self, candidate: Candidate) -> list[float]:
        return [goal.loss(float(getattr(candidate.cost, goal.metric))) for goal in self._costs]

    def _note(self, outcome: Outcome) -> None:
        is_whole = outcome.candidate.role == "search" and outcome.candidate.fidelity == self._fidelity
        is_measured = outcome.is_complete and "stopped" not in outcome.estimate.notes
        if is_whole and is_measured and math.isfinite(outcome.value("accuracy")):
            self._finished.append(outcome)
