"""Phrases that the words of several layers are made of."""

from __future__ import annotations

from naslab.arch.declaration import HeightWidth


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun.

    >>> counted(1, "part"), counted(3, "branch", "branches")
    ('1 part', '3 branches')
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


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
