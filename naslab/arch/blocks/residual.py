"""Residual blocks: basic and bottleneck, after or before the activation."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from naslab.arch.block import (
    PLAIN,
    Block,
    BlockActivation,
    Context,
    Groups,
    SqueezeExcite,
    require,
    require_divides,
    require_positive,
    scaled_width,
)
from naslab.arch.plan import ChannelPad, Conv, Dropout, Identity, Layer, Pool, Residual, Shape, chain, seq
from naslab.arch.sides import Sides, pair_of, require_window

Shortcut: TypeAlias = Literal["projection", "pooled_projection", "pad", "pooled_pad", "none"]
"""How a shortcut meets a new shape: a strided 1x1 convolution (ResNet's option B), average pooling and a 1x1
convolution (ResNet-D), zero channels behind every second position (option A) or behind average pooling (PyramidNet),
or no shortcut at all (the plain network)."""


class ResidualBlock(Block, frozen=True, tag="residual"):
    """ResNet's basic block, two convolutions (He et al. 2016, arXiv 1512.03385, figure 5 left)."""

    kernel: Sides = 3
    groups: Groups = 1
    shortcut: Shortcut = "projection"
    se: SqueezeExcite | None = None
    activation: BlockActivation = None
    dilation: Sides = 1

    def __post_init__(self) -> None:
        require_window(self, "kernel")
        require_positive(self.groups, "groups")

    def lower(self, shape: Shape, width: int | None, stride: Sides, context: Context, drop_rate: float = 0.0) -> Layer:
        in_width = shape[0]
        out = width or in_width
        body = seq(
            conv1=context.conv(in_width, out, self.kernel, stride, self.groups, self.activation, self.dilation),
            conv2=context.conv(out, out, self.kernel, 1, self.groups, "none", self.dilation),
            se=context.squeeze_excite(self.se, in_width, out),
        )
        return joined(self.shortcut, body, in_width, out, stride, context, drop_rate, self.activation)

    def canonical(self, in_width: int, width: int | None, stride: Sides) -> Block:
        if self.shortcut == "none" or not is_identity_shortcut(in_width, width, stride):
            return self
        return msgspec.structs.replace(self, shortcut="projection")


class Bottleneck(Block, frozen=True, tag="bottleneck"):
    """ResNet's bottleneck: reduce, filter, expand (arXiv 1512.03385, figure 5 right); ResNeXt with groups.

    `ratio` is the filter's share of the block's width: 1/4 in ResNet, 1/2 in ResNeXt 32x4d; `reduce_ratio` that of the
    first convolution where it differs (SENet-154). The stride sits in the filter, or in the first convolution as the
    paper had it (`stride_first`). A strided projection on the shortcut has windows of `shortcut_kernel`.
    Squeeze-excite gates the block's output, or the filter's (`se_after`, RegNetY).
    """

    kernel: Sides = 3
    ratio: float = 0.25
    groups: Groups = 1
    stride_first: bool = False
    shortcut: Shortcut = "projection"
    se: SqueezeExcite | None = None
    activation: BlockActivation = None
    reduce_ratio: float | None = None
    shortcut_kernel: Sides = 1
    se_after: Literal["expand", "filter"] = "expand"
    dilation: Sides = 1

    def __post_init__(self) -> None:
        require_window(self, "kernel", "shortcut_kernel")
        require_positive(float(self.ratio), "ratio")
        if self.reduce_ratio is not None:
            require_positive(float(self.reduce_ratio), "reduce_ratio")
        require_positive(self.groups, "groups")

    def lower(self, shape: Shape, width: int | None, stride: Sides, context: Context, drop_rate: float = 0.0) -> Layer:
        in_width = shape[0]
        out = width or in_width
        mid = scaled_width(out, self.ratio)
        reduced = mid if self.reduce_ratio is None else scaled_width(out, self.reduce_ratio)
        act = self.activation
        first, second = (stride, 1) if self.stride_first else (1, stride)
        gates_filter = self.se_after == "filter"
        body = seq(
            reduce=context.conv(in_width, reduced, 1, first, activation=act),
            filter=context.conv(reduced, mid, self.kernel, second, self.groups, act, self.dilation),
            filter_se=context.squeeze_excite(self.se, in_width, mid) if gates_filter else None,
            expand=context.conv(mid, out, activation="none"),
            se=None if gates_filter else context.squeeze_excite(self.se, in_width, out),
        )
        return joined(self.shortcut, body, in_width, out, stride, context, drop_rate, act, self.shortcut_kernel)

    def canonical(self, in_width: int, width: int | None, stride: Sides) -> Block:
        same = self if stride != 1 else msgspec.structs.replace(self, stride_first=False)
        if self.shortcut == "none" or not is_identity_shortcut(in_width, width, stride):
            return same
        return msgspec.structs.replace(same, shortcut="projection", shortcut_kernel=1)


class PreactResidual(Block, frozen=True, tag="preact_residual"):
    """Norm and activation before each convolution, a clean shortcut (He et al. 2016, arXiv 1603.05027).

    Basic with `ratio` 1 (two filters), a bottleneck below it (reduce, filter, expand). A projected shortcut starts
    behind the first norm and activation, a padded one before them. `dropout` stands before the last filter (Wide
    ResNet).
    PyramidNet leaves the first activation out (`first_act`) and ends in a norm (`last_norm`). Without `first_norm` the
    first block of a stage has no norm and activation before its first convolution: its input has them already, as
    behind ResNet's stem (arXiv 1603.05027, appendix). A bottleneck's stride sits in the filter, or in the first
    convolution (`stride_first`), as in the code released with the paper for CIFAR.
    """

    kernel: Sides = 3
    ratio: float = 1.0
    groups: Groups = 1
    shortcut: Literal["projection", "pad", "pooled_pad"] = "projection"
    se: SqueezeExcite | None = None
    activation: BlockActivation = None
    dropout: float = 0.0
    first_act: bool = True
    last_norm: bool = False
    first_norm: bool = True
    stride_first: bool = False
    dilation: Sides = 1

    def __post_init__(self) -> None:
        require_window(self, "kernel")
        require_positive(float(self.ratio), "ratio")
        require_positive(self.groups, "groups")
        require(0 <= self.dropout < 1, "dropout", f"must be at least 0 and below 1, got {self.dropout}")

    def lower(self, shape: Shape, width: int | None, stride: Sides, context: Context, drop_rate: float = 0.0) -> Layer:
        in_width = shape[0]
        out = width or in_width
        body = self._body(in_width, out, stride, context)
        if stride == 1 and in_width == out:
            return Residual(chain(body), drop_rate=drop_rate)
        if self.shortcut != "projection":
            way = padded(in_width, out, stride, self.shortcut == "pooled_pad")
            return Residual(chain(body), way, drop_rate)
        projection = Conv(in_width, out, stride=pair_of(stride), bias=context.norm is None)
        if not self.first_norm:
            return Residual(chain(body), projection, drop_rate)
        return seq(preact=body[0], residual=Residual(chain(body[1:]), projection, drop_rate))

    def repeated(self, times: int) -> Block:
        return self if self.first_norm else msgspec.structs.replace(self, first_norm=True)

    def canonical(self, in_width: int, width: int | None, stride: Sides) -> Block:
        idle = self.stride_first and (stride == 1 or self.ratio == 1)
        same = msgspec.structs.replace(self, stride_first=False) if idle else self
        if not is_identity_shortcut(in_width, width, stride):
            return same
        return msgspec.structs.replace(same, shortcut="projection")

    def _body(self, in_width: int, out: int, stride: Sides, context: Context) -> list[Layer]:
        """Norm and activation, convolution, norm and activation, and so on."""
        mid = scaled_width(out, self.ratio)
        kernel, groups = self.kernel, self.groups
        first, second = (stride, 1) if self.stride_first else (1, stride)
        filters: list[tuple[int, int, Sides, Sides, int]] = (
            [(in_width, out, kernel, stride, groups), (out, out, kernel, 1, groups)]
            if self.ratio == 1
            else [(in_width, mid, 1, first, 1), (mid, mid, kernel, second, groups), (mid, out, 1, 1, 1)]
        )
        layers: list[Layer | None] = []
        for index, (inputs, outputs, size, step, parts) in enumerate(filters):
            require_divides(parts, inputs, outputs)
            if index or self.first_norm:
                act = context.activate(self.activation) if index or self.first_act else None
                layers.append(seq(norm=context.normalise(inputs), act=act))
            if self.dropout and index == len(filters) - 1:
                layers.append(Dropout(self.dropout))
            bias = context.norm is None
            layers.append(PLAIN.filter(inputs, outputs, size, step, None, parts, bias, self.dilation))
        layers.append(context.normalise(out) if self.last_norm else None)
        layers.append(context.squeeze_excite(self.se, in_width, out))
        return [layer for layer in layers if layer is not None]


def is_identity_shortcut(in_width: int, width: int | None, stride: Sides) -> bool:
    """Whether a shortcut from `in_width` to `width` channels (`None`: as many) at `stride` only passes its input on.

    Then it makes no difference of which kind it is.
    """
    return stride == 1 and width in (None, in_width)


def joined(
    shortcut: Shortcut,
    body: Layer,
    in_width: int,
    out_width: int,
    stride: Sides,
    context: Context,
    drop_rate: float,
    activation: BlockActivation,
    kernel: Sides = 1,
) -> Layer:
    """`body` and its shortcut, their sum, and the activation behind it; no shortcut where `shortcut` is `none`.

    The shortcut passes its input on where `in_width` and `out_width` are equal and `stride` is 1; elsewhere it is of
    the kind `shortcut`, with normalisation in the style of `context`. A strided projection has windows of
    `kernel`. The body is dropped in training with probability `drop_rate`. `activation` is the block's own, `None` the
    network's. Raises `SpecError` where a padded shortcut would have to shrink.
    """
    act = context.activate(activation)
    if shortcut == "none":
        return seq(body=body, act=act)
    way: Layer = Identity()
    if stride != 1 or in_width != out_width:
        if shortcut == "projection":
            way = context.conv(in_width, out_width, kernel if stride != 1 else 1, stride, activation="none")
        elif shortcut == "pooled_projection":
            way = pooled_projection(in_width, out_width, stride, context)
        else:
            way = padded(in_width, out_width, stride, shortcut == "pooled_pad")
    return seq(residual=Residual(body, way, drop_rate), act=act)


def pooled_projection(in_width: int, out_width: int, stride: Sides, context: Context) -> Layer:
    """ResNet-D's shortcut (He et al. 2019, arXiv 1812.01187, figure 2c): average pooling, then a 1x1 convolution.

    A strided 1x1 convolution alone would skip positions. The pooling has windows of `stride` and is left out at
    stride 1; the convolution leads from `in_width` to `out_width` channels, with the normalisation of `context`.
    """
    pool = Pool("avg", pair_of(stride), pair_of(stride), ceil=True) if stride != 1 else None
    return seq(pool=pool, conv=context.conv(in_width, out_width, activation="none"))


def padded(in_width: int, out_width: int, stride: Sides, is_pooled: bool = False) -> Layer:
    """ResNet's option A (arXiv 1512.03385, section 3.3): no weights, zero channels behind the `in_width` of the input.

    Of every `stride` positions along a side the first one is kept, or, `is_pooled`, the mean of the window. Raises
    `SpecError` where `out_width` is below `in_width`.
    """
    require(out_width >= in_width, "width", f"a padded shortcut cannot shrink {in_width} channels to {out_width}")
    window = pair_of(stride if is_pooled else 1)
    pool = Pool("avg", window, pair_of(stride), ceil=is_pooled) if stride != 1 else None
    return seq(pool=pool, pad=ChannelPad(out_width - in_width) if out_width != in_width else None)
