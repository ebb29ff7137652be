"""The source of a search: its strategy's networks, inheriting weights, through rungs, stopped early where asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from naslab.arch.block import require
from naslab.estimators.inheritance import ANCESTOR_EPOCHS, INHERITS, ancestor_epochs
from naslab.execution.deterministic_source import DeterministicSource
from naslab.execution.promotion import best_to_promote, may_go_on
from naslab.execution.source import CandidateSource, Resumption, StrategySource, undone
from naslab.ledger.ledger import Ledger
from naslab.ledger.record import StudyRecord
from naslab.metrics import ACCURACY, find_metric, is_described
from naslab.strategies.strategy import Strategy
from naslab.study.outcome import Candidate, Fidelity, Outcome
from naslab.study.problem import Objective, Problem
from naslab.study.rungs import Rungs


def search_source(
    strategy: Strategy, problem: Problem, record: StudyRecord, ledger: Ledger, fidelity: Fidelity | None = None
) -> CandidateSource:
    """Where the candidates of the study `record` come from: what `strategy` proposes on `problem`, as the record asks.

    `fidelity` is what is spent on a new network, by default the record's epochs or its first rung. Checkpoints beside
    `ledger` are deleted when nothing can need them any more.
    """
    rungs = record.rungs
    own = Fidelity(epochs=record.epochs) if rungs is None else rungs.fidelity(0)
    first = fidelity or own
    networks = StrategySource(strategy, problem, first, record.seed, record.trials)
    # a checkpoint that children may begin with is never done with
    forget = keep_all if record.inherit else ledger.checkpoints(record.name).discard
    begun = InheritSource(networks) if record.inherit else networks
    source: CandidateSource = begun if rungs is None else RungSource(begun, rungs, problem.objectives, forget)
    if record.stop_early is not None:
        source = EarlyStoppingSource(source, problem.objectives, Fidelity(epochs=record.epochs))
    return DeterministicSource(source) if record.deterministic else source


def keep_all(_: str) -> None:
    """Forget no checkpoint: what takes the place of `forget` where all are kept."""


def require_stoppable(confidence: float, objectives: Sequence[Objective]) -> None:
    """Raise `SpecError` unless trainings for these objectives can be stopped early with this confidence."""
    require(0.5 <= confidence < 1, "stop_early", f"must be a confidence from 0.5 to below 1, got {confidence:g}")
    metrics = {goal.metric for goal in objectives}
    told = ", ".join(sorted(metrics))
    can_tell = ACCURACY.name in metrics and all(map(is_described, metrics - {ACCURACY.name}))
    rule = f"needs {ACCURACY.name} and, beside it, costs known before training as objectives, got {told}"
    require(can_tell, "stop_early", rule)


class EarlyStoppingSource:
    """The candidates of `source`, each with an accuracy to beat: the best so far of networks that cost no more.

    A network that ends below it is dominated. Only outcomes of `fidelity`, the whole training, count, and only measured
    ones; a candidate that nothing yet costs less than has no accuracy to beat. It is that of the moment when the
    candidate is proposed, and is in the ledger with it. `objectives` must be accuracy and costs that are known before
    training (see `require_stoppable`).
    """

    def __init__(self, source: CandidateSource, objectives: Sequence[Objective], fidelity: Fidelity) -> None:
        self._source = source
        self._costs = [(goal, find_metric(goal.metric)) for goal in objectives if goal.metric != ACCURACY.name]
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
        return [msgspec.structs.replace(each, accuracy_to_beat=self.accuracy_to_beat(each)) for each in proposed]

    def learn(self, outcome: Outcome) -> None:
        self._note(outcome)
        self._source.learn(outcome)

    def accuracy_to_beat(self, candidate: Candidate) -> float | None:
        """The best accuracy, in per cent, of measured networks that cost no more; `None` where there is none."""
        spent = self._spent(candidate)
        accuracies = [
            outcome.value(ACCURACY.name)
            for outcome in self._finished
            if all(mine <= theirs for mine, theirs in zip(self._spent(outcome.candidate), spent, strict=True))
        ]
        return max(accuracies, default=None)

    def _spent(self, candidate: Candidate) -> list[float]:
        return [goal.loss(float(row.of(candidate.arch, candidate.cost))) for goal, row in self._costs]

    def _note(self, outcome: Outcome) -> None:
        is_whole = outcome.candidate.role == "search" and outcome.candidate.fidelity == self._fidelity
        is_measured = outcome.is_complete and "stopped" not in outcome.estimate.notes
        if is_whole and is_measured and math.isfinite(outcome.value(ACCURACY.name)):
            self._finished.append(outcome)


class Ancestor(NamedTuple):
    """A trained network: its checkpoint's content hash, and the epochs that it and those before it were trained for."""

    weights_sha256: str
    epochs: int


