"""The weights of a reference network, carried over to narrower and shallower ones."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from naslab.arch import ArchSpec
from naslab.arch.build import build
from naslab.training.inheritance import inherit
from naslab.training.inheritance.importance import sorted_by_importance


class Carried:
    """The tensors of a reference network `arch`: those of `weights`, and where some are missing drawn from `seed`.

    Its channels are sorted by importance, unless `is_sorted` is false.
    """

    def __init__(self, arch: ArchSpec, weights: Mapping[str, Tensor], seed: int = 0, is_sorted: bool = True) -> None:
        tensors = build(arch, seed).state_dict() | dict(weights)
        self._arch = arch
        self._seed = seed
        self._tensors = sorted_by_importance(arch, tensors) if is_sorted else tensors

    def weights(self, arch: ArchSpec) -> dict[str, Tensor]:
        """The tensors that a network `arch` begins with."""
        return inherit(self._arch, self._tensors, arch, self._seed).weights

    def module(self, arch: ArchSpec) -> nn.Module:
        """The module of a network `arch` with these."""
        module = build(arch, self._seed)
        module.load_state_dict(self.weights(arch))
        return module
