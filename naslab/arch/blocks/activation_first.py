"""A residual block whose convolutions stand behind their activations and before their norms."""

from __future__ import annotations

from naslab.arch.block import Block, BlockActivation, Context
from naslab.arch.blocks.cell_operations import activated_conv
from naslab.arch.plan import Identity, Layer, Pool, Residual, Shape, seq
from naslab.arch.sides import Sides, pair_of, require_window


class ActivationFirstResidual(Block, frozen=True, tag="activation_first_residual"):
    """Activation, convolution, norm, twice, on a shortcut: the reduction of NAS-Bench-201 (arXiv 2001.00326, figure 1).

    Where shapes differ the shortcut is average pooling and a bare 1x1 convolution. Nothing follows the sum.

    >>> ActivationFirstResidual().lower((16, 32, 32), 32, 2, Context()).shortcut.names
    ('pool', 'conv')
    """

    kernel: Sides = 3
    activation: BlockActivation = None
    dilation: Sides = 1

    def __post_init__(self) -> None:
        require_window(self, "kernel")

    def lower(self, shape: Shape, width: int | None, stride: Sides, context: Context, drop_rate: float = 0.0) -> Layer:
        in_width = shape[0]
        out = width or in_width
        act = self.activation
        body = seq(
            first=activated_conv(context, in_width, out, self.kernel, stride, act, self.dilation),
            second=activated_conv(context, out, out, self.kernel, 1, act, self.dilation),
        )
        shortcut: Layer = Identity()
        if stride != 1 or in_width != out:
            pool = Pool("avg", pair_of(stride), pair_of(stride), ceil=True) if stride != 1 else None
            shortcut = seq(pool=pool, conv=context.filter(in_width, out))
        return Residual(body, shortcut, drop_rate)
