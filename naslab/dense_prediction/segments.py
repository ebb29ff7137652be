"""Outlines of objects: polygons and run lengths, and the pixels that they hold. No torch here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from naslab.errors import DataError


class Polygons(NamedTuple):
    """The outline of an object as polygons, `rings`: x and y of each corner, float64 of shape (corners, 2)."""

    rings: tuple[NDArray[np.float64], ...]


class RunLengths(NamedTuple):
    """The pixels of an object column by column: `counts` outside and inside in turn, int64 of shape (runs,)."""

    counts: NDArray[np.int64]


Segment: TypeAlias = Polygons | RunLengths


def mask_of(segment: Segment, height: int, width: int) -> NDArray[np.bool_]:
    """The pixels that a `segment` holds in an image of `height` x `width`: bool of shape (height, width).

    A pixel is in a polygon where its middle is.

    >>> square = Polygons((np.array([[1.0, 1], [3, 1], [3, 3], [1, 3]]),))
    >>> mask_of(square, 4, 4).sum(), mask_of(RunLengths(np.array([5, 2, 2, 2, 5])), 4, 4).sum()
    (np.int64(4), np.int64(4))
    """
    if isinstance(segment, RunLengths):
        flat = np.repeat(np.arange(len(segment.counts)) % 2 == 1, segment.counts)
        return flat.reshape(width, height).T
    mask = np.zeros((height, width), bool)
    for ring in segment.rings:
        mask |= _inside(ring, height, width)
    return mask


def polygons_of(values: Sequence[Sequence[float]], width: int, height: int, place: str) -> Polygons:
    """Polygons of lists x, y, x, y, ... (`values`) in an image of `width` x `height` pixels, cut to it.

    Raises `DataError`, which says their `place`, for fewer than three corners and for corners outside of the image.
    """
    rings = []
    for each in values:
        if len(each) < 6 or len(each) % 2:
            raise DataError(f"{place}: a polygon has x and y of three corners or more, got {len(each)} numbers")
        ring = np.array(each, np.float64).reshape(-1, 2)
        sides = np.array([width, height], np.float64)
        if not np.isfinite(ring).all() or (ring < -1).any() or (ring > sides + 1).any():
            raise DataError(f"{place}: a polygon leaves the image of {width} x {height}; mend it, or the size")
        rings.append(np.clip(ring, 0, sides))
    if not rings:
        raise DataError(f"{place}: has no polygon; draw one, or take the object away")
    return Polygons(tuple(rings))


def run_lengths(counts: str | Sequence[int], size: Sequence[int], shape: tuple[int, int], place: str) -> RunLengths:
    """Run lengths of a mask of `size` (height, width) for an image of a `shape` (height, width).

    `counts` are numbers or COCO's text of them. Raises `DataError`, which says their `place`, for a mask of another
    size than the image, and for counts that are not as many as its pixels.
    """
    if tuple(size) != shape:
        told = " x ".join(str(each) for each in reversed(list(size)[:2]))
        raise DataError(
            f"{place}: the mask has {told} pixels, its image {shape[1]} x {shape[0]}; mask the image itself"
        )
    try:
        found = _counts_of_text(counts) if isinstance(counts, str) else [_count(each) for each in counts]
    except (ValueError, IndexError):
        raise DataError(f"{place}: the counts of the mask are no run lengths; write them as COCO does") from None
    total = shape[0] * shape[1]
    if any(each < 0 or each > total for each in found) or sum(found) != total:
        raise DataError(
            f"{place}: the counts of the mask sum to {sum(found):,}, its image has {total:,} pixels; write them anew"
        )
    return RunLengths(np.array(found, np.int64))


def counts_of(mask: NDArray[np.bool_]) -> list[int]:
    """The run lengths of a mask of shape (height, width), column by column, first those outside.

    >>> counts_of(np.array([[False, True], [True, True]]))
    [1, 3]
    """
    flat = np.concatenate([[False], mask.T.reshape(-1)])
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    edges = np.concatenate([[0], changes, [flat.size - 1]])
    return [int(each) for each in np.diff(edges)]


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise ValueError
    return int(value)


def _counts_of_text(text: str) -> list[int]:
    """Numbers of five bits a character, a sign in the last one, from the third on the difference to two before."""
    counts: list[int] = []
    place = 0
    while place < len(text):
        value = shift = 0
        while True:
            code = ord(text[place]) - 48
            if not 0 <= code < 64 or shift > 60:
                raise ValueError
            value |= (code & 31) << shift
            place, shift = place + 1, shift + 5
            if not code & 32:
                break
        if code & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
    return counts


def _inside(ring: NDArray[np.float64], height: int, width: int) -> NDArray[np.bool_]:
    """Whether the middle of each pixel is within a ring, by how many of its edges lie to the left of it."""
    start, end = ring, np.roll(ring, -1, axis=0)
    mask = np.zeros((height, width), bool)
    columns = np.arange(width) + 0.5
    first, last = int(max(0, np.floor(ring[:, 1].min()))), int(min(height, np.ceil(ring[:, 1].max())))
    for row in range(first, last):
        y = row + 0.5
        crosses = (start[:, 1] <= y) != (end[:, 1] <= y)
        if crosses.any():
            one, other = start[crosses], end[crosses]
            at = one[:, 0] + (y - one[:, 1]) / (other[:, 1] - one[:, 1]) * (other[:, 0] - one[:, 0])
            mask[row] = np.searchsorted(np.sort(at), columns) % 2 == 1
    return mask
