"""The plain pieces: convolution, pooling, and a block that does nothing."""

from __future__ import annotations

from typing import Literal

from naslab.arch.block import (
    Block,
    BlockActivation,
    Context,
    Groups,
    SqueezeExcite,
    require,
    require_odd,
    require_positive,
)
from naslab.arch.plan import Identity, Layer, Pool, Shape, seq


class ConvBlock(Block, frozen=True, tag="conv"):
    """Convolution, normalisation, activation, as in VGG; squeeze-excite after them where asked.

    >>> ConvBlock(kernel=3).lower((3, 32, 32), 16, 1, Context()).names
    ('conv', 'norm', 'act')
    """

    kernel: int = 3
    groups: Groups = 1
    se: SqueezeExcite | None = None
    activation: BlockActivation = None

    def __post_init__(self) -> None:
        require_odd(self.kernel)
        require_positive(self.groups, "groups")

    def lower(
        self,
        shape: Shape,
        width: int | None,
        stride: int,
        context: Context,
        drop_rate: float = 0.0,
    ) -> Layer:
        out_width = width or shape[0]
        body = context.conv(shape[0], out_width, self.kernel, stride, groups=self.groups, activation=self.activation)
        gate = context.squeeze_excite(self.se, shape[0], out_width)
        return body if gate is None else seq(body=body, se=gate)


class PoolBlock(Block, frozen=True, tag="pool"):
    """Max or average pooling with the stage's stride; `padding` as given, by default half the kernel."""

    kind: Literal["max", "avg"] = "max"
    kernel: int = 3
    padding: int | None = None
    ceil: bool = False

    def __post_init__(self) -> None:
        require_positive(self.kernel, "kernel")
        if self.padding is not None:
            limit = self.kernel // 2
            require(0 <= self.padding <= limit, "padding", f"must be 0 to {limit}, got {self.padding}")

    def lower(
        self,
        shape: Shape,
        width: int | None,
        stride: int,
        context: Context,
        drop_rate: float = 0.0,
    ) -> Layer:
        require(width in (None, shape[0]), "width", f"pooling keeps its {shape[0]} channels, got {width}")
        pad = (self.kernel - 1) // 2 if self.padding is None else self.padding
        return Pool(self.kind, (self.kernel, self.kernel), (stride, stride), (pad, pad), self.ceil)


class Skip(Block, frozen=True, tag="skip"):
    """Nothing where shapes agree, else a 1x1 convolution and a norm: the identity of a cell space.

    NAS-Bench-Macro (Su et al. 2021, arXiv 2103.11922) counts it among the choices of every layer.
    """

    def lower(
        self,
        shape: Shape,
        width: int | None,
        stride: int,
        context: Context,
        drop_rate: float = 0.0,
    ) -> Layer:
        out_width = width or shape[0]
        if stride == 1 and out_width == shape[0]:
            return Identity()
        return context.conv(shape[0], out_width, stride=stride, activation="none")

    def canonical(self, in_width: int, width: int | None, stride: int) -> Block | None:
        return None if stride == 1 and width in (None, in_width) else self
