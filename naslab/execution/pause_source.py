"""Trainings paused after every epoch: which goes on, or whether a new network is begun, as the strategy says."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from naslab.execution.promotion import done_with, may_go_on, promoted
from naslab.execution.source import CandidateSource, Resumption, undone
from naslab.strategies.pausing_strategy import PausingStrategy
from naslab.study.outcome import Candidate, Outcome
from naslab.study.problem import Objective
from naslab.study.rungs import Rungs


class PauseSource:
    """The candidates of `networks` for one epoch, and after each epoch what `strategy` trains on (`next_paused`).

    The study trains as many epochs as `trials` whole trainings have, and each is a trial of its own: those of failures
    count, those of networks that broke a limit on what is measured do not. A network is begun, and trained on, only
    where the epochs left are enough to train it to the last one, so that some network always gets there; fewer epochs
    than a whole training may be left over. A network whose training failed, or that has not every one of the
    `objectives`, is not trained on.

    Whatever is trained on is a trial of origin `{"operator": "promote", "from": trial}`, as over `rungs`, and `forget`
    is what it is there (`RungSource`).
    """

    def __init__(
        self,
        networks: CandidateSource,
        strategy: PausingStrategy,
        rungs: Rungs,
        objectives: Sequence[Objective],
        trials: int,
        forget: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._networks = networks
        self._strategy = strategy
        self._rungs = rungs
        self._objectives = objectives
        self._forget = forget
        self._num_started = 0
        self._last: dict[str, Outcome] = {}
        self._in_flight: set[str] = set()
        self.total = trials * rungs.epochs[-1]

    @property
    def is_exhausted(self) -> bool:
        return self._networks.is_exhausted

    def resume(self, outcomes: Sequence[Outcome], in_flight: Sequence[Candidate]) -> Resumption:
        kept, requeued = self._networks.resume(outcomes, in_flight)
        goes_on = undone(
            [each for each in in_flight if each.role == "search" and self._rungs.rung_of(each.fidelity)], kept
        )
        for outcome in kept:
            self._num_started += not outcome.is_infeasible
            self._note_finished(outcome)
        for candidate in (*requeued, *goes_on):
            self._note_started(candidate)
        return Resumption(kept, [*goes_on, *requeued])

    def propose(self, count: int, first_trial: int) -> list[Candidate]:
        found: list[Candidate] = []
        while len(found) < count:
            candidate = self._next(first_trial + len(found))
            if candidate is None:
                break
            self._note_started(candidate)
            found.append(candidate)
        return found

    def learn(self, outcome: Outcome) -> None:
        self._in_flight.discard(outcome.candidate.arch_id)
        self._num_started -= outcome.is_infeasible
        self._note_finished(outcome)
        self._networks.learn(outcome)

    def _next(self, trial: int) -> Candidate | None:
        """What is trained next, as the trial of a number; `None` where the epochs are used up, or nothing is paused."""
        left = self.total - self._num_started
        paused = [name for name, outcome in self._last.items() if self._can_end(outcome, left)]
        if left >= self._rungs.epochs[-1] and not self.is_exhausted:
            chosen = self._strategy.next_paused(paused, may_begin=True)
            if chosen is None and (fresh := self._networks.propose(1, trial)):
                return fresh[0]
            if chosen is not None:
                return promoted(self._last[chosen], self._rungs, trial)
        chosen = self._strategy.next_paused(paused, may_begin=False) if paused else None
        return None if chosen is None else promoted(self._last[chosen], self._rungs, trial)

    def _can_end(self, outcome: Outcome, left: int) -> bool:
        """Whether a network that is paused behind `outcome` can be trained to the end within the epochs `left`."""
        is_paused = outcome.candidate.arch_id not in self._in_flight and may_go_on(outcome, self._objectives)
        return is_paused and 0 < self._rungs.epochs[-1] - outcome.candidate.fidelity.epochs <= left

    def _note_started(self, candidate: Candidate) -> None:
        self._num_started += 1
        self._in_flight.add(candidate.arch_id)

    def _note_finished(self, outcome: Outcome) -> None:
        """Enter the newest result of a network; checkpoints that it makes useless are forgotten."""
        candidate = outcome.candidate
        if self._rungs.rung_of(candidate.fidelity) is None or outcome.is_infeasible:
            return
        before = self._last.get(candidate.arch_id)
        if before is None or before.candidate.fidelity <= candidate.fidelity:
            self._last[candidate.arch_id] = outcome
        for checkpoint in done_with(outcome, self._rungs, self._objectives):
            self._forget(checkpoint)
