"""How deep a network is and how far it sees, read from what the cost model counts."""

from __future__ import annotations

import math
from functools import reduce
from typing import NamedTuple

from naslab.arch.cost import part_tallies
from naslab.arch.plan import HeightWidth
from naslab.arch.span import then
from naslab.arch.spec import ArchSpec


class Reach(NamedTuple):
    """How deep a network is, and what a position of its last feature map sees of the input.

    `depth` is the number of layers with weights on the longest way through, `field` the receptive field in pixels,
    `jump` the pixels between neighbouring positions; both are (height, width).
    """

    depth: int
    field: HeightWidth
    jump: HeightWidth


def reach(arch: ArchSpec) -> Reach:
    """The depth of a network, the receptive field of its last feature map, and that map's stride.

    The field is in pixels of the input; global pooling and what follows see it all, and squeeze-excite gates are
    not counted. Where fractional pooling makes parts of pixels of it, they are rounded up. Araujo et al. 2019,
    "Computing Receptive Fields of Convolutional Neural Networks", equation 2. Raises `SpecError` where a layer does not
    fit its input.

    In the example the field grows by 2 in the first convolution, and by 2 positions that lie 2 pixels apart in the
    second: 1 + 2 + 4 = 7. The classifier is the third layer with weights.

    >>> from naslab.arch import ConvBlock, Stage
    >>> stages = (Stage(block=ConvBlock(), width=8, stride=2), Stage(block=ConvBlock(), width=8))
    >>> reach(ArchSpec(input=(3, 32, 32), stages=stages, num_classes=10))
    Reach(depth=3, field=(7, 7), jump=(2, 2))
    """
    depth, growth_h, growth_w, jump_h, jump_w = reduce(then, (part.span for part in part_tallies(arch)))
    field = (1 + math.ceil(growth_h), 1 + math.ceil(growth_w))
    return Reach(depth, field, (math.ceil(jump_h), math.ceil(jump_w)))
