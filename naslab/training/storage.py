"""Where a part of a data set lies while it is used: decoded on the device, or on disk and read batch by batch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from naslab.errors import DataError
from naslab.study.data_choice import DataChoice
from naslab.training.datasets import ImageArrays, Part, read_images
from naslab.training.datasets.arrays import cached_array, fingerprint
from naslab.training.datasets.file_forms import COLOURED
from naslab.training.datasets.image_folder import is_files, open_files
from naslab.training.datasets.read import read_choice
from naslab.training.device import DeviceMemory, device_memory
from naslab.training.images import Images, ImageSet
from naslab.training.stream import ArraySource, FileSource, ImageSource, Stream, StreamedSet, Wanted, loaders_for

STATISTICS_IMAGES = 5000
STATISTICS_BATCH = 250
MOST_OF_TOTAL = 0.25
MOST_OF_FREE = 0.5
"""The shares of a device's memory, and of what is free of it, that images held there may take unless told otherwise."""
Indices = NDArray[np.int64]


class Stored(Protocol):
    """One part of a data set, held in memory or on disk.

    `labels` have the images first, of shape (count, ...), in the order of the part, which is always the same.
    `num_skipped` is how many files were left out because they cannot be read.

    >>> class Ramp:  # 16 images of one pixel, each brighter than the one before
    ...     labels, num_skipped = np.arange(16) // 8, 0
    ...     def take(self, indices):
    ...         pixels = torch.from_numpy(indices).to(torch.uint8).reshape(-1, 1, 1, 1)
    ...         return ImageSet(pixels, torch.from_numpy(self.labels[indices]))
    ...     def statistics(self, indices):
    ...         return torch.tensor([[indices.mean()], [indices.std()]], dtype=torch.float32)
    >>> part = Ramp()
    >>> train = np.flatnonzero(part.labels == 1)
    >>> part.take(train).labels.tolist(), part.statistics(train).tolist()
    ([1, 1, 1, 1, 1, 1, 1, 1], [[11.5], [2.291287899017334]])
    """

    labels: NDArray[Any]
    num_skipped: int

    def take(self, indices: Indices) -> Images:
        """The images numbered `indices`, from 0 in the order of the part: int64 of shape (count,).

        In the order of `indices`, which may repeat. Held ones are copied to the device here, once for each call;
        streamed ones are read when batches are taken, where a file that cannot be read is a `DataError`.
        """
        ...

    def statistics(self, indices: Indices) -> Tensor:
        """Mean and deviation of each channel over the images numbered `indices`: float32 of shape (2, channels).

        In pixel values (of 8 bits 0 to 255), on the device. `indices` are int64 of shape (count,); of many images about
        5,000 are looked at.
        """
        ...


def open_part(choice: DataChoice, part: Part, data_dir: Path | None, device: torch.device) -> Stored:
    """One `part` (`train`, `test`, `validation`) of the data of `choice`, held or streamed for `device` as that says.

    Raises `DataError` where the data set is missing or damaged, and where it is to be held and there is no room.
    """
    memory = device_memory(str(device))
    if not is_files(choice.name):
        arrays = (
            read_images(choice.name, part, data_dir) if not choice.fingerprint else read_choice(choice, part, data_dir)
        )
        if is_streamed(choice, arrays.images.nbytes, memory):
            size = (arrays.images.shape[1], arrays.images.shape[2])
            return StreamedPart(ArraySource(arrays.images), arrays.labels, size, arrays.images.shape[3], device)
        return HeldPart(arrays, device)
    files = open_files(choice)
    listing = files.parts[part]
    if not is_streamed(choice, len(listing.files) * files.image_bytes, memory):
        return HeldPart(read_choice(choice, part, data_dir), device, listing.num_skipped)
    size, form = (files.height, files.width), files.form
    kind = "" if form == COLOURED else f"{form.channels}{'f' if form.is_float else ''}-"
    key = f"{kind}{files.height}x{files.width}-{fingerprint(listing.files)}"
    source = FileSource(listing.files, form)
    return StreamedPart(source, listing.labels, size, form.channels, device, listing.num_skipped, key)


def is_streamed(choice: DataChoice, num_bytes: int, memory: DeviceMemory) -> bool:
    """Whether images that take `num_bytes` once decoded are streamed: as `choice.storage` says.

    `auto` streams what takes more than a quarter of the device's `memory`, or half of what is free of it. Raises
    `DataError` where they are to be held and take more than is free.

    >>> is_streamed(DataChoice(name="digits"), 3 * 2**30, DeviceMemory(16 * 2**30, 8 * 2**30))
    False
    """
    if choice.storage == "memory" and num_bytes > memory.free_bytes:
        raise DataError(
            f"the images of {choice.name} take {num_bytes / 2**30:.1f} GiB and {memory.free_bytes / 2**30:.1f} GiB of "
            "memory are free: stream them (storage 'stream' or 'auto'), or use fewer by max_images"
        )
    if choice.storage != "auto":
        return choice.storage == "stream"
    return num_bytes > min(MOST_OF_TOTAL * memory.total_bytes, MOST_OF_FREE * memory.free_bytes)


