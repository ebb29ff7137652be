"""The plain pieces: convolution, pooling, and a block that does nothing."""

from __future__ import annotations

from typing import Literal

import msgspec

from naslab.arch.block import (
    Block,
    BlockActivation,
    Context,
    Groups,
    SqueezeExcite,
    require,
    require_divides,
    require_positive,
)
from naslab.arch.plan import Conv, Dropout, FractionalPool, Identity, Layer, LocalResponseNorm, Pool, Shape, seq
from naslab.arch.sides import (
    Sides,
    keeping,
    one_spelling,
    pair_of,
    require_sides,
    require_window,
    settle_sides,
    shown_sides,
)


class ConvBlock(Block, frozen=True, tag="conv"):
    """Convolution, normalisation, activation, as in VGG; squeeze-excite after them where asked.

    `padding` keeps sizes at stride 1 unless given. Without `norm` the network's normalisation is left out. `bias` is by
    default only in networks without normalisation.

    >>> ConvBlock(kernel=3).lower((3, 32, 32), 16, 1, Context()).names
    ('conv', 'norm', 'act')
    """

    kernel: Sides = 3
    groups: Groups = 1
    se: SqueezeExcite | None = None
    activation: BlockActivation = None
    padding: Sides | None = None
    norm: bool = True
    bias: bool | None = None
    dilation: Sides = 1

    def __post_init__(self) -> None:
        require_window(self, "kernel")
        require_positive(self.groups, "groups")
        settle_sides(self, "padding")
        if self.padding is not None:
            rule = f"must be at least 0, got {shown_sides(self.padding)}"
            require(min(pair_of(self.padding)) >= 0, "padding", rule)

    def lower(
        self,
        shape: Shape,
        width: int | None,
        stride: Sides,
        context: Context,
        drop_rate: float = 0.0,
    ) -> Layer:
        out_width = width or shape[0]
        require_divides(self.groups, shape[0], out_width)
        padding = None if self.padding is None else pair_of(self.padding)
        return seq(
            conv=context.filter(
                shape[0], out_width, self.kernel, stride, padding, self.groups, self.bias, self.dilation
            ),
            norm=context.normalise(out_width) if self.norm else None,
            act=context.activate(self.activation),
            se=context.squeeze_excite(self.se, shape[0], out_width),
        )

    def canonical(self, in_width: int, width: int | None, stride: Sides) -> Block | None:
        if self.padding is None or pair_of(self.padding) != keeping(self.kernel, self.dilation):
            return self
        return msgspec.structs.replace(self, padding=None)


class PatchConv(Block, frozen=True, tag="patch_conv"):
    """A convolution of windows that do not overlap: kernel and stride are the stage's stride (ConvNeXt, ViT).

    `norm` says where the network's normalisation stands, `bias` whether the convolution has one.
    """

    norm: Literal["before", "after", "none"] = "after"
    bias: bool = True

    def lower(
        self,
        shape: Shape,
        width: int | None,
        stride: Sides,
        context: Context,
        drop_rate: float = 0.0,
    ) -> Layer:
        out_width = width or shape[0]
        window = pair_of(stride)
        return seq(
            prenorm=context.normalise(shape[0]) if self.norm == "before" else None,
            conv=Conv(shape[0], out_width, window, window, bias=self.bias),
            norm=context.normalise(out_width) if self.norm == "after" else None,
        )


