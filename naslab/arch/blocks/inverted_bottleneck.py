"""Inverted bottlenecks: expand, filter depthwise, project linearly, with a shortcut where shapes agree."""

from __future__ import annotations

from naslab.arch.block import (
    Block,
    BlockActivation,
    Context,
    SqueezeExcite,
    require_odd,
    require_positive,
    scaled_width,
)
from naslab.arch.plan import Layer, Residual, Sequence, Shape, seq


class MBConv(Block, frozen=True, tag="mbconv"):
    """MobileNetV2's block with squeeze-excite, as in MnasNet and EfficientNet (arXiv 1801.04381, 1905.11946).

    >>> MBConv(kernel=5, expansion=6).lower((24, 56, 56), 40, 2, Context()).names
    ('expand', 'depthwise', 'se', 'project')
    """

    kernel: int = 3
    expansion: float = 6
    se: SqueezeExcite | None = SqueezeExcite(ratio=0.25)
    activation: BlockActivation = None

    def __post_init__(self) -> None:
        require_odd(self.kernel)
        require_positive(self.expansion, "expansion")

    def lower(self, shape: Shape, width: int | None, stride: int, context: Context, drop_rate: float = 0.0) -> Layer:
        return inverted_bottleneck(
            self.kernel, self.expansion, self.se, self.activation, shape[0], width, stride, context, drop_rate
        )

    def canonical(self, in_width: int, width: int | None, stride: int) -> Block:
        if self.se is not None:
            return self
        return InvertedBottleneck(kernel=self.kernel, expansion=self.expansion, activation=self.activation)


class InvertedBottleneck(Block, frozen=True, tag="inverted_bottleneck"):
    """MobileNetV2's block as published, without squeeze-excite (arXiv 1801.04381, table 1)."""

    kernel: int = 3
    expansion: float = 6
    activation: BlockActivation = None

    def __post_init__(self) -> None:
        require_odd(self.kernel)
        require_positive(self.expansion, "expansion")

    def lower(self, shape: Shape, width: int | None, stride: int, context: Context, drop_rate: float = 0.0) -> Layer:
        return inverted_bottleneck(
            self.kernel, self.expansion, None, self.activation, shape[0], width, stride, context, drop_rate
        )


class FusedMBConv(Block, frozen=True, tag="fused_mbconv"):
    """EfficientNetV2's block: one full convolution expands and filters (arXiv 2104.00298, figure 2)."""

    kernel: int = 3
    expansion: float = 4
    se: SqueezeExcite | None = None
    activation: BlockActivation = None

    def __post_init__(self) -> None:
        require_odd(self.kernel)
        require_positive(self.expansion, "expansion")

    def lower(self, shape: Shape, width: int | None, stride: int, context: Context, drop_rate: float = 0.0) -> Layer:
        in_width = shape[0]
        out_width = width or in_width
        hidden = scaled_width(in_width, self.expansion)
        expands = hidden != in_width
        filtered = hidden if expands else out_width
        body = seq(
            expand=context.conv(in_width, filtered, self.kernel, stride, activation=self.activation),
            se=context.squeeze_excite(self.se, in_width, filtered, of="input"),
            project=context.conv(hidden, out_width, activation="none") if expands else None,
        )
        return with_shortcut(body, in_width, out_width, stride, drop_rate)


def inverted_bottleneck(
    kernel: int,
    expansion: float,
    se: SqueezeExcite | None,
    activation: BlockActivation,
    in_width: int,
    width: int | None,
    stride: int,
    context: Context,
    drop_rate: float,
) -> Layer:
    """Expand where there is something to, filter depthwise, gate, project.

    `kernel`, `expansion`, `se` and `activation` are the block's fields; `in_width`, `width`, `stride`, `context` and
    `drop_rate` say where it stands, as in `Block.lower`.
    """
    out_width = width or in_width
    hidden = scaled_width(in_width, expansion)
    body = seq(
        expand=context.conv(in_width, hidden, activation=activation) if hidden != in_width else None,
        depthwise=context.conv(hidden, hidden, kernel, stride, hidden, activation),
        se=context.squeeze_excite(se, in_width, hidden, of="input"),
        project=context.conv(hidden, out_width, activation="none"),
    )
    return with_shortcut(body, in_width, out_width, stride, drop_rate)


def with_shortcut(body: Sequence, in_width: int, out_width: int, stride: int, drop_rate: float) -> Layer:
    """`body` on a shortcut where input and output agree (`in_width` is `out_width` at `stride` 1), alone elsewhere.

    `drop_rate` is the body's stochastic-depth probability.
    """
    return Residual(body, drop_rate=drop_rate) if stride == 1 and in_width == out_width else body
