"""SqueezeNet's module: squeeze with 1x1 filters, expand with 1x1 and 3x3 filters side by side."""

from __future__ import annotations

from naslab.arch.block import Block, BlockActivation, Context, Width, require, require_positive
from naslab.arch.plan import Layer, Shape, concat, seq
from naslab.arch.sides import Sides, require_window


class Fire(Block, frozen=True, tag="fire"):
    """Iandola et al. 2016, arXiv 1602.07360, figure 1: `squeeze` channels, then half of the width by each filter.

    >>> Fire(squeeze=16).lower((96, 55, 55), 128, 1, Context()).names
    ('squeeze', 'expand')
    """

    squeeze: Width
    kernel: Sides = 3
    activation: BlockActivation = None
    dilation: Sides = 1

    def __post_init__(self) -> None:
        require_positive(self.squeeze, "squeeze")
        require_window(self, "kernel")

    def lower(self, shape: Shape, width: int | None, stride: Sides, context: Context, drop_rate: float = 0.0) -> Layer:
        out_width = width or shape[0]
        require(out_width % 2 == 0, "width", f"must be even, half by each filter, got {out_width}")
        act = self.activation
        half = out_width // 2
        return seq(
            squeeze=context.conv(shape[0], self.squeeze, activation=act),
            expand=concat(
                one=context.conv(self.squeeze, half, 1, stride, activation=act),
                three=context.conv(self.squeeze, half, self.kernel, stride, activation=act, dilation=self.dilation),
            ),
        )
