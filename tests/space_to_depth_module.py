"""How the layer of `space_to_depth` is built."""

from __future__ import annotations

from space_to_depth import SpaceToDepth
from torch import Tensor, nn
from torch.nn import functional

from naslab.arch.build import TorchLayer, declare_module


class Unshuffle(nn.Module):
    """Squares of `factor` x `factor` positions become the channels of one."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return functional.pixel_unshuffle(x, self.factor)

    def extra_repr(self) -> str:
        return str(self.factor)


declare_module(SpaceToDepth, TorchLayer(build=lambda layer: Unshuffle(layer.factor)))
