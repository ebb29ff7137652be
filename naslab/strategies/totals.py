"""Totals: how often each option is taken over all choices of one kind, as inputs of a model."""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from naslab.space import Genome
from naslab.strategies.domain import Space

_PLACE = re.compile(r"\[\d+\]|\d+$")


class Totals:
    """Shares of the options over the choices that differ only in their place, such as the blocks of all stages.

    Networks are often told apart by how much of something they hold rather than by where, which a model of single
    choices learns slowly. Choices of a kind of their own add nothing.
    """

    def __init__(self, space: Space) -> None:
        kinds: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
        for hole in space.holes():
            kinds[(_PLACE.sub("[]", hole.path), hole.labels)].append(hole.path)
        self.num_columns = 0
        self._start_of: dict[str, tuple[int, float]] = {}
        for (_, labels), paths in kinds.items():
            if len(paths) > 1:
                self._start_of |= {path: (self.num_columns, 1 / len(paths)) for path in paths}
                self.num_columns += len(labels)

    def of(self, genome: Genome) -> NDArray[np.float64]:
        """The shares of the options in `genome`, from 0 to 1: shape (columns,), zeros where a choice is not active."""
        shares = np.zeros(self.num_columns)
        for gene in genome.genes:
            place = self._start_of.get(gene.hole)
            if place is not None:
                shares[place[0] + gene.option] += place[1]
        return shares
