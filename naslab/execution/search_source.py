"""The source of a search: its strategy's networks, inheriting weights, through rungs, stopped early where asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

import msgspec
import numpy as np

from naslab.arch.block import require
from naslab.estimators.inheritance import ANCESTOR_EPOCHS, INHERITS, ancestor_epochs
from naslab.execution.deterministic_source import DeterministicSource
from naslab.execution.pause_source import PauseSource
from naslab.execution.promotion import best_to_promote, done_with, promoted
from naslab.execution.source import CandidateSource, Resumption, StrategySource, WrappedSource, undone
from naslab.ledger.ledger import Ledger
from naslab.ledger.record import StudyRecord
from naslab.metrics import ACCURACY, EVALUATION, HEADS, find_metric, is_declared, is_described
from naslab.pareto import non_dominated_ranks
from naslab.strategies.pausing_strategy import PausingSearch
from naslab.strategies.strategy import Strategy
from naslab.study.outcome import Candidate, Fidelity, Outcome, ToBeat
from naslab.study.problem import Limit, Objective, Problem
from naslab.study.rungs import Rungs

LEAST_FINISHED = 5
"""Whole trainings that must have shown how an objective ranges before others are stopped by it."""
ROOM = 0.25
"""How much better than the best so far an objective may get, as a share of its range so far."""


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
    networks = StrategySource(strategy, problem, first, record.seed, record.num_asked)
    # a checkpoint that children may begin with is never done with
    forget = keep_all if record.inherit else ledger.checkpoints(record.name).discard
    begun = InheritSource(networks) if record.inherit else networks
    source: CandidateSource = begun
    if rungs is not None and rungs.pauses:
        assert isinstance(strategy, PausingSearch), "a search that pauses has a strategy that says what goes on"
        source = PauseSource(begun, strategy, rungs, problem.objectives, record.trials, forget)
    elif rungs is not None:
        source = RungSource(begun, rungs, problem.objectives, forget, problem.preferences)
    if record.stop_early is not None:
        source = EarlyStoppingSource(source, problem.objectives, Fidelity(epochs=record.epochs))
    return DeterministicSource(source) if record.deterministic else source


def keep_all(_: str) -> None:
    """Forget no checkpoint: what takes the place of `forget` where all are kept."""


def require_stoppable(confidence: float, objectives: Sequence[Objective], reports_any: bool = False) -> None:
    """Raise `SpecError` unless trainings for these objectives can be stopped early with this confidence.

    `reports_any` says that the training, a user's or a detector's, may report any number after each epoch.
    """
    require(0.5 <= confidence < 1, "stop_early", f"must be a confidence from 0.5 to below 1, got {confidence:g}")
    names = [goal.metric for goal in objectives]
    told = ", ".join(sorted(set(names)))
    measured = [name for name in names if not is_described(name) and not _is_of_heads(name)]
    can_tell = all(_is_of_epochs(name, reports_any) for name in measured)
    rule = f"needs {ACCURACY.name} or what else is measured after each epoch, beside costs known before training"
    require(bool(measured) and can_tell, "stop_early", f"{rule}, got {told}")


def _is_of_epochs(name: str, reports_any: bool) -> bool:
    """Whether a training measures a metric after each epoch, by what is declared of it."""
    if not is_declared(name):
        return reports_any
    row = find_metric(name)
    return row.stage == "after training" and (reports_any or row.measured_by == EVALUATION)


def _is_of_heads(name: str) -> bool:
    """Whether a metric is a cost that is counted of a whole detector before it is trained."""
    return is_declared(name) and find_metric(name).measured_by == HEADS


class EarlyStoppingSource(WrappedSource):
    """The candidates of `source`, each with what it is to beat: the best so far of networks that cost no more.

    A network that ends below it is dominated. Where accuracy is all that is measured that is one accuracy, else the
    measured objectives of those networks that none of them dominates. Only outcomes of `fidelity`, the whole training,
    count, and only measured ones; a candidate that nothing yet costs less than has nothing to beat, nor has any with
    other objectives than accuracy before five trainings have shown their ranges. What a whole detector costs is known
    to its worker alone, which leaves out those that cost more. It is that of the moment when the
    candidate is proposed, and is in the ledger with it. `objectives` must be such as `require_stoppable` asks for.
    """

    def __init__(self, source: CandidateSource, objectives: Sequence[Objective], fidelity: Fidelity) -> None:
        super().__init__(source)
        self._costs = [(goal, find_metric(goal.metric)) for goal in objectives if is_described(goal.metric)]
        self._goals = [goal for goal in objectives if not is_described(goal.metric)]
        self._is_accuracy = [goal.metric for goal in self._goals] == [ACCURACY.name]
        self._ranges: dict[str, tuple[float, float]] = {}
        self._spans: dict[str, list[tuple[float, float]]] = {}
        self._fidelity = fidelity
        self._finished: list[Outcome] = []

    def resume(self, outcomes: Sequence[Outcome], in_flight: Sequence[Candidate]) -> Resumption:
        for outcome in outcomes:
            self._note(outcome)
        return self._source.resume(outcomes, in_flight)

    def propose(self, count: int, first_trial: int) -> list[Candidate]:
        proposed = self._source.propose(count, first_trial)
        if self._is_accuracy:
            return [msgspec.structs.replace(each, accuracy_to_beat=self.accuracy_to_beat(each)) for each in proposed]
        return [msgspec.structs.replace(each, to_beat=self.to_beat(each)) for each in proposed]

    def learn(self, outcome: Outcome) -> None:
        self._note(outcome)
        self._source.learn(outcome)

    def accuracy_to_beat(self, candidate: Candidate) -> float | None:
        """The best accuracy, in per cent, of measured networks that cost no more; `None` where there is none."""
        return max((outcome.value(ACCURACY.name) for outcome in self._no_dearer(candidate)), default=None)

    def to_beat(self, candidate: Candidate) -> ToBeat | None:
        """What measured networks that cost no more have of the measured objectives; `None` where there are none."""
        known = self._no_dearer(candidate)
        if not known or len(self._finished) < LEAST_FINISHED:
            return None
        losses = np.array([[goal.loss(each.value(goal.metric)) for goal in self._goals] for each in known])
        best = [known[index] for index in np.flatnonzero(non_dominated_ranks(losses) == 0)]
        points = [{goal.metric: each.value(goal.metric) for goal in self._goals} for each in best]
        return ToBeat(tuple(points), dict(self._ranges))

    def _no_dearer(self, candidate: Candidate) -> list[Outcome]:
        spent = self._spent(candidate)
        return [
            outcome
            for outcome in self._finished
            if all(mine <= theirs for mine, theirs in zip(self._spent(outcome.candidate), spent, strict=True))
        ]

    def _spent(self, candidate: Candidate) -> list[float]:
        return [goal.loss(float(row.of(candidate.arch, candidate.cost))) for goal, row in self._costs]

    def _note(self, outcome: Outcome) -> None:
        is_whole = outcome.candidate.role == "search" and outcome.candidate.fidelity == self._fidelity
        is_measured = outcome.is_complete and "stopped" not in outcome.estimate.notes
        if is_whole and is_measured and all(math.isfinite(outcome.value(goal.metric)) for goal in self._goals):
            self._finished.append(outcome)
            reported = [goal for goal in self._goals if not _is_of_heads(goal.metric)]
            self._ranges |= {goal.metric: self._range_with(goal, outcome) for goal in reported}

    def _range_with(self, goal: Objective, outcome: Outcome) -> tuple[float, float]:
        """The worst and best value of a goal: its bounds, else those that trainings had, with room for better ones."""
        row = find_metric(goal.metric) if is_declared(goal.metric) else None
        if row is not None and math.isfinite(row.most - row.least):
            return (row.least, row.most) if goal.maximise else (row.most, row.least)
        seen = [each.value(goal.metric) for each in outcome.estimate.curve] + [outcome.value(goal.metric)]
        losses = [goal.loss(each) for each in seen if math.isfinite(each)]
        spans = self._spans.setdefault(goal.metric, [])
        spans.append((min(losses), max(losses)))
        best = min(least for least, _ in spans)
        worst = max(median(most for _, most in spans), best + 1e-9)  # one that diverged widens nothing
        sign = -1.0 if goal.maximise else 1.0
        return sign * worst, sign * (best - ROOM * (worst - best))


class Ancestor(NamedTuple):
    """A trained network: its checkpoint's content hash, and the epochs that it and those before it were trained for."""

    weights_sha256: str
    epochs: int


