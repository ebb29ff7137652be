"""InheritSource: candidates that begin with the weights of the networks that they were made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from naslab.estimators.inheritance import ANCESTOR_EPOCHS, INHERITS, ancestor_epochs
from naslab.execution.source import Resumption, Source
from naslab.outcome import Candidate, Outcome


class Ancestor(NamedTuple):
    """A trained network: its checkpoint's content hash, and the epochs that it and those before it were trained for."""

    weights_sha256: str
    epochs: int


class InheritSource:
    """What another source proposes, each candidate with parents starting from the checkpoint of one of them.

    It is the first of the parents that its origin names which left a checkpoint. Whom a candidate inherits from is
    decided once, when it is made, and is part of it in the ledger: a resumed study trains it from the same weights.

    Under rungs children inherit when they start on the first one, from the training that their origin names: that of
    the first rung, however far their parent has come since. Promotions go on from their own checkpoints, as ever.
    """

    def __init__(self, source: Source) -> None:
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
