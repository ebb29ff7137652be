"""Images that stay where they are until a batch needs them: files or a mapped array, decoded by loader processes.

The same pixels as those held in memory, for the same indices and in the same order, whatever the number of loaders.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from naslab.errors import DataError
from naslab.training.datasets.file_forms import COLOURED, FileForm
from naslab.training.decode import crop_at_random, fit_pixels, read_pixels

PREFETCHED_BATCHES = 2
"""Batches that each loader process holds ready."""
MOST_LOADERS = 16
SEED_STRIDE = 0x9E3779B97F4A7C15
"""An odd number: the products of it with all indices are different modulo 2 ** 64."""


class ImageSource(Protocol):
    """Images by their number, each of its own size.

    Every loader process has a copy and reads from it in any order, so it can be pickled, and equal numbers give equal
    images.

    >>> class Stripes:  # the image of a number is as wide as the number says
    ...     def read(self, number):
    ...         return torch.arange(number, dtype=torch.uint8).expand(1, 4, number)
    >>> stream = Stream(Stripes(), size=(2, 2), device=torch.device("cpu"), num_loaders=0)
    >>> [pixels.shape for pixels in stream.batches([[Wanted(6), Wanted(8)], [Wanted(4)]])]
    [torch.Size([2, 2, 2, 1]), torch.Size([1, 2, 2, 1])]
    """

    def read(self, number: int) -> Tensor:
        """The image of a `number`, from 0: uint8 or float32 of shape (channels, height, width), on the host.

        All have the same type and channels. Raises `DataError` where it cannot be read, which the stream raises in the
        process that takes the batch; any other error ends the pass with the loader's traceback.
        """
        ...


class FileSource:
    """Images in files, read in one form."""

    def __init__(self, files: Sequence[Path], form: FileForm = COLOURED) -> None:
        self._form = form
        # One block of bytes: a million objects would be copied into every loader as their reference counts change.
        self._files = np.array([os.fsencode(path) for path in files])

    def read(self, number: int) -> Tensor:
        return read_pixels(Path(os.fsdecode(self._files[number])), self._form)


class ArraySource:
    """Images in an array, of shape (count, height, width, channels), mapped from disk."""

    def __init__(self, images: NDArray[Any]) -> None:
        self._images = images

    def read(self, number: int) -> Tensor:
        return torch.from_numpy(np.array(self._images[number])).permute(2, 0, 1)


class Wanted(NamedTuple):
    """An image that a batch needs: its number, and how to crop it at random (`least_area` 1: not at all)."""

    number: int
    least_area: float = 1.0
    seed: int = 0


class Unreadable(NamedTuple):
    """An image that could not be read, and why."""

    message: str


class Stream:
    """Batches of the images of `source`, brought to `size` (height, width) by `num_loaders` processes (0: by this one).

    The processes live as long as the stream; one pass is read at a time.
    """

    def __init__(self, source: ImageSource, size: tuple[int, int], device: torch.device, num_loaders: int) -> None:
        self._order = _Order()
        self._device = device
        self._loader: DataLoader[Tensor | Unreadable] = DataLoader(
            _Sized(source, size),
            batch_sampler=self._order,
            collate_fn=_stacked,
            num_workers=num_loaders,
            persistent_workers=num_loaders > 0,
            prefetch_factor=PREFETCHED_BATCHES if num_loaders else None,
            pin_memory=device.type == "cuda",
            generator=torch.Generator(),  # its own: by itself a pass draws from the one that random layers draw from
        )

    def batches(self, wanted: Sequence[Sequence[Wanted]]) -> Iterator[Tensor]:
        """Each batch of `wanted` images as uint8 of shape (count, height, width, channels) on the device.

        Raises `DataError` for an image that cannot be read.
        """
        self._order.wanted = wanted
        for pixels in self._loader:
            if isinstance(pixels, Unreadable):
                raise DataError(pixels.message)
            yield pixels.to(self._device, non_blocking=True)


class StreamedSet(msgspec.Struct, frozen=True):
    """Images that are read when they are needed: the `indices` of a stream, with their labels on the device."""

    stream: Stream
    indices: NDArray[np.int64]
    labels: Tensor
    channels: int

    def batches(
        self, parts: Sequence[Tensor], least_area: float = 1.0, seed: int = 0
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """The pixels and labels of each part's images; windows are cut from the files' own pixels."""
        wanted = [[self._wanted(place, least_area, seed) for place in part.tolist()] for part in parts]
        for part, pixels in zip(parts, self.stream.batches(wanted), strict=True):
            yield pixels, self.labels.index_select(0, part)

    def chosen(self, places: Tensor) -> StreamedSet:
        indices = self.indices[places.cpu().numpy()]
        return StreamedSet(self.stream, indices, self.labels.index_select(0, places), self.channels)

    def joined(self, other: StreamedSet) -> StreamedSet:
        """These and then the others. Raises `DataError` for images of another stream."""
        if self.stream is not other.stream:
            raise DataError(
                "validation images of their own are not trained on while they are streamed: hold them in memory "
                "(storage 'memory'), or leave --use-validation out"
            )
        indices = np.concatenate([self.indices, other.indices])
        return StreamedSet(self.stream, indices, torch.cat([self.labels, other.labels]), self.channels)

    def _wanted(self, place: int, least_area: float, seed: int) -> Wanted:
        number = int(self.indices[place])
        return Wanted(number, least_area, (seed + number * SEED_STRIDE) % 2**63 if least_area < 1 else 0)

    def __len__(self) -> int:
        return len(self.indices)


def loaders_for(device: torch.device) -> int:
    """How many loader processes a worker starts: its CPU threads, without the one that trains where that is a CPU's."""
    spare = torch.get_num_threads() - (device.type == "cpu")
    return min(MOST_LOADERS, spare)


class _Order:
    """Which images each batch of the next pass holds; the loader asks for it anew at every pass."""

    def __init__(self) -> None:
        self.wanted: Sequence[Sequence[Wanted]] = ()

    def __iter__(self) -> Iterator[list[Wanted]]:
        return map(list, self.wanted)

    def __len__(self) -> int:
        return len(self.wanted)


class _Sized(Dataset[Tensor | Unreadable]):
    """What a loader process does for one image."""

    def __init__(self, source: ImageSource, size: tuple[int, int]) -> None:
        self._source = source
        self._size = size

    def __getitem__(self, wanted: Wanted) -> Tensor | Unreadable:
        try:
            image = self._source.read(wanted.number)
        except DataError as error:  # raised by the stream, without the loader's traceback
            return Unreadable(str(error))
        if wanted.least_area < 1:
            sized = crop_at_random(image, *self._size, wanted.least_area, wanted.seed)
        else:
            sized = fit_pixels(image, *self._size)
        return sized.permute(1, 2, 0)


def _stacked(images: list[Tensor | Unreadable]) -> Tensor | Unreadable:
    """The batch, or its first image that cannot be read."""
    pixels: list[Tensor] = []
    for image in images:
        if isinstance(image, Unreadable):
            return image
        pixels.append(image)
    return torch.stack(pixels)