class InheritSource(WrappedSource):
    """The candidates of `source`, those with parents starting from the checkpoint of one of them.

    It is the first of the parents that its origin names which left a checkpoint. Whom a candidate inherits from is
    decided once, when it is made, and is part of it in the ledger: a resumed study trains it from the same weights.

    Under rungs children inherit when they start on the first one, from the training that their origin names: that of
    the first rung, however far their parent has come since. Promotions go on from their own checkpoints, as ever.
    """

    def __init__(self, source: CandidateSource) -> None:
        super().__init__(source)
        self._trained: dict[int, Ancestor] = {}

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
    are the best of a rung's outcomes by `objectives`, those within `preferences` first, up to the share that is kept
    (failures count among them, and are never promoted). When the strategy's networks are used up and nothing is in
    flight, the best of the highest rung goes on even where the share comes to less than one network, so that some
    network reaches the last rung.

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
        preferences: Sequence[Limit] = (),
    ) -> None:
        self._networks = networks
        self._rungs = rungs
        self._objectives = objectives
        self._forget = forget
        self._preferences = preferences
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
        going_on = [promoted(outcome, self._rungs, first_trial + index) for index, outcome in enumerate(due)]
        for candidate in (*going_on, *fresh):
            self._note_started(candidate)
            self._in_flight.add(candidate.trial)
        return [*going_on, *fresh]

    def learn(self, outcome: Outcome) -> None:
        self._in_flight.discard(outcome.candidate.trial)
        self._note_finished(outcome)
        self._networks.learn(outcome)

    def _due(self, rung: int) -> list[Outcome]:
        """The outcomes of a rung that are to go on now, best first."""
        assert self._rungs.keep is not None, "pauses have a source of their own"
        quota = int(len(self._finished[rung]) * self._rungs.keep + 1e-9)
        best = self._best_of(rung)[:quota] if quota > 0 else []
        return [each for each in best if each.candidate.arch_id not in self._promoted[rung]]

    def _best_of(self, rung: int) -> list[Outcome]:
        """The outcomes of a rung that may go on, best first; put in order once for each that came."""
        finished = self._finished[rung]
        if self._num_ordered[rung] != len(finished):
            self._ordered[rung] = best_to_promote(list(finished.values()), self._objectives, self._preferences)
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
        for checkpoint in done_with(outcome, self._rungs, self._objectives):
            self._forget(checkpoint)
