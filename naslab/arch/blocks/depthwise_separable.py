"""Depthwise separable convolution, the block of MobileNetV1."""

from __future__ import annotations

from naslab.arch.block import Block, BlockActivation, Context, SqueezeExcite
from naslab.arch.plan import Layer, Shape, seq
from naslab.arch.sides import Sides, require_window


class DepthwiseSeparable(Block, frozen=True, tag="depthwise_separable"):
    """A depthwise filter and a pointwise mixture, each normalised and activated (arXiv 1704.04861, figure 3).

    >>> DepthwiseSeparable(kernel=3).lower((32, 112, 112), 64, 1, Context()).names
    ('depthwise', 'pointwise')
    """

    kernel: Sides = 3
    se: SqueezeExcite | None = None
    activation: BlockActivation = None
    dilation: Sides = 1

    def __post_init__(self) -> None:
        require_window(self, "kernel")

    def lower(
        self,
        shape: Shape,
        width: int | None,
        stride: Sides,
        context: Context,
        drop_rate: float = 0.0,
    ) -> Layer:
        in_width = shape[0]
        act = self.activation
        return seq(
            depthwise=context.conv(in_width, in_width, self.kernel, stride, in_width, act, self.dilation),
            se=context.squeeze_excite(self.se, in_width, in_width),
            pointwise=context.conv(in_width, width or in_width, activation=act),
        )
