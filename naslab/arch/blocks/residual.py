"""Residual blocks: basic and bottleneck, after or before the activation."""

from __future__ import annotations

from typing import Literal, TypeAlias

from naslab.arch.block import (
    Block,
    BlockActivation,
    Context,
    Groups,
    SqueezeExcite,
    require_odd,
    require_positive,
    scaled_width,
)
from naslab.arch.plan import ChannelPad, Conv, Identity, Layer, Pool, Residual, Shape, chain, seq

Shortcut: TypeAlias = Literal["projection", "pooled_projection", "pad", "none"]
"""How a shortcut meets a new shape: a strided 1x1 convolution (ResNet's option B), average pooling and a 1x1
convolution (ResNet-D), zero channels (option A), or no shortcut at all (the plain network)."""


class ResidualBlock(Block, frozen=True, tag="residual"):
    """ResNet's basic block, two convolutions (He et al. 2016, arXiv 1512.03385, figure 5 left)."""

    kernel: int = 3
    groups: Groups = 1
    shortcut: Shortcut = "projection"
    se: SqueezeExcite | None = None
    activation: BlockActivation = None

    def __post_init__(self) -> None:
        require_odd(self.kernel)
        require_positive(self.groups, "groups")

    def lower(self, shape: Shape, width: int | None, stride: int, context: Context, drop_rate: float = 0.0) -> Layer:
        in_width = shape[0]
        out = width or in_width
        body = seq(
            conv1=context.conv(in_width, out, self.kernel, stride, self.groups, self.activation),
            conv2=context.conv(out, out, self.kernel, 1, self.groups, "none"),
            se=context.squeeze_excite(self.se, in_width, out),
        )
        return joined(self.shortcut, body, in_width, out, stride, context, drop_rate, self.activation)


class Bottleneck(Block, frozen=True, tag="bottleneck"):
    """ResNet's bottleneck: reduce, filter, expand (arXiv 1512.03385, figure 5 right); ResNeXt with groups.

    `ratio` is the filter's share of the block's width: 1/4 in ResNet, 1/2 in ResNeXt 32x4d. The stride sits in the
    filter, or in the first convolution as the paper had it (`stride_first`).
    """

    kernel: int = 3
    ratio: float = 0.25
    groups: Groups = 1
    stride_first: bool = False
    shortcut: Shortcut = "projection"
    se: SqueezeExcite | None = None
    activation: BlockActivation = None

    def __post_init__(self) -> None:
        require_odd(self.kernel)
        require_positive(float(self.ratio), "ratio")
        require_positive(self.groups, "groups")

    def lower(self, shape: Shape, width: int | None, stride: int, context: Context, drop_rate: float = 0.0) -> Layer:
        in_width = shape[0]
        out = width or in_width
        mid = scaled_width(out, self.ratio)
        act = self.activation
        first, second = (stride, 1) if self.stride_first else (1, stride)
        body = seq(
            reduce=context.conv(in_width, mid, 1, first, activation=act),
            filter=context.conv(mid, mid, self.kernel, second, self.groups, act),
            expand=context.conv(mid, out, activation="none"),
            se=context.squeeze_excite(self.se, in_width, out),
        )
        return joined(self.shortcut, body, in_width, out, stride, context, drop_rate, act)


class PreactResidual(Block, frozen=True, tag="preact_residual"):
    """Norm and activation before each convolution, a clean shortcut (He et al. 2016, arXiv 1603.05027).

    Basic with `ratio` 1 (two filters), a bottleneck below it (reduce, filter, expand).
    """

    kernel: int = 3
    ratio: float = 1.0
    groups: Groups = 1
    shortcut: Literal["projection", "pad"] = "projection"
    se: SqueezeExcite | None = None
    activation: BlockActivation = None

    def __post_init__(self) -> None:
        require_odd(self.kernel)
        require_positive(float(self.ratio), "ratio")
        require_positive(self.groups, "groups")

    def lower(self, shape: Shape, width: int | None, stride: int, context: Context, drop_rate: float = 0.0) -> Layer:
        in_width = shape[0]
        out = width or in_width
        mid = scaled_width(out, self.ratio)
        bias = context.norm is None

        def preact(channels: int) -> dict[str, Layer | None]:
            return {"norm": context.normalise(channels), "act": context.activate(self.activation)}

        def conv(inputs: int, outputs: int, kernel: int, step: int, groups: int) -> Conv:
            pad = kernel // 2
            return Conv(inputs, outputs, (kernel, kernel), (step, step), (pad, pad), groups, bias)

        filters = (
            [(in_width, out, self.kernel, stride, self.groups), (out, out, self.kernel, 1, self.groups)]
            if self.ratio == 1
            else [(in_width, mid, 1, 1, 1), (mid, mid, self.kernel, stride, self.groups), (mid, out, 1, 1, 1)]
        )
        body = [seq(**preact(each[0]), conv=conv(*each)) for each in filters]
        gate = context.squeeze_excite(self.se, in_width, out)
        if stride == 1 and in_width == out:
            return Residual(chain([*body, *([gate] if gate else [])]), drop_rate=drop_rate)
        opening = seq(**preact(in_width))
        rest = chain([body[0].layers[-1], *body[1:], *([gate] if gate else [])])
        way = conv(in_width, out, 1, stride, 1) if self.shortcut == "projection" else padded(in_width, out, stride)
        return seq(preact=opening, residual=Residual(rest, way, drop_rate))


def joined(
    shortcut: Shortcut,
    body: Layer,
    in_width: int,
    out_width: int,
    stride: int,
    context: Context,
    drop_rate: float,
    activation: BlockActivation,
) -> Layer:
    """The body beside its shortcut and the activation after their sum."""
    act = context.activate(activation)
    if shortcut == "none":
        return seq(body=body, act=act)
    way: Layer = Identity()
    if stride != 1 or in_width != out_width:
        if shortcut == "projection":
            way = context.conv(in_width, out_width, 1, stride, activation="none")
        elif shortcut == "pooled_projection":
            way = pooled_projection(in_width, out_width, stride, context)
        else:
            way = padded(in_width, out_width, stride)
    return seq(residual=Residual(body, way, drop_rate), act=act)


def pooled_projection(in_width: int, out_width: int, stride: int, context: Context) -> Layer:
    """ResNet-D's shortcut: average pooling keeps what a strided 1x1 convolution would skip (arXiv 1812.01187)."""
    pool = Pool("avg", (stride, stride), (stride, stride), ceil=True) if stride > 1 else None
    return seq(pool=pool, conv=context.conv(in_width, out_width, activation="none"))


def padded(in_width: int, out_width: int, stride: int) -> Layer:
    """ResNet's option A: every `stride`-th position and zero channels behind the old ones, no parameters."""
    pool = Pool("avg", (1, 1), (stride, stride)) if stride > 1 else None
    return seq(pool=pool, pad=ChannelPad(out_width - in_width) if out_width != in_width else None)
