"""MobileNetV4's universal inverted bottleneck, whose two depthwise filters may each be absent."""

from __future__ import annotations

from naslab.arch.block import (
    Block,
    BlockActivation,
    Context,
    SqueezeExcite,
    Width,
    require,
    require_positive,
)
from naslab.arch.blocks.inverted_bottleneck import hidden_width, with_shortcut
from naslab.arch.plan import Layer, Shape, seq
from naslab.arch.sides import Sides, require_window, shown_sides


class UniversalBottleneck(Block, frozen=True, tag="universal_bottleneck"):
    """The universal inverted bottleneck (Qin et al. 2024, arXiv 2404.10518, figure 4).

    A depthwise filter of side `first` before the expansion, without activation, and one of side `middle` behind it,
    each left out by `null`. With the second alone it is MobileNetV2's block, with the first alone ConvNeXt's order,
    with both an extra depthwise one, with neither a feed-forward network. The stride sits in the second filter where
    there is one. The hidden channels are `expansion` times the input's to multiples of `hidden_divisor`, or `hidden`.
    Without `has_shortcut` the input is not added.

    >>> UniversalBottleneck(first=5, middle=3).lower((64, 14, 14), 96, 2, Context()).names
    ('first', 'expand', 'middle', 'project')
    """

    first: Sides | None = None
    middle: Sides | None = 3
    expansion: float = 4
    se: SqueezeExcite | None = None
    activation: BlockActivation = None
    hidden: Width | None = None
    hidden_divisor: int = 8
    has_shortcut: bool = True
    dilation: Sides = 1

    def __post_init__(self) -> None:
        require_window(self, "first", "middle")
        require_positive(self.expansion, "expansion")
        require_positive(self.hidden_divisor, "hidden_divisor")
        if self.hidden is not None:
            require_positive(self.hidden, "hidden")
            rule = f"stands in place of expansion, got both {self.hidden} and {self.expansion:g}; leave one out"
            require(self.expansion == 4, "hidden", rule)

    def lower(self, shape: Shape, width: int | None, stride: Sides, context: Context, drop_rate: float = 0.0) -> Layer:
        in_width = shape[0]
        out_width = width or in_width
        given = shown_sides(stride)
        rule = f"a block without depthwise filters has no place for a stride, got {given}; give it first or middle"
        require(stride == 1 or self.first is not None or self.middle is not None, "middle", rule)
        act = self.activation
        hidden = hidden_width(in_width, self.expansion, self.hidden, self.hidden_divisor)
        before, behind = (stride, 1) if self.middle is None else (1, stride)
        body = seq(
            first=context.conv(in_width, in_width, self.first, before, in_width, "none", self.dilation)
            if self.first
            else None,
            expand=context.conv(in_width, hidden, activation=act),
            middle=context.conv(hidden, hidden, self.middle, behind, hidden, act, self.dilation)
            if self.middle
            else None,
            se=context.squeeze_excite(self.se, in_width, hidden, of="input"),
            project=context.conv(hidden, out_width, activation="none"),
        )
        return with_shortcut(body, in_width, out_width, stride, drop_rate, self.has_shortcut)
