"""Descents over single changes: towards the limits, and towards the cheapest network."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from naslab.space.genome import Genome
from naslab.space.moves import GenomeMoves

if TYPE_CHECKING:
    import numpy as np

MAX_DESCENT_STEPS = 1000

Price = Callable[[Genome], float]


def repaired_genome(
    genome: Genome, moves: GenomeMoves, excess: Price, rng: np.random.Generator, max_steps: int
) -> Genome | None:
    """A genome without excess, at most `max_steps` single changes away from `genome`; `None` where none is found.

    `moves` makes the single changes, `excess` says by how much a genome breaks the limits (at most 0 where it meets
    them). Each step takes a random one of the changes that meet the limits, else the one of least excess.
    """
    least = excess(genome)
    for _ in range(max_steps):
        if least <= 0:
            return genome
        priced = [(excess(each), each) for each in moves.single_changes(genome, rng)]
        meeting = [each for price, each in priced if price <= 0]
        if meeting:
            return meeting[int(rng.integers(len(meeting)))]
        price, best = min(priced, key=lambda pair: pair[0], default=(math.inf, genome))
        if price >= least:
            return None
        least, genome = price, best
    return genome if least <= 0 else None


def cheapest_genome(starts: Sequence[Genome], moves: GenomeMoves, price: Price, rng: np.random.Generator) -> Genome:
    """The genome of the lowest `price` that descents from the genomes `starts` reach.

    `moves` makes the single changes. A descent takes the cheapest of them until none is cheaper.
    """
    return min((_descended(start, moves, price, rng) for start in starts), key=price)


def _descended(genome: Genome, moves: GenomeMoves, price: Price, rng: np.random.Generator) -> Genome:
    """Every choice in turn takes its cheapest option, until none does any more."""
    least = price(genome)
    for _ in range(MAX_DESCENT_STEPS):
        found, best = min(
            ((price(each), each) for each in moves.single_changes(genome, rng)),
            key=lambda pair: pair[0],
            default=(math.inf, genome),
        )
        if found >= least:
            return genome
        least, genome = found, best
    return genome
