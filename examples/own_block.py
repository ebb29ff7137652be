"""Your own block: a frozen class that says its layers; cost, weights, scaling, inheritance and export follow.

naslab search own_block.yaml --dataset digits --trials 20 --epochs 3
"""

from naslab.arch import Block
from naslab.arch.block import Width, require_odd
from naslab.arch.plan import seq


class TwoConvs(Block, frozen=True, tag="own_block:TwoConvs"):
    """A convolution to `inner` channels, and one from there to the stage's width."""

    kernel: int = 3
    inner: Width = 8

    def __post_init__(self):
        require_odd(self.kernel)

    def lower(self, shape, width, stride, context, drop_rate=0.0):
        one = context.conv(shape[0], self.inner, self.kernel, stride)
        return seq(one=one, two=context.conv(self.inner, width or shape[0], self.kernel))