class HeldPart:
    """Decoded images on the host; what is taken of them is copied to the device."""

    def __init__(self, arrays: ImageArrays, device: torch.device, num_skipped: int = 0) -> None:
        self.labels = arrays.labels
        self.num_skipped = num_skipped
        self._images = arrays.images
        self._device = device

    def take(self, indices: Indices) -> ImageSet:
        pixels = torch.from_numpy(np.ascontiguousarray(self._images[indices]))
        return ImageSet(pixels.to(self._device), torch.from_numpy(self.labels[indices]).to(self._device))

    def statistics(self, indices: Indices) -> Tensor:
        return _statistics_of(self._images[numbers] for numbers in _sampled(indices)).to(self._device)


class StreamedPart:
    """Images on disk. What is taken of them shares one stream, and with it its loader processes.

    `source` reads an image by its number, `labels` are int64 of shape (count,), `size` is the (height, width) that
    images are brought to, `channels` how many they have, `num_skipped` how many files were left out. With a `key` their
    statistics are kept in the cache folder.
    """

    def __init__(
        self,
        source: ImageSource,
        labels: Indices,
        size: tuple[int, int],
        channels: int,
        device: torch.device,
        num_skipped: int = 0,
        key: str | None = None,
    ) -> None:
        self.labels = labels
        self.num_skipped = num_skipped
        self._stream = Stream(source, size, device, loaders_for(device))
        self._channels = channels
        self._device = device
        self._key = key

    def take(self, indices: Indices) -> StreamedSet:
        labels = torch.from_numpy(self.labels[indices]).to(self._device)
        return StreamedSet(self._stream, indices, labels, self._channels)

    def statistics(self, indices: Indices) -> Tensor:
        if self._key is None:
            return self._read_statistics(indices).to(self._device)
        digest = hashlib.blake2b(indices.tobytes(), digest_size=8).hexdigest()
        values = cached_array(f"statistics-{self._key}-{digest}", lambda: self._read_statistics(indices).numpy())
        return torch.from_numpy(values).to(self._device)

    def _read_statistics(self, indices: Indices) -> Tensor:
        wanted = [[Wanted(number) for number in numbers.tolist()] for numbers in _sampled(indices)]
        return _statistics_of(pixels.cpu().numpy() for pixels in self._stream.batches(wanted))


def _sampled(indices: Indices) -> list[Indices]:
    """About 5,000 of the numbers, evenly spread, in portions."""
    chosen = indices[:: max(1, len(indices) // STATISTICS_IMAGES)]
    return np.array_split(chosen, max(1, len(chosen) // STATISTICS_BATCH))


def _statistics_of(batches: Iterable[NDArray[Any]]) -> Tensor:
    """Mean and deviation of each channel, float32 (2, channels).

    A constant channel has deviation 1, so that it may be divided by.
    """
    every = iter(batches)
    first = next(every)
    whole = chain([first], every)
    mean, deviation = _of_bytes(whole) if first.dtype == np.uint8 else _of_numbers(whole)
    deviation[deviation < 1e-6 * (1.0 if first.dtype == np.uint8 else np.abs(mean))] = 1.0
    deviation[deviation == 0.0] = 1.0
    return torch.from_numpy(np.stack([mean, deviation]).astype(np.float32))


def _of_bytes(batches: Iterable[NDArray[np.uint8]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """From how often there is each of the 256 values.

    Counts, so that they are the same to the last bit however the images are cut into batches.
    """
    counts = sum(np.stack([np.bincount(row, minlength=256) for row in _rows(batch)]) for batch in batches)
    values = np.arange(256)
    shares = counts / np.sum(counts, axis=1, keepdims=True)
    mean = (shares * values).sum(1)
    return mean, np.sqrt((shares * (values - mean[:, None]) ** 2).sum(1))


def _of_numbers(batches: Iterable[NDArray[np.float32]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """From sums of 64 bits, image by image, of what lies above the first image's mean."""
    shift = total = squares = np.zeros(1)
    count = 0
    for image in chain.from_iterable(batches):
        if not count:
            shift = image.mean((0, 1), dtype=np.float64)
        above = image - shift
        total = total + above.sum((0, 1))
        squares = squares + (above**2).sum((0, 1))
        count += image.shape[0] * image.shape[1]
    mean = total / count
    return mean + shift, np.sqrt(np.maximum(squares / count - mean**2, 0.0))


def _rows(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(batch, height, width, channels) as (channels, values)."""
    return images.reshape(-1, images.shape[-1]).T
