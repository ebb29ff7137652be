"""NSGA-III (Deb and Jain 2014), steady-state and asynchronous: survival by niches around given directions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from naslab.arch.block import require
from naslab.pareto import Losses, non_dominated_ranks
from naslab.strategies.domain import Space
from naslab.strategies.last_front import last_front, next_to_join
from naslab.strategies.nsga2 import children
from naslab.strategies.outcome_history import OutcomeHistory
from naslab.strategies.random_search import samples
from naslab.strategies.strategy import Proposal


class NSGA3:
    """Keeps `population` networks of `space`: for three objectives and more, where crowding distance fails to spread.

    `num_objectives` is how many losses are told; the niches are the directions that `even_directions` spreads over
    them. Raises `SpecError` where `population` is below 2.

    Every outcome joins the population; the one to leave is of the worst front, from the fullest niche of it, the
    farthest from the niche's direction. Parents are drawn evenly, as in the paper.
    """

    def __init__(self, space: Space, num_objectives: int, population: int = 20) -> None:
        require(population >= 2, "population", f"must be at least 2, got {population}")
        self._space = space
        self._population = population
        self._directions = even_directions(num_objectives, population)
        self._alive: list[int] = []
        """The places of the population among what was told, the oldest first."""
        self._last_front: Losses | None = None
        self._num_read = 0

    def drafts(self, history: OutcomeHistory, rng: np.random.Generator) -> Iterator[Proposal]:
        """Random genomes until there is a population, then children of parents drawn evenly."""
        self._read(history.told.columns(len(history.told)).losses)
        alive = history.told.at(self._alive)
        if history.num_searched < self._population or not alive:
            yield from samples(self._space, rng)
        yield from children(self._space, alive, lambda: int(rng.integers(len(alive))), rng)

    def _read(self, losses: Losses) -> None:
        """Let the outcomes not yet read join the population, one by one."""
        while self._num_read < len(losses):
            if len(self._alive) == self._population:
                self._num_read = next_to_join(losses, self._num_read, self._last_front)
                if self._num_read == len(losses):
                    return
            self._alive.append(self._num_read)
            if len(self._alive) > self._population:
                self._leave(losses[self._alive])
            else:
                self._last_front = last_front(losses[self._alive])
            self._num_read += 1

    def _leave(self, losses: Losses) -> None:
        """One of the population with these `losses` leaves; of the last front it dominates none, so ranks stay."""
        failed = np.flatnonzero(np.isnan(losses[:, 0]))
        if len(failed):
            del self._alive[int(failed[-1])]
            self._last_front = last_front(np.delete(losses, failed[-1], axis=0))
            return
        ranks = non_dominated_ranks(losses)
        niches, distances = associate(scaled_to_front(losses, ranks == 0), self._directions)
        counts = np.bincount(niches, minlength=len(self._directions))
        last = np.flatnonzero(ranks == ranks.max())
        leaving = int(max(last, key=lambda index: (counts[niches[index]], distances[index], index)))
        del self._alive[leaving]
        ranks, losses = np.delete(ranks, leaving), np.delete(losses, leaving, axis=0)
        self._last_front = losses[ranks == ranks.max()]


def even_directions(num_objectives: int, most: int) -> NDArray[np.float64]:
    """At most `most` directions spread evenly over the simplex: shape (directions, objectives). Das and Dennis 1998.

    >>> even_directions(2, 3).tolist()
    [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    """
    if num_objectives == 1:
        return np.ones((1, 1))
    best = np.full((1, num_objectives), 1.0 / num_objectives)
    for divisions in range(1, most + 1):
        bars = np.array(list(combinations(range(divisions + num_objectives - 1), num_objectives - 1)))
        if len(bars) > most:
            break
        edges = np.pad(bars, ((0, 0), (1, 1)), constant_values=-1)
        edges[:, -1] = divisions + num_objectives - 1
        best = (np.diff(edges, axis=1) - 1) / divisions
    return np.asarray(best, dtype=np.float64)


def scaled_to_front(losses: NDArray[np.float64], is_front: NDArray[np.bool_]) -> NDArray[np.float64]:
    """`losses`, shape (points, objectives), scaled in each objective: the front's best at 0, its worst at 1.

    `is_front`, shape (points,), says which points are on the front.
    """
    ideal, nadir = losses[is_front].min(axis=0), losses[is_front].max(axis=0)
    return np.asarray((losses - ideal) / np.where(nadir > ideal, nadir - ideal, 1.0))


def associate(
    losses: NDArray[np.float64], directions: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The nearest direction of each point, and the point's distance from its ray: two arrays of shape (points,).

    `losses` have the shape (points, objectives), `directions` (directions, objectives); Deb and Jain 2014, algorithm 3.

    >>> niches, distances = associate(np.array([[1.0, 0.0], [2.0, 2.0]]), even_directions(2, 3))
    >>> niches.tolist(), distances.round(6).tolist()
    ([2, 1], [0.0, 0.0])
    """
    units = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    along = losses @ units.T
    away = np.maximum((losses**2).sum(axis=1)[:, None] - along**2, 0.0)
    niches = away.argmin(axis=1)
    return niches, np.sqrt(away[np.arange(len(losses)), niches])
