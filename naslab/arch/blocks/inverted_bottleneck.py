"""Inverted bottlenecks: expand, filter depthwise, project linearly, with a shortcut where shapes agree."""

from __future__ import annotations

import msgspec

from naslab.arch.block import (
    Block,
    BlockActivation,
    Context,
    SqueezeExcite,
    Width,
    require,
    require_positive,
    round_width,
    scaled_width,
)
from naslab.arch.plan import ChannelShuffle, ChannelSlice, Layer, Residual, Sequence, Shape, concat, seq
from naslab.arch.sides import Sides, require_odd, require_window, settled


class MBConv(Block, frozen=True, tag="mbconv"):
    """MobileNetV2's block with squeeze-excite, as in MnasNet and EfficientNet (arXiv 1801.04381, 1905.11946).

    The hidden channels are `expansion` times the input's, to multiples of `hidden_divisor`, or as many as `hidden` says
    (MobileNetV3), which then stands without an expansion of its own. The first 1x1 convolution is left out where there
    is nothing to expand, or kept with `keeps_expand` (FBNet); both are split in `pointwise_groups`, with their channels
    shuffled behind the first (FBNet). Without `has_shortcut` the input is not added (timm's `noskip`). Several
    `kernels` filter a part of the channels each, in place of `kernel` (MixNet, arXiv 1907.09595).

    >>> MBConv(kernel=5, expansion=6).lower((24, 56, 56), 40, 2, Context()).names
    ('expand', 'depthwise', 'se', 'project')
    """

    kernel: Sides = 3
    expansion: float = 6
    se: SqueezeExcite | None = SqueezeExcite(ratio=0.25)
    activation: BlockActivation = None
    hidden: Width | None = None
    hidden_divisor: int = 1
    keeps_expand: bool = False
    pointwise_groups: int = 1
    has_shortcut: bool = True
    kernels: tuple[Sides, ...] = ()
    dilation: Sides = 1

    def __post_init__(self) -> None:
        _require_inverted(self)

    def lower(self, shape: Shape, width: int | None, stride: Sides, context: Context, drop_rate: float = 0.0) -> Layer:
        return inverted_bottleneck(self, self.se, shape[0], width, stride, context, drop_rate)

    def canonical(self, in_width: int, width: int | None, stride: Sides) -> Block:
        if self.se is not None:
            return self
        fields = {name: getattr(self, name) for name in InvertedBottleneck.__struct_fields__}
        return InvertedBottleneck(**fields)


class InvertedBottleneck(Block, frozen=True, tag="inverted_bottleneck"):
    """MobileNetV2's block as published, without squeeze-excite (arXiv 1801.04381, table 1).

    `hidden`, `hidden_divisor`, `keeps_expand`, `pointwise_groups`, `has_shortcut` and `kernels` are those of `mbconv`.
    """

    kernel: Sides = 3
    expansion: float = 6
    activation: BlockActivation = None
    hidden: Width | None = None
    hidden_divisor: int = 1
    keeps_expand: bool = False
    pointwise_groups: int = 1
    has_shortcut: bool = True
    kernels: tuple[Sides, ...] = ()
    dilation: Sides = 1

    def __post_init__(self) -> None:
        _require_inverted(self)

    def lower(self, shape: Shape, width: int | None, stride: Sides, context: Context, drop_rate: float = 0.0) -> Layer:
        return inverted_bottleneck(self, None, shape[0], width, stride, context, drop_rate)


class FusedMBConv(Block, frozen=True, tag="fused_mbconv"):
    """EfficientNetV2's block: one full convolution expands and filters (arXiv 2104.00298, figure 2).

    `hidden`, `hidden_divisor` and `has_shortcut` are those of `mbconv`.
    """

    kernel: Sides = 3
    expansion: float = 4
    se: SqueezeExcite | None = None
    activation: BlockActivation = None
    hidden: Width | None = None
    hidden_divisor: int = 1
    has_shortcut: bool = True
    dilation: Sides = 1

    def __post_init__(self) -> None:
        require_window(self, "kernel")
        _require_hidden(self.expansion, 4, self.hidden, self.hidden_divisor)

    def lower(self, shape: Shape, width: int | None, stride: Sides, context: Context, drop_rate: float = 0.0) -> Layer:
        in_width = shape[0]
        out_width = width or in_width
        hidden = hidden_width(in_width, self.expansion, self.hidden, self.hidden_divisor)
        expands = hidden != in_width
        filtered = hidden if expands else out_width
        body = seq(
            expand=context.conv(
                in_width, filtered, self.kernel, stride, activation=self.activation, dilation=self.dilation
            ),
            se=context.squeeze_excite(self.se, in_width, filtered, of="input"),
            project=context.conv(hidden, out_width, activation="none") if expands else None,
        )
        return with_shortcut(body, in_width, out_width, stride, drop_rate, self.has_shortcut)


