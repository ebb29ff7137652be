"""ConvNeXt's block: a depthwise filter, then an inverted bottleneck of linear layers over the channels."""

from __future__ import annotations

from naslab.arch.block import (
    PLAIN,
    Block,
    BlockActivation,
    Context,
    require,
    require_positive,
    scaled_width,
)
from naslab.arch.plan import ChannelLinear, ChannelScale, Layer, Residual, Shape, seq
from naslab.arch.sides import Sides, require_window, shown_sides


class ConvNeXtBlock(Block, frozen=True, tag="convnext"):
    """Liu et al. 2022, arXiv 2201.03545, figure 4; width and size stay. `layer_scale=None` leaves the scale out.

    >>> ConvNeXtBlock().lower((96, 56, 56), 96, 1, Context()).body.names
    ('depthwise', 'norm', 'expand', 'act', 'project', 'scale')
    """

    kernel: Sides = 7
    expansion: float = 4
    layer_scale: float | None = 1e-6
    activation: BlockActivation = None
    dilation: Sides = 1

    def __post_init__(self) -> None:
        require_window(self, "kernel")
        require_positive(self.expansion, "expansion")

    def lower(self, shape: Shape, width: int | None, stride: Sides, context: Context, drop_rate: float = 0.0) -> Layer:
        channels = shape[0]
        require(width in (None, channels), "width", f"a ConvNeXt block keeps its {channels} channels, got {width}")
        require(stride == 1, "stride", f"a ConvNeXt block keeps its sizes, got {shown_sides(stride)}")
        hidden = scaled_width(channels, self.expansion)
        body = seq(
            depthwise=PLAIN.filter(channels, channels, self.kernel, groups=channels, bias=True, dilation=self.dilation),
            norm=context.normalise(channels),
            expand=ChannelLinear(channels, hidden),
            act=context.activate(self.activation),
            project=ChannelLinear(hidden, channels),
            scale=None if self.layer_scale is None else ChannelScale(channels, self.layer_scale),
        )
        return Residual(body, drop_rate=drop_rate)
