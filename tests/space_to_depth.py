"""A layer and a block from outside of naslab, of which nothing is declared but how the layer is counted and built."""

from __future__ import annotations

from naslab.arch.block import Block, Context, Sides
from naslab.arch.layers import Declaration, Layer, declare
from naslab.arch.plan import Shape, seq
from naslab.errors import SpecError


class SpaceToDepth(Layer, frozen=True):
    """Squares of `factor` x `factor` positions become the channels of one."""

    factor: int = 2


def count(
    layer: SpaceToDepth, shape: Shape, keep: bool
) -> tuple[Shape, int, int, int, int, tuple[int, int, int, int, int]]:
    """Shape, parameters, multiply-accumulates, activations, peak, span."""
    channels, height, width = shape
    factor = layer.factor
    if height % factor or width % factor:
        raise SpecError("", f"squares of {factor} do not divide a map of {height} x {width}")
    out = (channels * factor * factor, height // factor, width // factor)
    return out, 0, 0, 0, 2 * channels * height * width, (0, factor - 1, factor - 1, factor, factor)


declare(SpaceToDepth, Declaration(count=count, torch_module="space_to_depth_module"))


class SpaceToDepthBlock(Block, frozen=True, tag="space_to_depth"):
    """A map of half the sides, then a convolution to the stage's width."""

    kernel: int = 1

    def lower(self, shape: Shape, width: int | None, stride: Sides, context: Context, drop_rate: float = 0.0) -> Layer:
        """The layers of one block."""
        channels = 4 * shape[0]
        return seq(space=SpaceToDepth(), filter=context.conv(channels, width or channels, self.kernel))
