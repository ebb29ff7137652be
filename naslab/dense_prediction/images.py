"""Images and masks of a class a pixel, from files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from naslab.errors import DataError
from naslab.reading import Bounds, read_bytes
from naslab.training.datasets.file_forms import FileForm
from naslab.training.decode import read_pixels

IGNORED = 255
"""The value of pixels in masks that are of no class."""
MASK = Bounds(bytes=256 * 2**20, nodes=0)
INDEXED = ("L", "P", "1")
"""Pillow's modes of one number a pixel."""


def read_image(path: Path) -> Tensor:
    """An image file in three colours: uint8 of shape (3, height, width). Raises `DataError` where it cannot be read."""
    return read_pixels(path, FileForm(3))


def read_mask(path: Path, size: tuple[int, int], num_classes: int) -> Tensor:
    """The class of each pixel of an image of a `size` (height, width): uint8 of the shape (height, width).

    255 is of no class. Raises `DataError` for a file that is no image of one 8-bit number a pixel, has another size, or
    has a number that is none of the `num_classes`.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(read_bytes(path, MASK))) as image:
            mode = image.mode
            values = np.array(image, np.uint8) if mode in INDEXED else None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be read as a mask: {error}") from None
    if values is None:
        raise DataError(f"{path} has pixels of the mode {mode}: a mask has one 8-bit number, the class; write it so")
    if values.shape != size:
        rule = f"the mask has {values.shape[1]} x {values.shape[0]} pixels, its image {size[1]} x {size[0]}"
        raise DataError(f"{path}: {rule}; mask the image itself")
    wrong = np.unique(values[(values >= num_classes) & (values != IGNORED)])
    if wrong.size:
        raise DataError(
            f"{path}: the class {wrong[0]} is not listed, there are {num_classes} (from 0; 255 is of none); "
            "list it in classes.txt, or mend the mask"
        )
    return torch.from_numpy(values)
