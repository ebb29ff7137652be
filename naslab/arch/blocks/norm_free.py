"""The residual block of networks without normalisation (Brock et al. 2021, arXiv 2102.06171, figure 2)."""

from __future__ import annotations

import math

import msgspec

from naslab.arch.block import (
    Block,
    BlockActivation,
    Context,
    SqueezeExcite,
    largest_divisor,
    require,
    require_positive,
    scaled_width,
)
from naslab.arch.blocks.residual import pooled_projection
from naslab.arch.plan import Act, ChannelScale, Identity, Layer, Residual, Shape, seq
from naslab.arch.sides import Sides, require_window


class NormFreeBlock(Block, frozen=True, tag="norm_free"):
    """x + alpha * body(x / beta): a bottleneck of two grouped filters in a network of standardised weights.

    `ratio` is the filters' share of the block's width, `num_filters` how many there are; `alpha` scales the body.
    beta^2 is the variance that `sums_before` residual sums give the input, 1 + alpha^2 each (arXiv 2101.08692, section
    3): one more for every repeat, and again from 1 behind a block that changes the shape. Filters have groups of at
    least `group_width` channels. The body's learned gain starts at 0 (SkipInit).
    """

    kernel: Sides = 3
    ratio: float = 0.5
    group_width: int = 128
    num_filters: int = 2
    alpha: float = 0.2
    sums_before: int = 0
    se: SqueezeExcite | None = SqueezeExcite(ratio=0.5, of="gated", divisor=8, activation="relu", gain=2.0)
    activation: BlockActivation = None
    dilation: Sides = 1

    def __post_init__(self) -> None:
        require_window(self, "kernel")
        require_positive(float(self.ratio), "ratio")
        require_positive(self.group_width, "group_width")
        require(1 <= self.num_filters <= 64, "num_filters", f"must be 1 to 64, got {self.num_filters}")
        require_positive(float(self.alpha), "alpha")
        require(self.sums_before >= 0, "sums_before", f"must be at least 0, got {self.sums_before}")

    def repeated(self, times: int) -> Block:
        return msgspec.structs.replace(self, sums_before=times)

    def lower(self, shape: Shape, width: int | None, stride: Sides, context: Context, drop_rate: float = 0.0) -> Layer:
        in_width = shape[0]
        out_width = width or in_width
        middle = scaled_width(out_width, self.ratio)
        groups = largest_divisor(middle, max(1, middle // self.group_width))
        beta = math.sqrt(1 + self.sums_before * self.alpha**2)
        opening = self._opening(context, beta)
        act = self.activation
        strides = [stride] + [1] * (self.num_filters - 1)
        filters = {
            f"filter{index}": context.conv(middle, middle, self.kernel, step, groups, act, self.dilation)
            for index, step in enumerate(strides)
        }
        body: dict[str, Layer | None] = {
            "reduce": context.conv(in_width, middle, activation=act),
            **filters,
            "expand": context.conv(middle, out_width, activation="none"),
            "se": context.squeeze_excite(self.se, in_width, out_width),
            "gain": ChannelScale(1, 0.0),
        }
        if stride == 1 and in_width == out_width:
            return Residual(seq(preact=opening, **body), Identity(), drop_rate, self.alpha)
        way = pooled_projection(in_width, out_width, stride, context)
        return seq(preact=opening, residual=Residual(seq(**body), way, drop_rate, self.alpha))

    def _opening(self, context: Context, beta: float) -> Act | None:
        act = context.activate(self.activation)
        return None if act is None else Act(act.kind, act.gain / beta)
