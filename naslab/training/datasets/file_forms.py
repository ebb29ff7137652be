"""What image files hold, by their headers: channels and depth; and the one form that all files of a data set get."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from naslab.errors import DataError, counted
from naslab.training.datasets import tiff
from naslab.training.datasets.arrays import cached_array, fingerprint
from naslab.training.datasets.threads import mapped

TIFF = frozenset({".tif", ".tiff"})
ARRAY = ".npy"
DEPTH_8, DEPTH_16, NUMBERS, CUT_COLOURS = range(4)
"""Depths of files: 8 bits, 16 bits, other numbers, and colours of 16 bits of which only 8 could be read."""
CHANNELS_OF_MODE = {"1": 1, "L": 1, "LA": 2, "La": 2, "P": 3, "PA": 4, "RGB": 3, "RGBA": 4, "RGBa": 4, "RGBX": 4}
CHANNELS_OF_MODE |= {"CMYK": 3, "YCbCr": 3, "LAB": 3, "HSV": 3, "I": 1, "F": 1}


class FileForm(NamedTuple):
    """What all images of a set of files become: their `channels`, and whether they are floating-point numbers.

    Grey files become coloured ones, and those without an alpha channel opaque, where others have these. 16 bits are
    scaled to 0 to 255 as numbers with a fraction, so that nothing is lost; 32-bit numbers stay what they are.
    """

    channels: int
    is_float: bool = False


COLOURED = FileForm(3)
"""Three channels of 8 bits: an alpha channel is left out, and 16 bits are rounded to 8."""


def form_of(files: Sequence[Path]) -> FileForm:
    """The form of a set of files by their headers; those whose header cannot be read are left aside.

    Raises `DataError` for files that have no form in common, naming two of them.
    """
    heads = _headers(list(files))
    known = heads[:, 0] > 0
    if not known.any():
        return COLOURED
    channels, depths = heads[:, 0], heads[:, 1]

    def one(mask: NDArray[np.bool_]) -> Path:
        return files[int(np.flatnonzero(known & mask)[0])]

    if (known & (depths == CUT_COLOURS)).any():
        raise DataError(
            f"{one(depths == CUT_COLOURS)} has colours of 16 bits, of which 8 could be read: say channels 3 "
            "(--channels 3) to take these, or write the images as TIFF or .npy"
        )
    numbers = depths == NUMBERS
    if (known & numbers).any() and (known & ~numbers).any():
        raise DataError(
            f"{one(numbers)} holds 32-bit numbers and {one(~numbers)} 8 or 16 bits: their scales cannot be compared; "
            "write all of them alike"
        )
    found = set(channels[known].tolist())
    if len(found) == 1:
        common = found.pop()
    elif found <= {1, 2, 3, 4} and not (known & numbers).any():
        common = 4 if found >= {2, 3} else max(found)
    else:
        most, least = max(found), min(found)
        raise DataError(
            f"{one(channels == most)} has {counted(most, 'channel')} and {one(channels == least)} has {least}: "
            "images of one data set must have as many"
        )
    return FileForm(int(common), bool((known & (depths != DEPTH_8)).any()))


def _headers(files: list[Path]) -> NDArray[np.int64]:
    """Channels and depth of each file, of shape (files, 2); 0 channels where the header cannot be read."""
    if not files:
        return np.zeros((0, 2), np.int64)
    return cached_array(f"headers2-{fingerprint(files)}", lambda: np.array(mapped(_header_or_none, files), np.int64))


def _header_or_none(path: Path) -> tuple[int, int]:
    try:
        return header_of(path)
    except (OSError, ValueError, SyntaxError, EOFError):
        return 0, DEPTH_8


def header_of(path: Path) -> tuple[int, int]:
    """The channels of an image file and its depth. Raises `OSError`, `ValueError` or `SyntaxError` for no image."""
    from PIL import Image

    ending = path.suffix.lower()
    if ending == ARRAY:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if array.ndim not in (2, 3) or array.dtype.kind not in "biuf":
            raise ValueError(
                f"it must be numbers of shape (height, width, channels), is {array.dtype} of {array.shape}"
            )
        bits = {np.dtype(np.uint8): DEPTH_8, np.dtype(np.bool_): DEPTH_8, np.dtype(np.uint16): DEPTH_16}
        return 1 if array.ndim == 2 else array_of(array).shape[2], bits.get(array.dtype.newbyteorder("="), NUMBERS)
    if ending in TIFF:
        header = tiff.read_header(path)
        if header.is_raw:
            is_int = header.number == "u"
            return header.bands, {8: DEPTH_8, 16: DEPTH_16}.get(header.bits, NUMBERS) if is_int else NUMBERS
    try:
        with Image.open(path) as image:
            mode, kind = image.mode, image.format
            if mode == "P" and "transparency" in image.info:
                return 4, DEPTH_8
    except Image.DecompressionBombError as error:
        raise ValueError(str(error)) from None
    if kind == "PNG":
        with open(path, "rb") as file:
            head = file.read(26)
        if head[24] == 16 and head[25] in (2, 4, 6):
            return CHANNELS_OF_MODE.get(mode, 3), CUT_COLOURS
    if mode.startswith("I;16") or (mode == "I" and kind in ("PNG", "PPM")):
        return 1, DEPTH_16
    return CHANNELS_OF_MODE[mode], NUMBERS if mode in ("I", "F") else DEPTH_8


def array_of(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """An array in a file as an image of shape (height, width, channels).

    `array` is of that shape, of shape (channels, height, width) where the last two sides are the longest, or (height,
    width).
    """
    if array.ndim == 2:
        return array[..., None]
    first, second, last = array.shape
    return array.transpose(1, 2, 0) if first < min(second, last) else array
