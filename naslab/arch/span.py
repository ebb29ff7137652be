"""How deep a part of a network is and how far it sees: a property of its layers alone, that composes.

A span is (depth, growth in height, growth in width, jump in height, jump in width). Depth is what papers print in a
name: weighted layers on the longest way through, squeeze-excite gates not counted. A position behind the part sees
`growth` more positions of the part's input than one, and neighbours behind it lie `jump` positions of its input apart
(Araujo et al. 2019, "Computing Receptive Fields of Convolutional Neural Networks", equation 2).
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import TypeAlias

Positions: TypeAlias = int | Fraction
"""Fractional pooling alone makes fractions of it: its windows lie so far apart on average."""
Span: TypeAlias = tuple[int, Positions, Positions, Positions, Positions]

POINT: Span = (0, 0, 0, 1, 1)
"""Layers without filters of their own; by convention also gates and global pooling, which see nothing more."""
WEIGHTED: Span = (1, 0, 0, 1, 1)
"""A layer with weights over the channels of one position."""


def then(span: Span, more: Span) -> Span:
    """One part behind another: depths add up, what the second one sees is the first one's jumps wide.

    >>> then((1, 2, 2, 2, 2), (1, 4, 4, 1, 1))
    (2, 10, 10, 2, 2)
    """
    depth, growth_h, growth_w, jump_h, jump_w = span
    more_depth, more_h, more_w, by_h, by_w = more
    return depth + more_depth, growth_h + jump_h * more_h, growth_w + jump_w * more_w, jump_h * by_h, jump_w * by_w


def joined(spans: Iterable[Span]) -> Span:
    """Parts side by side: where they meet, the deepest counts and the widest sees.

    >>> joined([(2, 4, 2, 1, 1), (1, 2, 6, 1, 1)])
    (2, 4, 6, 1, 1)
    """
    wide = [each for each in spans if each is not POINT]
    if len(wide) < 2:
        return wide[0] if wide else POINT
    depths, heights, widths, jumps_h, jumps_w = zip(*wide, strict=True)
    return max(depths), max(heights), max(widths), max(jumps_h), max(jumps_w)
