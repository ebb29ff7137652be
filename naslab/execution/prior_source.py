"""PriorSource: a search whose workers score a pool of networks between and beside the trainings."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from naslab.execution.events import Observer, PriorScored, ignore
from naslab.execution.scoring import scores_from
from naslab.execution.source import CandidateSource, WrappedSource
from naslab.ledger.scores import Score
from naslab.strategies.priors import Prior
from naslab.study.outcome import Candidate, Outcome

PARTS = 5
"""The pool is scored in so many parts, one before each of the first trials: `bayes` begins with so many networks."""


class PriorSource(WrappedSource):
    """The candidates of `source`, and the networks of a `pool` that workers are to score for its prior.

    Of its `parts` one is scored before the first trial is proposed, another before the second, and so on: a slot trains
    as soon as the next trial may be proposed, and scores until then, beside what others train. A trial is proposed by
    the scores of its own parts of the pool alone, however many more there are, so that a study that goes on proposes
    what it would have proposed. Once the last trial is proposed nothing more is scored.

    `names` are those of the prior's scores, `known` the scores that the ledger holds. `use` is told the prior before
    the first trial and whenever it is another; `on_event` hears how much of the pool is scored.
    """

    def __init__(
        self,
        source: CandidateSource,
        pool: Sequence[Candidate],
        names: Sequence[str],
        known: Sequence[Score],
        use: Callable[[Prior], None],
        on_event: Observer = ignore,
        parts: int = PARTS,
    ) -> None:
        super().__init__(source)
        self._parts = parts
        self._pool = pool
        self._names = names
        self._use = use
        self._on_event = on_event
        self._scores: dict[str, dict[str, float | None]] = {}
        self._note(known)
        self._waiting = deque(each for each in pool if not self._is_scored(each))
        self._num_scored = len(pool) - len(self._waiting)
        self._num_failed = sum(None in each.values() for each in self._scores.values())
        self._num_ready = 0
        self._num_used = 0

    def propose(self, count: int, first_trial: int) -> list[Candidate]:
        found: list[Candidate] = []
        while len(found) < count:
            if not self._may_propose(first_trial + len(found)):
                room = min(count - len(found), len(self._waiting))
                return found + [self._waiting.popleft() for _ in range(room)]
            fresh = self._source.propose(1, first_trial + len(found))
            if not fresh:
                break
            found += fresh
        return found

    def learn(self, outcome: Outcome) -> None:
        """Pass on `outcome`, unless it holds the scores of a network of the pool, which the ledger has by now."""
        if outcome.candidate.role != "pool":
            self._source.learn(outcome)
            return
        found = scores_from(outcome)
        self._note(found)
        self._num_scored += 1
        self._num_failed += any(each.score is None for each in found)
        self._on_event(PriorScored(self._num_scored, len(self._pool), self._num_failed))

    def _note(self, scores: Sequence[Score]) -> None:
        for each in scores:
            self._scores.setdefault(each.arch_id, {})[each.prior] = each.score

    def _is_scored(self, candidate: Candidate) -> bool:
        return self._scores.get(candidate.arch_id, {}).keys() >= set(self._names)

    def _may_propose(self, trial: int) -> bool:
        """Whether the parts of the pool for `trial` are scored; the prior of these is in use then."""
        parts = min(self._parts, trial + 1, max(1, self.total))
        needed = math.ceil(len(self._pool) * parts / self._parts)
        while self._num_ready < needed and self._is_scored(self._pool[self._num_ready]):
            self._num_ready += 1
        if self._num_ready < needed:
            return False
        if self._num_used != needed:
            self._num_used = needed
            self._use(prior_of(self._names, self._pool[:needed], self._scores))
        return True


def prior_of(
    names: Sequence[str], pool: Sequence[Candidate], scores: Mapping[str, Mapping[str, float | None]]
) -> Prior:
    """The prior of the networks of `pool` by the `scores` of these `names`, by the network's id and the name."""
    found = [[scores[each.arch_id][name] for name in names] for each in pool]
    values = np.array([[math.nan if score is None else score for score in row] for row in found])
    return Prior(names, [each.genome for each in pool], [each.arch_id for each in pool], values)
