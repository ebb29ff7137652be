"""NSGA-III (Deb and Jain 2014), steady-state and asynchronous: survival by niches around given directions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from naslab.arch.block import require
from naslab.pareto import Losses, non_dominated_ranks
from naslab.strategies.domain import Space
from naslab.strategies.last_front import Booleans, LastFront, Passes, next_to_join
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
        self._passes: Passes | None = None
        """Which outcomes leave the population as it is; `None` where that is not known."""
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
                self._num_read = next_to_join(losses, self._num_read, self._passes)
                if self._num_read == len(losses):
                    return
            self._alive.append(self._num_read)
            if len(self._alive) > self._population:
                del self._alive[self._leaving(losses[self._alive])]
            if len(self._alive) == self._population:
                self._passes = self._passed_by(losses[self._alive])
            self._num_read += 1

    def _leaving(self, losses: Losses) -> int:
        """The place in the population, which has these `losses`, of the one that leaves."""
        failed = np.flatnonzero(np.isnan(losses[:, 0]))
        if len(failed):
            return int(failed[-1])
        ranks = non_dominated_ranks(losses)
        niches, distances = associate(scaled_to_front(losses, losses[ranks == 0]), self._directions)
        counts = np.bincount(niches, minlength=len(self._directions))
        last = np.flatnonzero(ranks == ranks.max())
        return int(max(last, key=lambda index: (counts[niches[index]], distances[index], index)))

    def _passed_by(self, losses: Losses) -> Passes | None:
        """Which newcomers would leave a full population of these `losses` at once."""
        if np.isnan(losses[:, 0]).any():
            return None
        ranks = non_dominated_ranks(losses)
        front, best = LastFront.ranked(losses, ranks), losses[ranks == 0]
        ideal, nadir = best.min(axis=0), best.max(axis=0)
        niches, distances = associate(scaled_to_front(losses, best), self._directions)
        counts = np.bincount(niches, minlength=len(self._directions))
        is_last = ranks == ranks.max()
        of_last = _Niches(counts, niches[is_last], distances[is_last])

        def passes(group: Losses) -> Booleans:
            is_behind, joins = front.compared(group)
            if not len(front.above):  # beyond its ends the front would be scaled otherwise
                joins &= ((ideal <= group) & (group <= nadir)).all(axis=1)
            places = np.flatnonzero(joins)
            is_behind[places] = of_last.are_left_by(*associate(scaled_to_front(group[places], best), self._directions))
            return is_behind

        return passes


class _Niches(NamedTuple):
    """How many of a population each niche holds, and the niches and distances of its last front: (points,) each."""

    counts: NDArray[np.intp]
    niches: NDArray[np.intp]
    distances: NDArray[np.float64]

    def are_left_by(self, niches: NDArray[np.intp], distances: NDArray[np.float64]) -> Booleans:
        """Which newcomers to these `niches`, at these `distances`, shape (points,), would be the ones to leave."""
        theirs = self.counts[self.niches][:, None] + (self.niches[:, None] == niches)
        own = self.counts[niches] + 1
        is_nearer = self.distances[:, None] <= distances  # the newcomer is the youngest
        return np.asarray(((theirs < own) | ((theirs == own) & is_nearer)).all(axis=0))


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


def scaled_to_front(losses: Losses, front: Losses) -> Losses:
    """`losses` scaled in each objective: the best of the `front` at 0, its worst at 1; all (points, objectives)."""
    ideal, nadir = front.min(axis=0), front.max(axis=0)
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
    along = np.zeros((len(losses), len(units)))
    squares = np.zeros((len(losses), 1))
    for loss, unit in zip(losses.T[:, :, None], units.T, strict=True):  # no matter how many points are measured at once
        along += loss * unit
        squares += loss**2
    away = np.maximum(squares - along**2, 0.0)
    niches = away.argmin(axis=1)
    return niches, np.sqrt(away[np.arange(len(losses)), niches])
