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
    """A network with each option of every active choice equally likely (Guo et al. 2019, arXiv 1904.00420).

    So an option is no likelier for the further choices that it opens. After 200 draws that are no network one is
    sampled as the space does.
    """
    for _ in range(MAX_DRAWS):
        genome = space.fill(lambda hole: int(rng.integers(len(hole.options))))
        if space.is_network(genome):
            return space.decode(genome)
    return space.decode(space.sample(rng))


def extreme_paths(space: SearchSpace, rng: np.random.Generator) -> tuple[ArchSpec, ArchSpec]:
    """The networks of most and of fewest multiply-accumulates that descents from networks drawn by `rng` find."""
    largest = space.cheapest(lambda arch: -float(cost(arch).macs), rng)
    smallest = space.cheapest(lambda arch: float(cost(arch).macs), rng)
    return space.decode(largest), space.decode(smallest)


def covering_paths(space: SearchSpace, rng: np.random.Generator) -> Iterator[ArchSpec]:
    """Random networks, most of them large, that together should need each tensor of the space at its largest.

    A third has every ordered choice (of a width, a depth, a kernel) at its largest option, a third about nine in ten of
    them; everything else is drawn by `rng`. Draws that are no network are left out.
    """
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
