"""Image files to pixels: decoded by torchcodec or Pillow, brought to one size by torchvision's transforms.

What is held in memory and what is streamed is decoded here alike, so that both give the same values.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from naslab.errors import DataError

DECODED_BY_TORCHCODEC = frozenset({".png", ".jpg", ".jpeg"})
ASPECTS = (3 / 4, 4 / 3)
"""Width by height of randomly resized crops (Szegedy et al. 2014, arXiv 1409.4842, section 6)."""


def read_pixels(path: Path) -> Tensor:
    """An image file as uint8 of shape (3, height, width), upright as its EXIF says; grey ones get three equal channels.

    JPEG and PNG are decoded by torchcodec where it is installed, everything else by Pillow, whose pixels are the same.
    Raises `DataError`, which names the file, where it is damaged or cut short, or has more pixels than Pillow
    takes for harmless, twice `PIL.Image.MAX_IMAGE_PIXELS` (small files can unpack to more than the memory holds).
    """
    from PIL import Image

    decode = fast_decoder() if path.suffix.lower() in DECODED_BY_TORCHCODEC else None
    try:
        if decode is None:
            return read_by_pillow(path)
        _require_few_pixels(path)
        return decode(path)
    except (Image.DecompressionBombError, RuntimeError, OSError, ValueError, SyntaxError) as error:
        reason = re.sub(r"^\w+, \S+:\d+, ", "", str(error)).partition(". ")[0]  # torchcodec begins with its own place
        raise DataError(f"{path} cannot be read as an image: {reason}") from error


def _require_few_pixels(path: Path) -> None:
    """Raise Pillow's `DecompressionBombError` by the size in a file's header: torchcodec has no such limit."""
    from PIL import Image

    with Image.open(path):
        pass


@cache
def fast_decoder() -> Callable[[Path], Tensor] | None:
    """torchcodec's decoder of image files, if it is installed: about twice as fast as Pillow."""
    try:
        from torchcodec import decoders
    except (ImportError, RuntimeError, OSError):  # not there, or made for another torch
        return None
    decode: Callable[[Path], Tensor] = decoders.decode_image
    return decode


def read_by_pillow(path: Path) -> Tensor:
    """An image file as uint8 of shape (3, height, width) by Pillow, which knows more kinds of files than torchcodec.

    Grey values of 16 bits are scaled to 8. Raises `OSError`, `ValueError` or `SyntaxError`, as Pillow does, for a file
    that it cannot read.
    """
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I;16"):  # Pillow would cut what is above 255
            upright = Image.fromarray(np.rint(np.asarray(upright) / 257).astype(np.uint8))
        pixels = np.array(upright.convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1)


def fit_pixels(image: Tensor, height: int, width: int) -> Tensor:
    """The middle of an image of shape (channels, rows, columns), in the proportions of the size, resized to it.

    >>> fit_pixels(torch.zeros(3, 40, 60, dtype=torch.uint8), 16, 16).shape
    torch.Size([3, 16, 16])
    """
    rows, columns = image.shape[1:]
    if (rows, columns) == (height, width):
        return image
    kept_rows = min(rows, max(1, round(columns * height / width)))
    kept_columns = min(columns, max(1, round(rows * width / height)))
    top, left = (rows - kept_rows) // 2, (columns - kept_columns) // 2
    return _resized(image, (top, left, kept_rows, kept_columns), height, width)


def crop_at_random(image: Tensor, height: int, width: int, least_area: float, seed: int) -> Tensor:
    """A random window of an image, resized: uint8 of shape (channels, `height`, `width`).

    `image` is uint8 of shape (channels, rows, columns). The window has between `least_area` (0 to 1) and the whole of
    its area, and proportions between 3:4 and 4:3: what torchvision's `RandomResizedCrop` draws (arXiv 1409.4842,
    section 6), drawn from `seed` alone.
    """
    from torchvision.transforms import v2  # more than a second, which trainings without image files do without

    transform = v2.RandomResizedCrop((height, width), scale=(least_area, 1.0), ratio=ASPECTS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        box = transform.make_params([image])
    return _resized(image, (box["top"], box["left"], box["height"], box["width"]), height, width)


def _resized(image: Tensor, box: tuple[int, int, int, int], height: int, width: int) -> Tensor:
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.v2 import functional

    cut = functional.resized_crop(image, *box, [height, width], InterpolationMode.BILINEAR, antialias=True)
    assert isinstance(cut, Tensor)
    return cut