class InheritSource:
    """The candidates of `source`, those with parents starting from the checkpoint of one of them.

    It is the first of the parents that its origin names which left a checkpoint. Whom a candidate inherits from is
    decided once, when it is made, and is part of it in the ledger: a resumed study trains it from the same weights.

    Under rungs children inherit when they start on the first one, from the training that their origin names: that of
    the first rung, however far their parent has come since. Promotions go on from their own checkpoints, as ever.
    """

    def __init__(self, source: CandidateSource) -> None:
        self._source = source
        self._trained: dict[int, Ancestor] = {}

    @property
    def total(self) -> int:
        return self._source.total

    @property
    def is_exhausted(self) -> bool:
        return self._source.is_exhausted

    def resume(self, outcomes: Sequence[Outcome], in_flight: Sequence[Candidate]) -> Resumption:
        for outcome in outcomes:
            self._remember(outcome)
        return self._source.resume(outcomes, in_flight)

    def propose(self, count: int, first_trial: int) -> list[Candidate]:
        return [self._with_parent(candidate) for candidate in self._source.propose(count, first_trial)]

    def learn(self, outcome: Outcome) -> None:
        self._remember(outcome)
        self._source.learn(outcome)

    def _remember(self, outcome: Outcome) -> None:
        if outcome.is_complete and outcome.estimate.weights_sha256:
            own = len(outcome.estimate.curve) or outcome.candidate.fidelity.epochs
            weights = outcome.estimate.weights_sha256
            self._trained[outcome.candidate.trial] = Ancestor(weights, ancestor_epochs(outcome) + own)

    def _with_parent(self, candidate: Candidate) -> Candidate:
        parents = candidate.origin.get("parents", ())
        trial = next((parent for parent in parents if parent in self._trained), None)
        if trial is None or candidate.start_from:
            return candidate
        ancestor = self._trained[trial]
        return msgspec.structs.replace(
            candidate,
            start_from=ancestor.weights_sha256,
            origin={**candidate.origin, INHERITS: trial, ANCESTOR_EPOCHS: ancestor.epochs},
        )


class RungSource:
    """The candidates of `networks` at the first of `rungs`, and the best of each rung once more at the next.

    A free slot goes to a promotion where one is due, from the highest rung down, and to a new network otherwise. Due
    are the best of a rung's outcomes by `objectives` (failures count among them, and are never promoted) up to the
    share that is kept. When the strategy's networks are used up and nothing is in flight, the best of the highest rung
    goes on even where the share comes to less than one network, so that some network reaches the last rung.

    A promotion is a trial of its own, of origin `{"operator": "promote", "from": trial}`, that starts from the
    checkpoint of that trial; where that network inherited, its `ancestor_epochs` are there too. `forget` takes the hash
    of each checkpoint that nothing can start from any more: of a network whose promotion is finished, or that was
    stopped. Those of networks that were not promoted are kept, for more trials may be asked for, and then a rung is
    larger; so are those of the last rung, the weights of what was found (`naslab.execution.checkpoints`).
    """

    def __init__(
        self,
        networks: CandidateSource,
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
        self._num_promotions = 0
        self._in_flight: set[int] = set()
        self._ordered: list[list[Outcome]] = [[] for _ in rungs.epochs]
        self._num_ordered = [0 for _ in rungs.epochs]

    @property
    def total(self) -> int:
        """The strategy's networks, and the promotions so far."""
        return self._networks.total + self._num_promotions

    @property
    def is_exhausted(self) -> bool:
        return self._networks.is_exhausted

    def resume(self, outcomes: Sequence[Outcome], in_flight: Sequence[Candidate]) -> Resumption:
        kept, requeued = self._networks.resume(outcomes, in_flight)
        promotions = undone([each for each in in_flight if each.role == "search" and self._rung_of(each)], kept)
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
            self._num_promotions += 1

    def _note_finished(self, outcome: Outcome) -> None:
        """Enter an outcome in its rung; checkpoints that it makes useless are forgotten."""
        rung = self._rung_of(outcome.candidate)
        if rung is None or outcome.is_infeasible:
            return
        self._finished[rung][outcome.candidate.arch_id] = outcome
        left = outcome.estimate.weights_sha256
        if rung < self._rungs.top and left and not may_go_on(outcome, self._objectives):
            self._forget(left)
        if outcome.candidate.start_from:
            self._forget(outcome.candidate.start_from)
