"""Densely connected blocks: every layer adds channels to all that came before (Huang et al. 2017, arXiv 1608.06993)."""

from __future__ import annotations

from naslab.arch.block import (
    Block,
    BlockActivation,
    Context,
    Width,
    require,
    require_positive,
    scaled_width,
)
from naslab.arch.plan import Dropout, Identity, Layer, Pool, Shape, concat, seq
from naslab.arch.sides import Sides, pair_of, require_window, shown_sides
from naslab.errors import SpecError, counted


class DenseLayer(Block, frozen=True, tag="dense"):
    """Norm, activation and filter make `growth` channels, stacked behind the input's.

    With `bottleneck` a 1x1 convolution to that many times `growth` comes first (DenseNet-B; the paper takes 4).

    >>> DenseLayer(growth=12).lower((24, 32, 32), None, 1, Context()).names
    ('input', 'new')
    """

    growth: Width
    bottleneck: float | None = 4.0
    kernel: Sides = 3
    dropout: float = 0.0
    activation: BlockActivation = None
    dilation: Sides = 1

    def __post_init__(self) -> None:
        require_positive(self.growth, "growth")
        require_window(self, "kernel")
        if self.bottleneck is not None:
            require_positive(float(self.bottleneck), "bottleneck")
        require(0 <= self.dropout < 1, "dropout", f"must be at least 0 and below 1, got {self.dropout}")

    def lower(self, shape: Shape, width: int | None, stride: Sides, context: Context, drop_rate: float = 0.0) -> Layer:
        in_width = shape[0]
        out_width = in_width + self.growth
        if width is not None and width != out_width:
            raise SpecError("width", f"{in_width} + {counted(self.growth, 'channel')} are {out_width}, got {width}")
        if stride != 1:
            raise SpecError("stride", f"a dense layer keeps its sizes, got {shown_sides(stride)}")
        middle = in_width if self.bottleneck is None else scaled_width(self.growth, self.bottleneck)
        act = self.activation
        reduction: dict[str, Layer | None] = {}
        if self.bottleneck is not None:
            reduction = {
                "norm0": context.normalise(in_width),
                "act0": context.activate(act),
                "reduce": context.filter(in_width, middle),
            }
        new = seq(
            **reduction,
            norm=context.normalise(middle),
            act=context.activate(act),
            filter=context.filter(middle, self.growth, self.kernel, dilation=self.dilation),
            dropout=Dropout(self.dropout) if self.dropout else None,
        )
        return concat(input=Identity(), new=new)


class Transition(Block, frozen=True, tag="transition"):
    """Between dense stages: norm, activation, 1x1 convolution, average pooling with the stage's stride.

    The stage's width, or `compression` of the input's, rounded down (DenseNet-C below 1).
    """

    compression: float = 0.5
    dropout: float = 0.0
    activation: BlockActivation = None

    def __post_init__(self) -> None:
        require(0 < self.compression <= 1, "compression", f"must be above 0 and at most 1, got {self.compression}")
        require(0 <= self.dropout < 1, "dropout", f"must be at least 0 and below 1, got {self.dropout}")

    def lower(self, shape: Shape, width: int | None, stride: Sides, context: Context, drop_rate: float = 0.0) -> Layer:
        out_width = width or max(1, int(shape[0] * self.compression))
        return seq(
            norm=context.normalise(shape[0]),
            act=context.activate(self.activation),
            mix=context.filter(shape[0], out_width),
            dropout=Dropout(self.dropout) if self.dropout else None,
            pool=Pool("avg", pair_of(stride), pair_of(stride)) if stride != 1 else None,
        )
