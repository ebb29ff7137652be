"""How deep a part of a network is and how far it sees: a property of its layers alone, that composes.

A span is (depth, growth in height, growth in width, jump in height, jump in width). Depth is the number in the names of
papers (ResNet-50): layers with weights on the longest way through, squeeze-excite gates not counted. A position of the
part's output sees 1 + growth positions of the part's input along a side, and neighbouring output positions lie `jump`
input positions apart (Araujo et al. 2019, "Computing Receptive Fields of Convolutional Neural Networks", equation 2).
A 3 x 3 convolution of stride 2 has the span (1, 2, 2, 2, 2).
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import TypeAlias

Positions: TypeAlias = int | Fraction
"""A number of positions along a side. Only fractional pooling makes fractions: the average distance of its windows."""
Span: TypeAlias = tuple[int, Positions, Positions, Positions, Positions]

POINT: Span = (0, 0, 0, 1, 1)
"""The span of a layer that looks at one position and has no depth; by convention also of gates and global pooling."""
WEIGHTED: Span = (1, 0, 0, 1, 1)
"""The span of a layer with weights that looks at one position: a linear layer."""


def then(span: Span, more: Span) -> Span:
    """The span of a part of span `more` behind one of `span`.

    Depths add up. One position of the second part's input is `jump` positions of the first one's, so growths add as
    growth + jump * growth of `more`, and jumps multiply.

    >>> then((1, 2, 2, 2, 2), (1, 4, 4, 1, 1))
    (2, 10, 10, 2, 2)
    """
    depth, growth_h, growth_w, jump_h, jump_w = span
    more_depth, more_h, more_w, by_h, by_w = more
    return depth + more_depth, growth_h + jump_h * more_h, growth_w + jump_w * more_w, jump_h * by_h, jump_w * by_w


def joined(spans: Iterable[Span]) -> Span:
    """The span of parts side by side whose outputs become one: the largest of each number over `spans`.

    Parts that are `POINT`, such as an identity shortcut, change nothing; `POINT` where there are no others.

    >>> joined([(2, 4, 2, 1, 1), (1, 2, 6, 1, 1)])
    (2, 4, 6, 1, 1)
    """
    wide = [each for each in spans if each is not POINT]
    if len(wide) < 2:
        return wide[0] if wide else POINT
    depths, heights, widths, jumps_h, jumps_w = zip(*wide, strict=True)
    return max(depths), max(heights), max(widths), max(jumps_h), max(jumps_w)
