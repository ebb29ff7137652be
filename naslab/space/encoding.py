"""Genomes as vectors of fixed length, for surrogate models."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from naslab.space.genome import Genome
from naslab.space.tree import Tree


class Encoding:
    """The slots of one tree: one for an ordered hole, one an option for another."""

    def __init__(self, tree: Tree) -> None:
        self._slots: dict[str, tuple[int, bool, int]] = {}
        blank: list[float] = []
        for path, hole in tree.holes.items():
            self._slots[path] = (len(blank), hole.is_ordered, len(hole.options))
            blank += [-1.0] if hole.is_ordered else [0.0] * len(hole.options)
        self._blank = np.array(blank)

    def encode(self, genome: Genome) -> NDArray[np.float64]:
        """The genome's vector: an ordered hole's rank scaled to 0..1, others one-hot; inactive -1 and zeros."""
        vector = self._blank.copy()
        for path, option in genome.genes:
            start, is_ordered, count = self._slots[path]
            if is_ordered:
                vector[start] = option / (count - 1)
            else:
                vector[start + option] = 1.0
        return vector
