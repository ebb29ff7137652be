"""Arrays of images as they come, brought to one form: (images, height, width, channels), 8-bit or floating-point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from naslab.arch.bounds import MAX_CHANNELS, MAX_SIDE
from naslab.errors import DataError

Layout: TypeAlias = Literal["auto", "NHWC", "NCHW"]
"""Where the channels stand in an array of images: last, first, or as the sizes tell."""
PORTION = 512
"""Images that are looked at together, so that large arrays are not copied whole."""


def channels_last(name: str, images: NDArray[Any], layout: Layout = "auto") -> NDArray[Any]:
    """Images of shape (images, height, width, channels), the same memory.

    `images` have that shape, or (images, channels, height, width), or (images, height, width) for grey ones; `name` is
    what messages call them. By themselves (`layout` `auto`) the two equal sides of square images tell; of others the
    channels are the first or the last side, that which is at most half of the other two. Raises `DataError` for other
    shapes, and where both may be.

    >>> channels_last("mine", np.zeros((2, 13, 32, 32))).shape
    (2, 32, 32, 13)
    """
    if images.ndim == 3:
        images = images[..., None]
        layout = "NHWC"
    if images.ndim != 4 or 0 in images.shape:
        raise DataError(
            f"{name}: images must have the shape (images, height, width, channels) or (images, channels, height, "
            f"width), got {images.shape}"
        )
    place = {"NHWC": 3, "NCHW": 1}.get(layout) or _place_of_channels(name, images.shape)
    found = images if place == 3 else images.transpose(0, 2, 3, 1)
    _, height, width, channels = found.shape
    if max(height, width) > MAX_SIDE or channels > MAX_CHANNELS:
        raise DataError(
            f"{name}: images may have {MAX_SIDE:,} pixels a side and {MAX_CHANNELS:,} channels, "
            f"got {height:,} x {width:,} and {channels:,}"
        )
    return found


def _place_of_channels(name: str, shape: Sequence[int]) -> int:
    _, first, second, last = shape
    may_be_last = last <= 4 if first == second == last else first == second or 2 * last <= min(first, second)
    may_be_first = first <= 4 if first == second == last else second == last or 2 * first <= min(second, last)
    if may_be_last and may_be_first:
        may_be_last, may_be_first = last in (1, 3), first in (1, 3)
    if may_be_last == may_be_first:
        raise DataError(
            f"{name}: which side of {tuple(shape)} are the channels cannot be told; "
            "say layout 'NHWC' (last) or 'NCHW' (first)"
        )
    return 3 if may_be_last else 1


def kind_of(name: str, images: NDArray[Any]) -> type[np.uint8] | type[np.float32]:
    """The type that images are held in without loss: 8-bit where every value is 0 to 255 and of an integer type.

    `images` are of shape (images, ...). All other depths are held as 32-bit floating-point numbers, which have every
    integer of 16 bits and round those of 64 bits in the seventh digit. Raises `DataError` for values that are no
    numbers, or too large, and for arrays of other things.
    """
    if images.dtype == np.uint8 or images.dtype == np.bool_:
        return np.uint8
    if images.dtype.kind not in "iuf":
        raise DataError(f"{name}: images must be numbers of 8 or 16 bits or floating-point ones, got {images.dtype}")
    is_byte = images.dtype.kind in "iu"
    for start in range(0, len(images), PORTION):
        portion = images[start : start + PORTION]
        if images.dtype.kind == "f":
            require_finite(name, portion, start)
        is_byte = is_byte and int(portion.min()) >= 0 and int(portion.max()) <= 255
    return np.uint8 if is_byte else np.float32


def require_finite(name: str, images: NDArray[Any], start: int = 0) -> None:
    """Raise `DataError` unless all values are finite in 32 bits; `images` of shape (images, ...), the first `start`."""
    with np.errstate(over="ignore"):
        is_finite = np.isfinite(images.astype(np.float32, copy=False)).reshape(len(images), -1).all(1)
    if not is_finite.all():
        place = start + int(np.flatnonzero(~is_finite)[0])
        raise DataError(f"{name}: image {place} has values that are no finite numbers (NaN or infinite); mend them")