def inverted_bottleneck(
    block: MBConv | InvertedBottleneck,
    se: SqueezeExcite | None,
    in_width: int,
    width: int | None,
    stride: Sides,
    context: Context,
    drop_rate: float,
) -> Layer:
    """Expand where there is something to, filter depthwise, gate, project.

    `block` has the fields, `se` is its gate; `in_width`, `width`, `stride`, `context` and `drop_rate` say where it
    stands, as in `Block.lower`.
    """
    out_width = width or in_width
    act, groups = block.activation, block.pointwise_groups
    hidden = hidden_width(in_width, block.expansion, block.hidden, block.hidden_divisor)
    expands = hidden != in_width or block.keeps_expand
    if block.kernels:
        depthwise: Layer = mixed_depthwise(block.kernels, hidden, stride, context, act, block.dilation)
    else:
        depthwise = context.conv(hidden, hidden, block.kernel, stride, hidden, act, block.dilation)
    body = seq(
        expand=context.conv(in_width, hidden, groups=groups, activation=act) if expands else None,
        shuffle=ChannelShuffle(groups) if expands and groups > 1 else None,
        depthwise=depthwise,
        se=context.squeeze_excite(se, in_width, hidden, of="input"),
        project=context.conv(hidden, out_width, groups=groups, activation="none"),
    )
    return with_shortcut(body, in_width, out_width, stride, drop_rate, block.has_shortcut)


def hidden_width(in_width: int, expansion: float, hidden: int | None, divisor: int) -> int:
    """The channels between two 1x1 convolutions: `hidden` where it is given, else `expansion` times `in_width`.

    That is the nearest whole number, or the multiple of `divisor` by the ten per cent rule (`round_width`).

    >>> hidden_width(24, 6, None, 1), hidden_width(30, 2.3, None, 8), hidden_width(80, 6, 184, 1)
    (144, 72, 184)
    """
    if hidden is not None:
        return hidden
    return scaled_width(in_width, expansion) if divisor == 1 else round_width(in_width * expansion, divisor)


def mixed_depthwise(
    kernels: tuple[Sides, ...],
    channels: int,
    stride: Sides,
    context: Context,
    activation: BlockActivation,
    dilation: Sides = 1,
) -> Layer:
    """Depthwise filters of several `kernels`, each on its share of the `channels`, then norm and activation.

    Shares are equal; the first takes what is left (MixNet, arXiv 1907.09595, section 3.2, and its released code).
    `stride`, `context`, `activation` and `dilation` are those of a convolution of one kernel. Raises `SpecError` where
    there are fewer channels than kernels.
    """
    share = channels // len(kernels)
    require(share > 0, "kernels", f"{len(kernels)} kernels cannot share {channels} channels")
    first = channels - share * (len(kernels) - 1)
    branches: dict[str, Layer] = {}
    start = 0
    for index, kernel in enumerate(kernels):
        width = share if index else first
        filters = context.filter(width, width, kernel, stride, groups=width, dilation=dilation)
        branches[f"part{index}"] = seq(pick=ChannelSlice(start, start + width), conv=filters)
        start += width
    return seq(mixed=concat(**branches), norm=context.normalise(channels), act=context.activate(activation))


def _require_inverted(block: MBConv | InvertedBottleneck) -> None:
    require_window(block, "kernel")
    if block.kernels:
        kernels = tuple(settled(kernel, f"kernels[{index}]") for index, kernel in enumerate(block.kernels))
        msgspec.structs.force_setattr(block, "kernels", kernels)
    for index, kernel in enumerate(block.kernels):
        require_odd(kernel, f"kernels[{index}]")
    require(len(block.kernels) != 1, "kernels", f"one kernel is written as kernel, got {block.kernels}")
    require(not block.kernels or block.kernel == 3, "kernels", "stand in place of kernel; leave that one out")
    require_positive(block.pointwise_groups, "pointwise_groups")
    _require_hidden(block.expansion, 6, block.hidden, block.hidden_divisor)


def _require_hidden(expansion: float, default: float, hidden: int | None, divisor: int) -> None:
    require_positive(expansion, "expansion")
    require_positive(divisor, "hidden_divisor")
    if hidden is not None:
        require_positive(hidden, "hidden")
        rule = f"stands in place of expansion, got both {hidden} and {expansion:g}; leave one out, or make hidden null"
        require(expansion == default and divisor == 1, "hidden", rule)


def with_shortcut(
    body: Sequence, in_width: int, out_width: int, stride: Sides, drop_rate: float, has_shortcut: bool = True
) -> Layer:
    """`body` on a shortcut where input and output agree (`in_width` is `out_width` at `stride` 1), alone elsewhere.

    `drop_rate` is the body's stochastic-depth probability; without `has_shortcut` the body stands alone everywhere.
    """
    agrees = has_shortcut and stride == 1 and in_width == out_width
    return Residual(body, drop_rate=drop_rate) if agrees else body
