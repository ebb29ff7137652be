"""Quasi-random search: the points of a scrambled Sobol sequence, which cover a space more evenly than chance."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import qmc

from naslab.space import Genome
from naslab.space.genome import Hole
from naslab.strategies.domain import Domain
from naslab.strategies.outcome_history import OutcomeHistory
from naslab.strategies.strategy import Proposal

OPERATOR = "sobol"
BLOCK = 64
LAST_TOLD = 256
"""Outcomes among which the farthest point proposed is looked for when a study goes on."""
POINTS_AHEAD = 256
POINTS_AN_OUTCOME = 64
"""How far an ask looks for a point that makes an unseen network: this often the networks proposed, and a little."""


class QuasiRandom:
    """The networks of `domain` along a scrambled Sobol sequence (Owen 1998, "Scrambling Sobol' and Niederreiter-Xing").

    Every choice of the space has a coordinate of its own, which counts where the choice is active. Points that break
    the limits are repaired, each always in the same way, and points that make a network seen before are passed over.
    """

    def __init__(self, domain: Domain, seed: int) -> None:
        self._domain = domain
        self._seed = seed
        holes = domain.space.holes()
        self._column_of = {hole.path: column for column, hole in enumerate(holes)}
        self._sequence = qmc.Sobol(d=max(1, len(holes)), scramble=True, rng=np.random.default_rng(seed))
        self._block = np.zeros((0, max(1, len(holes))))
        self._points: dict[int, Genome | None] = {}
        self._num_passed = self._num_drawn = self._block_start = 0

    def drafts(self, history: OutcomeHistory, rng: np.random.Generator) -> Iterator[Proposal]:
        """The points of the sequence that make networks not seen yet."""
        if not self._points and history.told.is_taken_up:
            self._pass_over(history)
        end = POINTS_AHEAD + POINTS_AN_OUTCOME * history.num_proposed
        index = self._num_passed
        while index < end:
            genome = self._point(index)
            if genome is not None and self._domain.examine(genome).network_id not in history.seen:
                yield Proposal(genome, {"operator": OPERATOR, "point": index})
            elif index == self._num_passed:
                self._num_passed += 1  # what is seen stays seen
            index += 1

    def _pass_over(self, history: OutcomeHistory) -> None:
        """Begin a study that goes on where its last outcomes came from: every point before one proposed was seen."""
        told = history.told[-LAST_TOLD:]
        points = (each.origin.get("point", 0) for each in told if each.origin.get("operator") == OPERATOR)
        self._num_passed = max(points, default=0)
        self._num_drawn = self._num_passed // BLOCK * BLOCK
        if self._num_drawn:
            self._sequence.fast_forward(self._num_drawn)

    def _point(self, index: int) -> Genome | None:
        """The genome of a point of the sequence, `None` where it meets no limits after repair."""
        while index >= self._num_drawn:
            self._block_start, self._block = self._num_drawn, self._sequence.random(BLOCK)
            self._num_drawn += BLOCK
        if index not in self._points:
            self._points[index] = self._genome(self._block[index - self._block_start], index)
        return self._points[index]

    def _genome(self, point: np.ndarray[tuple[int], np.dtype[np.float64]], index: int) -> Genome | None:
        def choose(hole: Hole) -> int:
            return int(point[self._column_of[hole.path]] * len(hole.options))

        genome = self._domain.space.fill(choose)
        if self._domain.examine(genome).is_feasible:
            return genome
        return self._domain.repair(genome, np.random.default_rng([self._seed, index]))
