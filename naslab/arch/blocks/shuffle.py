"""ShuffleNet's units: grouped 1x1 convolutions with shuffled channels, and channel splits."""

from __future__ import annotations

from naslab.arch.block import (
    Block,
    BlockActivation,
    Context,
    Groups,
    require,
    require_positive,
    scaled_width,
)
from naslab.arch.plan import ChannelShuffle, ChannelSlice, Layer, Pool, Residual, Shape, concat, seq
from naslab.arch.sides import Sides, pair_of, require_window
from naslab.errors import counted


class ShuffleUnit(Block, frozen=True, tag="shuffle"):
    """Grouped reduction, shuffle, depthwise filter, grouped expansion (Zhang et al. 2018, arXiv 1707.01083, figure 2).

    At stride 1 it is added to its input, else stacked behind the average-pooled input. `ratio` is the bottleneck's
    share of the stage's width; `reduce_groups` replaces `groups` in the first convolution (1 where few come in).

    >>> ShuffleUnit(groups=3).lower((240, 28, 28), 240, 1, Context()).names
    ('residual', 'act')
    """

    groups: Groups = 3
    ratio: float = 0.25
    kernel: Sides = 3
    reduce_groups: Groups | None = None
    activation: BlockActivation = None
    dilation: Sides = 1

    def __post_init__(self) -> None:
        require_window(self, "kernel")
        require_positive(self.groups, "groups")
        require_positive(float(self.ratio), "ratio")
        if self.reduce_groups is not None:
            require_positive(self.reduce_groups, "reduce_groups")

    def lower(self, shape: Shape, width: int | None, stride: Sides, context: Context, drop_rate: float = 0.0) -> Layer:
        in_width = shape[0]
        out_width = width or in_width
        adds = stride == 1 and out_width == in_width
        made = out_width if adds else out_width - in_width
        rule = f"must be above the {counted(in_width, 'channel')} that are stacked before the unit's, got {out_width}"
        require(made > 0, "width", rule)
        middle = scaled_width(out_width, self.ratio)
        require(middle % self.groups == 0, "groups", f"{self.groups} must divide the bottleneck's {middle} channels")
        groups = self.reduce_groups or self.groups
        body = seq(
            reduce=context.conv(in_width, middle, groups=groups, activation=self.activation),
            shuffle=ChannelShuffle(self.groups) if self.groups > 1 else None,
            depthwise=context.conv(middle, middle, self.kernel, stride, middle, "none", self.dilation),
            expand=context.conv(middle, made, groups=self.groups, activation="none"),
        )
        act = context.activate(self.activation)
        if adds:
            return seq(residual=Residual(body, drop_rate=drop_rate), act=act)
        pooled = Pool("avg", (3, 3), pair_of(stride), (1, 1), count_padding=True)
        return seq(stack=concat(input=pooled, new=body), act=act)


class SplitShuffleUnit(Block, frozen=True, tag="split_shuffle"):
    """Half of the channels passed on, half filtered, then shuffled (Ma et al. 2018, arXiv 1807.11164, figure 3c, d).

    Where sizes or channels change both halves come from the whole input, each with a depthwise filter.

    >>> SplitShuffleUnit().lower((116, 28, 28), 116, 1, Context()).names
    ('halves', 'shuffle')
    """

    kernel: Sides = 3
    activation: BlockActivation = None
    dilation: Sides = 1

    def __post_init__(self) -> None:
        require_window(self, "kernel")

    def lower(self, shape: Shape, width: int | None, stride: Sides, context: Context, drop_rate: float = 0.0) -> Layer:
        in_width = shape[0]
        out_width = width or in_width
        require(out_width % 2 == 0, "width", f"must be even to be split in two, got {out_width}")
        half = out_width // 2
        if stride == 1 and in_width == out_width:
            filtered = seq(pick=ChannelSlice(half, in_width), **self._filter(half, half, 1, context))
            halves = concat(kept=ChannelSlice(0, half), filtered=filtered)
        else:
            act = self.activation
            kept = seq(
                depthwise=context.conv(in_width, in_width, self.kernel, stride, in_width, "none", self.dilation),
                project=context.conv(in_width, half, activation=act),
            )
            halves = concat(kept=kept, filtered=seq(**self._filter(in_width, half, stride, context)))
        return seq(halves=halves, shuffle=ChannelShuffle(2))

    def _filter(self, in_width: int, width: int, stride: Sides, context: Context) -> dict[str, Layer]:
        act = self.activation
        return {
            "mix": context.conv(in_width, width, activation=act),
            "depthwise": context.conv(width, width, self.kernel, stride, width, "none", self.dilation),
            "project": context.conv(width, width, activation=act),
        }
