"""Sampled space: networks of a search space some of which have known results, too few for single changes to meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from naslab.bench.table import TableSpace
from naslab.errors import DataError
from naslab.space import Genome, SearchSpace
from naslab.space.genome import Hole

NEAR = 8
"""How many of the rows nearest to a genome count as its neighbours."""
INACTIVE = -1
"""Stands in `keys` for a choice that a genome does not make."""


class SampledSpace(TableSpace):
    """Rows that are `genomes` of `space`, a small part of it: strategies move from a row to those nearest to it.

    A changed choice would hardly ever be a row again, so neighbours are the 8 rows whose encoded choices differ least
    (by the sum of absolute differences). Models see the choices as `space` encodes them. Other genomes of the space
    are invalid networks, whose repair is one of the rows nearest to them. Raises `DataError` for no genome and for one
    that is there twice.

    >>> from naslab.space import load_space
    >>> space = load_space("fashion_mixed")
    >>> rows = SampledSpace(space, [space.sample(np.random.default_rng(seed)) for seed in range(20)])
    >>> rows.size(), len(list(rows.neighbours(rows.genome(0))))
    (20, 8)
    """

    def __init__(self, space: SearchSpace, genomes: Sequence[Genome]) -> None:
        if not genomes:
            raise DataError("a table needs at least one network")
        holes = space.holes()
        options = [dict(genome.genes) for genome in genomes]
        super().__init__(holes, np.array([[each.get(hole.path, INACTIVE) for hole in holes] for each in options]))
        self._space = space
        self._genomes = tuple(genomes)
        self._row_of = {genome: row for row, genome in enumerate(self._genomes)}
        if len(self._row_of) < len(self._genomes):
            raise DataError("a network stands there twice; keep one of its rows")
        self._encoded = np.array([space.encode(genome) for genome in self._genomes])

    def row(self, genome: Genome) -> int | None:
        """The row of `genome`, `None` where it is not in the table."""
        return self._row_of.get(genome)

    def genome(self, row: int) -> Genome:
        """The genome of a `row`."""
        return self._genomes[row]

    def mutate(self, genome: Genome, rng: np.random.Generator, near: bool = False) -> Genome:
        """One of the rows nearest to `genome`, by `rng`; the nearest of all are as likely with `near` as without."""
        rows = self._nearest(genome)
        return self._genomes[rows[int(rng.integers(len(rows)))]] if len(rows) else genome

    def cross(self, one: Genome, two: Genome, rng: np.random.Generator) -> Genome:
        """The row nearest to a child of `one` and `two` in the whole space, but for the two themselves."""
        child = self._space.cross(one, two, rng)
        found = (self._genomes[row] for row in self._nearest(child, others=False))
        return next((each for each in found if each not in (one, two)), one)

    def neighbours(self, genome: Genome) -> Iterator[Genome]:
        """The rows nearest to `genome`, the nearest first."""
        return (self._genomes[row] for row in self._nearest(genome))

    def enumerate(self) -> Iterator[Genome]:
        """Every row."""
        return iter(self._genomes)

    def fill(self, choose: Callable[[Hole], int]) -> Genome:
        """The genome of the whole space of the options that `choose` takes, a row or not."""
        return self._space.fill(choose)

    def encode(self, genome: Genome) -> NDArray[np.float64]:
        """`genome` as a vector of shape (places,), as the whole space encodes it."""
        return self._space.encode(genome)

    def _nearest(self, genome: Genome, others: bool = True) -> NDArray[np.intp]:
        """The rows nearest to a genome, in order, with `others` but itself: shape (8,) or fewer."""
        distances = np.abs(self._encoded - self._space.encode(genome)).sum(axis=1)
        row = self._row_of.get(genome)
        if others and row is not None:
            distances[row] = np.inf
        order = np.argsort(distances, kind="stable")[: NEAR + 1]
        return np.array([row for row in order if np.isfinite(distances[row])][:NEAR], dtype=np.intp)
