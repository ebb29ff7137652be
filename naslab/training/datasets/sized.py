"""Data sets of PIL images of different sizes and modes, brought to one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from naslab.training.datasets.image_folder import DEFAULT_SIZE

LOOKED_AT = 50
"""Images that are looked at to tell whether all are of one size."""


class SizedPairs:
    """Pairs of an image and a label, the images of `dataset` as arrays of one size and of as many channels.

    Without a `size`, (height, width), the images stay as they are where some of them are of one size, and are else cut
    to the middle square and resized to 64 x 64 pixels. `keys` are those of the image and the label in its items, by
    default items are pairs.
    """

    def __init__(self, dataset: Any, size: tuple[int, int] | None = None, keys: tuple[str, str] | None = None) -> None:
        self.dataset = dataset
        self._keys = keys
        step = max(1, len(dataset) // LOOKED_AT)
        first = [self._raw(number)[0] for number in range(0, len(dataset), step)] if len(dataset) else []
        sizes = {_array(each).shape[:2] for each in first}
        self._size = size or (None if len(sizes) == 1 else (DEFAULT_SIZE, DEFAULT_SIZE))
        counts = {_array(each).shape[2] for each in first}
        self._channels = max(counts, default=3)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, number: int) -> tuple[NDArray[Any], Any]:
        image, label = self._raw(number)
        array = _array(image)
        if array.shape[2] != self._channels and hasattr(image, "convert"):
            array = _array(image.convert({1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[self._channels]))
        return (array if self._size is None else _fitted(array, self._size)), label

    def _raw(self, number: int) -> tuple[Any, Any]:
        item = self.dataset[number]
        image, label = (item[key] for key in self._keys) if self._keys else item
        if getattr(image, "mode", "") in ("P", "CMYK", "YCbCr", "1"):
            image = image.convert("L" if image.mode == "1" else "RGB")
        return image, label


def _array(image: Any) -> NDArray[Any]:
    """An image as an array of shape (height, width, channels)."""
    if hasattr(image, "detach"):
        return np.asarray(image.detach().cpu().numpy().transpose(1, 2, 0))
    array = np.asarray(image)
    return array[..., None] if array.ndim == 2 else array


def _fitted(array: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    import torch

    from naslab.training.decode import fit_pixels

    values = array if array.dtype in (np.uint8, np.float32) else array.astype(np.float32)
    image = torch.from_numpy(np.array(values)).permute(2, 0, 1)  # a copy: PIL arrays are not writable
    return np.asarray(fit_pixels(image, *size).permute(1, 2, 0).numpy())
