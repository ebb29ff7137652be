"""SearchSpace (interface first)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from naslab.arch.spec import ArchSpec
from naslab.space.genome import Genome


class SearchSpace(msgspec.Struct, frozen=True):
    """A template of an architecture with holes."""

    template: Any
    name: str = ""

    def size(self) -> int:
        raise NotImplementedError

    def sample(self, rng: np.random.Generator) -> Genome:
        raise NotImplementedError

    def decode(self, genome: Genome) -> ArchSpec:
        raise NotImplementedError

    def mutate(self, genome: Genome, rng: np.random.Generator) -> Genome:
        raise NotImplementedError

    def cross(self, one: Genome, two: Genome, rng: np.random.Generator) -> Genome:
        raise NotImplementedError

    def neighbours(self, genome: Genome) -> Iterator[Genome]:
        raise NotImplementedError

    def enumerate(self) -> Iterator[Genome]:
        raise NotImplementedError

    def encode(self, genome: Genome) -> NDArray[np.float64]:
        raise NotImplementedError

    def contains(self, arch: ArchSpec) -> bool:
        raise NotImplementedError
