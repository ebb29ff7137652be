"""Image files to pixels: decoded by torchcodec or Pillow, brought to one size by torchvision's transforms.

What is held in memory and what is streamed is decoded here alike, so that both give the same values.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from naslab.errors import DataError, counted
from naslab.training.datasets import tiff
from naslab.training.datasets.file_forms import (
    ARRAY,
    COLOURED,
    CUT_COLOURS,
    DEPTH_8,
    DEPTH_16,
    NUMBERS,
    TIFF,
    FileForm,
    array_of,
    header_of,
)

DECODED_BY_TORCHCODEC = frozenset({".png", ".jpg", ".jpeg"})
UNSCALED = "scaling them is not asked for; leave channels (--channels) out to keep them as they are"
ASPECTS = (3 / 4, 4 / 3)
"""Width by height of randomly resized crops (Szegedy et al. 2014, arXiv 1409.4842, section 6)."""


def read_pixels(path: Path, form: FileForm = COLOURED) -> Tensor:
    """An image file in a form, upright as its EXIF says: of shape (channels, height, width), uint8 or float32.

    By itself the form has three colours of 8 bits: grey ones get three equal channels. JPEG and PNG are decoded by
    torchcodec where it is installed, everything else by Pillow, whose pixels are the same, and what Pillow does not
    know here (`naslab.training.datasets.tiff`, `.npy`). Raises `DataError`, which names the file, where it is damaged
    or cut short, where it has bands that are no colours or numbers of 32 bits and the form has no place for them, or
    has more pixels than Pillow takes for harmless, twice `PIL.Image.MAX_IMAGE_PIXELS` (small files can unpack to more
    than the memory holds).
    """
    from PIL import Image

    is_fast = form == COLOURED and path.suffix.lower() in DECODED_BY_TORCHCODEC
    decode = fast_decoder() if is_fast else None
    try:
        if decode is None:
            return read_by_pillow(path, form)
        _require_one_small_image(path)
        return decode(path)
    except (Image.DecompressionBombError, RuntimeError, OSError, ValueError, SyntaxError, EOFError) as error:
        reason = re.sub(r"^\w+, \S+:\d+, ", "", str(error)).partition(". ")[0]  # torchcodec begins with its own place
        raise DataError(f"{path} cannot be read as an image: {reason}") from error


def _require_one_small_image(path: Path) -> None:
    """Look at a file's header before torchcodec reads it, which has no limit of pixels and takes the first of several.

    Raises Pillow's `DecompressionBombError`, and `ValueError` for an animation.
    """
    from PIL import Image

    with Image.open(path) as image:
        _require_still(image)


ANIMATED = frozenset({"GIF", "PNG", "WEBP"})
"""Formats of animations; the further images of a camera's JPEG are previews."""


def _require_still(image: Any) -> None:
    """Raise `ValueError` for an animation: its other images would be left out unseen."""
    if image.format in ANIMATED and getattr(image, "is_animated", False):
        raise ValueError(tiff.SEVERAL_IMAGES)


@cache
def fast_decoder() -> Callable[[Path], Tensor] | None:
    """torchcodec's decoder of image files, if it is installed: about twice as fast as Pillow."""
    try:
        from torchcodec import decoders
    except (ImportError, RuntimeError, OSError):  # not there, or made for another torch
        return None
    decode: Callable[[Path], Tensor] = decoders.decode_image
    return decode


OF_NUMBERS = TIFF | {ARRAY, ".ppm", ".pgm"}
"""Endings of files whose depth is looked at in their header before Pillow reads them."""
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""Pillow's name of images with so many channels of 8 bits."""


def read_by_pillow(path: Path, form: FileForm = COLOURED) -> Tensor:
    """An image file in a form by Pillow, or as plain numbers: of shape (channels, height, width).

    Of three colours of 8 bits, grey values of 16 bits are scaled to 8. Raises `OSError`, `ValueError` or `SyntaxError`,
    as Pillow does, for a file that it cannot read or that has no such form.
    """
    from PIL import Image, ImageOps

    depth = DEPTH_8 if form == COLOURED and path.suffix.lower() not in OF_NUMBERS else header_of(path)[1]
    plain = _plain_values(path)
    if plain is not None:
        return _in_form(plain, depth, form)
    with Image.open(path) as image:
        _require_still(image)
        upright = ImageOps.exif_transpose(image)
        if upright.mode in ("I", "F") or upright.mode.startswith("I;16"):
            values = np.asarray(upright)[..., None]
            if form.is_float:
                return _in_form(values, depth, form)
            if depth == NUMBERS:
                kind = "floating-point numbers" if upright.mode == "F" else "integers"
                raise ValueError(f"it holds 32-bit {kind}, which do not fit 8 bits: {UNSCALED}")
            upright = Image.fromarray(np.rint(values[..., 0] / 257).astype(np.uint8))  # Pillow would cut at 255
        if depth == CUT_COLOURS and form != COLOURED:
            raise ValueError("it has colours of 16 bits, of which 8 could be read")
        pixels = np.array(upright.convert(MODES[form.channels]))
    return _in_form(pixels.reshape(*pixels.shape[:2], -1), DEPTH_8, form)


def _plain_values(path: Path) -> NDArray[Any] | None:
    """What Pillow does not know or would cut, of shape (height, width, channels); nothing where Pillow is whole."""
    ending = path.suffix.lower()
    if ending == ARRAY:
        return np.asarray(array_of(np.load(path, allow_pickle=False)))
    if ending in TIFF and tiff.read_header(path).is_raw:
        return tiff.read_tiff(path)
    return None


def _in_form(values: NDArray[Any], depth: int, form: FileForm) -> Tensor:
    """Values of shape (height, width, channels) as a tensor of a form, channels first."""
    channels = values.shape[2]
    if channels != form.channels and channels == 1:
        values = values.repeat(form.channels, axis=2)
    elif channels != form.channels:
        raise ValueError(f"it has {counted(channels, 'channel')}, where {form.channels} are read")
    numbers: NDArray[Any]
    if form.is_float:
        numbers = values.astype(np.float32)
        if depth == DEPTH_16:
            numbers /= 257
        if not np.isfinite(numbers).all():
            raise ValueError("it has values that are no finite numbers (NaN or infinite): write others in their place")
    elif depth == DEPTH_8:
        numbers = values.astype(np.uint8) * 255 if values.dtype == np.bool_ else values
    elif depth == DEPTH_16 and channels == 1:
        numbers = np.rint(values / 257).astype(np.uint8)
    else:
        raise ValueError(f"it holds numbers that do not fit 8 bits: {UNSCALED}")
    return torch.from_numpy(np.ascontiguousarray(numbers)).permute(2, 0, 1)


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
