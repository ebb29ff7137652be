"""Random search without repeats."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np

from naslab.strategies.domain import Space
from naslab.strategies.outcome_history import OutcomeHistory
from naslab.strategies.strategy import Proposal


class RandomSearch:
    """Random samples of `space`: the baseline that a strategy has to beat (Li and Talwalkar 2019, arXiv 1902.07638)."""

    def __init__(self, space: Space) -> None:
        self._space = space

    def drafts(self, history: OutcomeHistory, rng: np.random.Generator) -> Iterator[Proposal]:
        """Random genomes."""
        return samples(self._space, rng)


def samples(space: Space, rng: np.random.Generator) -> Iterator[Proposal]:
    """Random genomes of `space` without end, as proposals; they may repeat."""
    return (Proposal(space.sample(rng), {"operator": "sample"}) for _ in count())