class PoolBlock(Block, frozen=True, tag="pool"):
    """Max or average pooling (`kind`) with the stage's stride; `padding` as given, by default half the kernel.

    With `ceil` a last window that reaches over the border counts, too.
    """

    kind: Literal["max", "avg"] = "max"
    kernel: Sides = 3
    padding: Sides | None = None
    ceil: bool = False

    def __post_init__(self) -> None:
        settle_sides(self, "kernel", "padding")
        require_sides(self.kernel, "kernel")
        if self.padding is not None:
            limit = keeping(self.kernel)
            fits = all(0 <= pad <= most for pad, most in zip(pair_of(self.padding), limit, strict=True))
            rule = f"must be 0 to {shown_sides(one_spelling(limit))}, got {shown_sides(self.padding)}"
            require(fits, "padding", rule)

    def lower(
        self,
        shape: Shape,
        width: int | None,
        stride: Sides,
        context: Context,
        drop_rate: float = 0.0,
    ) -> Layer:
        require(width in (None, shape[0]), "width", f"pooling keeps its {shape[0]} channels, got {width}")
        height, width_ = pair_of(self.kernel)
        padding = ((height - 1) // 2, (width_ - 1) // 2) if self.padding is None else pair_of(self.padding)
        return Pool(self.kind, (height, width_), pair_of(stride), padding, self.ceil)


class FractionalPoolBlock(Block, frozen=True, tag="fractional_pool"):
    """Fractional max pooling (Graham 2014, arXiv 1412.6071): `ratio` of each side is left, 2 ** -0.5 by default, by
    overlapping windows that lie at random in training. The stage's stride is 1: the ratio takes its place."""

    kernel: Sides = 2
    ratio: float = 0.5**0.5

    def __post_init__(self) -> None:
        settle_sides(self, "kernel")
        require_sides(self.kernel, "kernel")
        require(0 < self.ratio < 1, "ratio", f"must be between 0 and 1, got {self.ratio}")

    def lower(
        self,
        shape: Shape,
        width: int | None,
        stride: Sides,
        context: Context,
        drop_rate: float = 0.0,
    ) -> Layer:
        require(width in (None, shape[0]), "width", f"pooling keeps its {shape[0]} channels, got {width}")
        require(
            stride == 1,
            "stride",
            f"the ratio of fractional pooling takes the stride's place, got {shown_sides(stride)}",
        )
        return FractionalPool(pair_of(self.kernel), self.ratio)


class LocalNormBlock(Block, frozen=True, tag="local_norm"):
    """Local response normalisation across channels (Krizhevsky et al. 2012, section 3.3).

    `size` is the paper's n, in channels; `alpha`, `beta` and `k` are its constants, alpha divided by n as in torch.
    """

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 2.0

    def __post_init__(self) -> None:
        require_positive(self.size, "size")

    def lower(
        self,
        shape: Shape,
        width: int | None,
        stride: Sides,
        context: Context,
        drop_rate: float = 0.0,
    ) -> Layer:
        require_same_shape("local response normalisation", shape, width, stride)
        return LocalResponseNorm(self.size, self.alpha, self.beta, self.k)


class ActivationBlock(Block, frozen=True, tag="activation"):
    """The network's activation, or its own, for networks whose last block ends linear."""

    activation: BlockActivation = None

    def lower(
        self,
        shape: Shape,
        width: int | None,
        stride: Sides,
        context: Context,
        drop_rate: float = 0.0,
    ) -> Layer:
        require_same_shape("an activation", shape, width, stride)
        return context.activate(self.activation) or Identity()

    def canonical(self, in_width: int, width: int | None, stride: Sides) -> Block | None:
        return None if self.activation == "none" else self


class DropoutBlock(Block, frozen=True, tag="dropout"):
    """Values (`channelwise`: whole maps) dropped with probability `rate` in training (arXiv 1207.0580)."""

    rate: float = 0.5
    channelwise: bool = False

    def __post_init__(self) -> None:
        require(0 <= self.rate < 1, "rate", f"must be at least 0 and below 1, got {self.rate}")

    def lower(
        self,
        shape: Shape,
        width: int | None,
        stride: Sides,
        context: Context,
        drop_rate: float = 0.0,
    ) -> Layer:
        require_same_shape("dropout", shape, width, stride)
        return Dropout(self.rate, self.channelwise) if self.rate else Identity()

    def canonical(self, in_width: int, width: int | None, stride: Sides) -> Block | None:
        return self if self.rate else None


def require_same_shape(what: str, shape: Shape, width: int | None, stride: Sides) -> None:
    """Raise `SpecError` unless a stage of `width` and `stride` on a map of `shape` changes neither channels nor sizes.

    `what` is the block in the message.
    """
    require(width in (None, shape[0]), "width", f"{what} keeps its {shape[0]} channels, got {width}")
    require(stride == 1, "stride", f"{what} keeps its sizes, got {shown_sides(stride)}")


class Skip(Block, frozen=True, tag="skip"):
    """Nothing where shapes agree, else a 1x1 convolution and a norm: the identity of a cell space.

    NAS-Bench-Macro (Su et al. 2021, arXiv 2103.11922) counts it among the choices of every layer.
    """

    def lower(
        self,
        shape: Shape,
        width: int | None,
        stride: Sides,
        context: Context,
        drop_rate: float = 0.0,
    ) -> Layer:
        out_width = width or shape[0]
        if stride == 1 and out_width == shape[0]:
            return Identity()
        return context.conv(shape[0], out_width, stride=stride, activation="none")

    def canonical(self, in_width: int, width: int | None, stride: Sides) -> Block | None:
        return None if stride == 1 and width in (None, in_width) else self
