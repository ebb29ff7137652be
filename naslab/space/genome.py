"""Genome: the choices that make one network of a space."""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class Gene(NamedTuple):
    """A hole of the template (`stages[0].block`) and the index of the option taken."""

    hole: str
    option: int


class Genome(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """The active choices only: shared holes first, then the others in the template's order.

    Equal genomes make the same choices.
    """

    genes: tuple[Gene, ...] = ()

    def get(self, hole: str) -> int | None:
        """The option taken at a hole, `None` where the hole is not active."""
        return next((gene.option for gene in self.genes if gene.hole == hole), None)
