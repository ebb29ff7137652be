"""RungSource: asynchronous successive halving for several objectives, around any strategy.

Li et al. 2018 (arXiv 1810.05934), algorithm 2, with promotion by non-dominated rank and hypervolume contribution. It
keeps nothing but the outcomes and the candidates in flight, so a resumed study decides as one that never stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from naslab.estimators.inheritance import ANCESTOR_EPOCHS, ancestor_epochs
from naslab.execution.promotion import best_to_promote, may_go_on
from naslab.execution.source import Resumption, Source
from naslab.outcome import Candidate, Outcome
from naslab.problem import Objective
from naslab.rungs import Rungs


class RungSource:
    """Networks of a strategy at the first rung, and the best of each rung once more at the next.

    A free slot goes to a promotion where one is due, from the highest rung down, and to a new network otherwise. Due
    are the best of a rung's outcomes (failures count among them, and are never promoted) up to the share that is kept.
    When the strategy's networks are used up and nothing is in flight, the best of the highest rung goes on even where
    the share comes to less than one network, so that some network reaches the last rung.

    A promotion is a trial of its own, of origin `{"operator": "promote", "from": trial}`, that starts from the
    checkpoint of that trial; where that network inherited, its `ancestor_epochs` are there too. `forget` takes the hash
    of each checkpoint that nothing can start from any more: of a network whose promotion is finished, or that was
    stopped. Those of networks that were not promoted are kept, for more trials may be asked for, and then a rung is
    larger; so are those of the last rung, the weights of what was found (`naslab.execution.checkpoints`).
    """

    def __init__(
        self,
        networks: Source,
        rungs: Rungs,
        objectives: Sequence[Objective],
        forget: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._networks = networks
        self._rungs = rungs
        self._objectives = objectives
        self._forget = forget
        self._finished: list[dict[str, Outcome]] = [{} for _ in rungs.epochs]
        self._promoted: list[set[str]] = [set() for _ in rungs.epochs]
        self._in_flight: set[int] = set()
        self._ordered: list[list[Outcome]] = [[] for _ in rungs.epochs]
        self._num_ordered = [0 for _ in rungs.epochs]

    @property
    def total(self) -> int:
        """The strategy's networks, and the promotions so far."""
        return self._networks.total + sum(map(len, self._promoted))

    @property
    def is_exhausted(self) -> bool:
        return self._networks.is_exhausted

    def resume(self, outcomes: Sequence[Outcome], in_flight: Sequence[Candidate]) -> Resumption:
        kept, requeued = self._networks.resume(outcomes, in_flight)
        promotions = [each for each in in_flight if each.role == "search" and self._rung_of(each)]
        for outcome in kept:
            self._note_started(outcome.candidate)
        for candidate in (*requeued, *promotions):
            self._note_started(candidate)
            self._in_flight.add(candidate.trial)
        for outcome in kept:
            self._note_finished(outcome)
        return Resumption(kept, [*promotions, *requeued])

    def propose(self, count: int, first_trial: int) -> list[Candidate]:
        if count <= 0:
            return []
        due = [outcome for rung in reversed(range(self._rungs.top)) for outcome in self._due(rung)][:count]
        fresh = self._networks.propose(count - len(due), first_trial + len(due))
        if not due and not fresh and not self._in_flight:
            due = self._last_hopes()
        promoted = [self._promotion(outcome, first_trial + index) for index, outcome in enumerate(due)]
        for candidate in (*promoted, *fresh):
            self._note_started(candidate)
            self._in_flight.add(candidate.trial)
        return [*promoted, *fresh]

    def learn(self, outcome: Outcome) -> None:
        self._in_flight.discard(outcome.candidate.trial)
        self._note_finished(outcome)
        self._networks.learn(outcome)

    def _due(self, rung: int) -> list[Outcome]:
        """The outcomes of a rung that are to go on now, best first."""
        quota = int(len(self._finished[rung]) * self._rungs.keep + 1e-9)
        best = self._best_of(rung)[:quota] if quota > 0 else []
        return [each for each in best if each.candidate.arch_id not in self._promoted[rung]]

    def _best_of(self, rung: int) -> list[Outcome]:
        """The outcomes of a rung that may go on, best first; put in order once for each that came."""
        finished = self._finished[rung]
        if self._num_ordered[rung] != len(finished):
            self._ordered[rung] = best_to_promote(list(finished.values()), self._objectives)
            self._num_ordered[rung] = len(finished)
        return self._ordered[rung]

    def _last_hopes(self) -> list[Outcome]:
        """The best network of the highest rung that has one, unless the rung above was tried."""
        for rung in reversed(range(self._rungs.top)):
            if self._promoted[rung]:
                return []
            if self._best_of(rung):
                return self._best_of(rung)[:1]
        return []

    def _promotion(self, outcome: Outcome, trial: int) -> Candidate:
        before = outcome.candidate
        rung = self._rung_of(before)
        assert rung is not None, "only outcomes of a rung go on"
        inherited = ancestor_epochs(outcome)
        return msgspec.structs.replace(
            before,
            trial=trial,
            fidelity=self._rungs.fidelity(rung + 1),
            origin={"operator": "promote", "from": before.trial} | ({ANCESTOR_EPOCHS: inherited} if inherited else {}),
            start_from=outcome.estimate.weights_sha256,
            accuracy_to_beat=None,
        )

    def _rung_of(self, candidate: Candidate) -> int | None:
        return self._rungs.rung_of(candidate.fidelity)

    def _note_started(self, candidate: Candidate) -> None:
        rung = self._rung_of(candidate)
        if rung:
            self._promoted[rung - 1].add(candidate.arch_id)

    def _note_finished(self, outcome: Outcome) -> None:
        """Enter an outcome in its rung; checkpoints that it makes useless are forgotten."""
        rung = self._rung_of(outcome.candidate)
        if rung is None:
            return
        self._finished[rung][outcome.candidate.arch_id] = outcome
        left = outcome.estimate.weights_sha256
        if rung < self._rungs.top and left and not may_go_on(outcome, self._objectives):
            self._forget(left)
        if outcome.candidate.start_from:
            self._forget(outcome.candidate.start_from)
