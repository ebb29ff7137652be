"""Aging evolution: Real et al. 2019, "Regularized Evolution for Image Classifier Architecture Search", 1802.01548."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np

from naslab.arch.block import require
from naslab.strategies.domain import Space
from naslab.strategies.outcome_history import OutcomeHistory, best_first
from naslab.strategies.random_search import samples
from naslab.strategies.strategy import Proposal

DRAFTS_BEFORE_ANOTHER_MUTATION = 8


class AgingEvolution:
    """Keeps the last `population` networks told of `space`; mutates the best of `sample` that are drawn from them.

    The oldest leaves, however good it is. Raises `SpecError` unless `sample` is from 1 to `population`.

    Several objectives make it regularised multi-objective evolution: the best of a tournament is of the lowest
    non-dominated rank among those drawn, then the least crowded, and still the oldest dies. The paper has 100 and 25;
    small populations find more in the few hundred evaluations of a usual search.
    """

    def __init__(self, space: Space, population: int = 10, sample: int = 5) -> None:
        require(1 <= sample <= population, "sample", f"must be 1 to the population of {population}, got {sample}")
        self._space = space
        self._population = population
        self._sample = sample

    def drafts(self, history: OutcomeHistory, rng: np.random.Generator) -> Iterator[Proposal]:
        """Random genomes until there is a population, then mutations of tournament winners."""
        alive = history.told[-self._population :]
        if history.num_searched < self._population or not alive:
            yield from samples(self._space, rng)
        for draft in count():
            drawn = rng.choice(len(alive), size=min(self._sample, len(alive)), replace=False)
            drawn.sort()
            parent = alive[drawn[best_first(alive[index] for index in drawn)[0]]]
            genome = parent.genome
            # A population that has converged has few unseen neighbours left: step further as drafts are refused.
            for _ in range(1 + draft // DRAFTS_BEFORE_ANOTHER_MUTATION):
                genome = self._space.mutate(genome, rng)
            yield Proposal(genome, {"operator": "mutate", "parents": [parent.trial]})
