"""Phrases that the words of several layers are made of."""

from __future__ import annotations

from naslab.arch.declaration import HeightWidth


def sides(pair: HeightWidth) -> str:
    """A height and a width.

    >>> sides((3, 5))
    '3 x 5'
    """
    return f"{pair[0]} x {pair[1]}"


def window(kernel: HeightWidth, stride: HeightWidth) -> str:
    """A window's sides, and its steps where it skips positions.

    >>> window((3, 3), (2, 2))
    '3 x 3 stride 2'
    """
    step = f" stride {stride[0] if stride[0] == stride[1] else sides(stride)}" if stride != (1, 1) else ""
    return sides(kernel) + step
