"""NSGA-II (Deb et al. 2002), steady-state and asynchronous: every outcome joins the population, the worst leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count

import numpy as np
from numpy.typing import NDArray

from naslab.arch.block import require
from naslab.pareto import Losses, crowding_of_fronts, non_dominated_ranks
from naslab.strategies.domain import Space
from naslab.strategies.last_front import Booleans, LastFront, Passes, next_to_join
from naslab.strategies.outcome_history import Observation, OutcomeHistory, order_of
from naslab.strategies.random_search import samples
from naslab.strategies.strategy import Proposal

CROSSOVER_PROBABILITY = 0.9
DRAFTS_BEFORE_ANOTHER_MUTATION = 8
LARGEST = np.finfo(np.float64).max / 8
"""Differences of losses up to it are finite."""


class NSGA2:
    """Keeps the best `population` networks of `space` by non-dominated rank, then by crowding distance.

    Parents win binary tournaments; children are crossed over stage by stage, then mutated once. As polynomial mutation
    does with numbers, it prefers near options of ordered choices. Raises `SpecError`
    where `population` is below 2.

    Without generations no worker waits (steady state: Durillo et al. 2009, "On the effect of the steady-state selection
    scheme in multi-objective genetic algorithms").
    """

    def __init__(self, space: Space, population: int = 20) -> None:
        require(population >= 2, "population", f"must be at least 2, got {population}")
        self._space = space
        self._population = population
        self._alive: list[int] = []
        """The places of the population among what was told, the best first."""
        self._passes: Passes | None = None
        """Which outcomes change neither the population nor its order; `None` while another order is due."""
        self._num_read = 0

    def drafts(self, history: OutcomeHistory, rng: np.random.Generator) -> Iterator[Proposal]:
        """Random genomes until there is a population, then children of tournament winners."""
        self._read(history)
        alive = history.told.at(self._alive)
        if history.num_searched < self._population or not alive:
            yield from samples(self._space, rng)
        yield from children(self._space, alive, lambda: int(rng.integers(len(alive), size=2).min()), rng)

    def _read(self, history: OutcomeHistory) -> None:
        """Let the outcomes not yet read join the population, one by one; it is kept best first."""
        losses = history.told.columns(len(history.told)).losses
        while self._num_read < len(losses):
            if len(self._alive) == self._population:
                self._num_read = next_to_join(losses, self._num_read, self._passes)
                if self._num_read == len(losses):
                    return
            self._join(losses, np.array([*self._alive, self._num_read]))
            self._num_read += 1

    def _join(self, losses: Losses, joined: NDArray[np.intp]) -> None:
        """Keep the best of the places `joined`; who leaves is of the last front and dominates none, so ranks stay."""
        own = losses[joined]
        if own.shape[1] == 1 or np.isnan(own).any():
            alive = joined[order_of(own)[: self._population]]
            is_in_order = bool((order_of(losses[alive]) == np.arange(len(alive))).all())
            front = LastFront.of(losses[alive]) if is_in_order else None
            self._passes = None if front is None else front.is_behind
        else:
            ranks = non_dominated_ranks(own)
            kept = np.lexsort((-crowding_of_fronts(own, ranks), ranks))[: self._population]
            alive = joined[kept]
            if self._passes is not None and alive.tolist() == self._alive:
                return  # the newcomer leaves
            own, ranks = own[kept], ranks[kept]
            order = np.lexsort((-crowding_of_fronts(own, ranks), ranks))  # ties may be at the ends of their front now
            is_in_order = bool((order == np.arange(len(order))).all())
            self._passes = _passed_by_crowding(own, ranks) if is_in_order else None
        self._alive = alive.tolist()


def _passed_by_crowding(losses: Losses, ranks: NDArray[np.int64]) -> Passes:
    """Which newcomers leave a population with these `losses` and `ranks`, best first, as it is."""
    front = LastFront.ranked(losses, ranks)
    if not np.abs(losses).max() < LARGEST:
        return front.is_behind

    def passes(group: Losses) -> Booleans:
        is_behind, joins = front.compared(group)
        places = np.flatnonzero(joins)
        is_behind[places[is_most_crowded(front.points, group[places])]] = True
        return is_behind

    return passes


def is_most_crowded(front: Losses, group: Losses) -> Booleans:
    """Which of `group` would each be the most crowded point of `front`, whose order stays: bool of shape (group,).

    Both have the shape (points, objectives); the points of `front` come the least crowded first, and none of the group
    dominates one of them or is dominated. Between the ends of every objective a newcomer that has a value of its own
    changes what its two neighbours add to their distances alone, so the numbers are those of `crowding_of_fronts`. Of
    the others nothing is known, which is false.

    >>> front = np.array([[0.0, 4.0], [4.0, 0.0], [2.0, 2.0]])
    >>> is_most_crowded(front, np.array([[1.5, 3.0], [1.0, 5.0]])).tolist()
    [True, False]
    """
    if len(front) == 1:
        return np.ones(len(group), dtype=np.bool_)  # both are ends, or equal
    found = np.zeros(len(group), dtype=np.bool_)
    inside = np.flatnonzero(((front.min(axis=0) < group) & (group < front.max(axis=0))).all(axis=1))
    if not len(inside):
        return found
    distances, own = np.zeros((len(front), len(inside))), np.zeros(len(inside))
    each = np.arange(len(inside))
    is_alone = np.ones(len(inside), dtype=np.bool_)
    for column, values in zip(front.T, group[inside].T, strict=True):
        order = np.argsort(column, kind="stable")
        known = np.array([-np.inf, *column[order], np.inf])
        span = known[-2] - known[1]
        added = np.repeat((known[2:, None] - known[:-2, None]) / span, len(inside), axis=1)
        above = np.searchsorted(known, values)  # the place of its upper neighbour
        is_alone &= known[above] != values
        added[above - 1, each] = (known[above + 1] - values) / span
        added[above - 2, each] = (values - known[above - 2]) / span
        own += (known[above] - known[above - 1]) / span
        distances[order] += added
    is_least = own <= distances[-1]
    found[inside] = is_alone & is_least & (distances[1:] <= distances[:-1]).all(axis=0)
    return found


def children(
    space: Space, alive: Sequence[Observation], pick: Callable[[], int], rng: np.random.Generator
) -> Iterator[Proposal]:
    """Children without end: genomes of `space`, crossed over with probability 0.9 and mutated, to near options mostly.

    `alive` is the population; `pick` returns the position of a parent in it, anew at each call. Every eighth child that
    was refused is mutated once more than those before.
    """
    for draft in count():
        one, two = alive[pick()], alive[pick()]
        is_crossed = one is not two and rng.random() < CROSSOVER_PROBABILITY
        genome = space.cross(one.genome, two.genome, rng) if is_crossed else one.genome
        for _ in range(1 + draft // DRAFTS_BEFORE_ANOTHER_MUTATION):
            genome = space.mutate(genome, rng, near=True)
        parents = [one.trial, two.trial] if is_crossed else [one.trial]
        yield Proposal(genome, {"operator": "cross" if is_crossed else "mutate", "parents": parents})
