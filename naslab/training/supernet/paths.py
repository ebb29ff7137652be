"""Paths: networks drawn from a space to train what they share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from naslab.arch import ArchSpec, cost
from naslab.errors import SpecError
from naslab.space import SearchSpace
from naslab.space.genome import Hole

MAX_DRAWS = 200
COVERING_DRAWS = 128
"""Draws of each kind by which the largest shapes are found."""


def draw_path(space: SearchSpace, rng: np.random.Generator) -> ArchSpec:
    """A network with every active choice equally likely, whatever hangs on it (Guo et al. 2019, arXiv 1904.00420)."""
    for _ in range(MAX_DRAWS):
        genome = space.fill(lambda hole: int(rng.integers(len(hole.options))))
        if space.is_network(genome):
            return space.decode(genome)
    return space.decode(space.sample(rng))


def extreme_paths(space: SearchSpace, rng: np.random.Generator) -> tuple[ArchSpec, ArchSpec]:
    """The networks of most and of fewest multiply-accumulates that a descent finds."""
    largest = space.cheapest(lambda arch: -float(cost(arch).macs), rng)
    smallest = space.cheapest(lambda arch: float(cost(arch).macs), rng)
    return space.decode(largest), space.decode(smallest)


def covering_paths(space: SearchSpace, rng: np.random.Generator) -> Iterator[ArchSpec]:
    """Networks among which every choice of blocks is met at its largest: sizes at most, everything else at random."""
    for share in (1.0, 0.9, 0.0):
        for _ in range(COVERING_DRAWS):
            genome = space.fill(lambda hole: _largest_or_any(hole, share, rng))  # noqa: B023 - called at once
            try:
                arch = space.decode(genome)
                cost(arch)
            except SpecError:
                continue
            yield arch


def _largest_or_any(hole: Hole, share: float, rng: np.random.Generator) -> int:
    if hole.is_ordered and rng.random() < share:
        return int(np.argmax(hole.options))
    return int(rng.integers(len(hole.options)))
