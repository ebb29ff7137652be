"""Images: what a training reads its batches from, wherever they lie; ImageSet, those that lie on the device."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, Self

import torch
from torch import Tensor

MOST_STRETCH = 4 / 3
"""Width by height of random windows, or height by width, at most."""


class Images(Protocol):
    """Labelled images of one size. A value: equal arguments give equal batches, whatever was asked for before.

    >>> class Shades:  # images of one grey, as dark as their label says
    ...     channels = 1
    ...     def __init__(self, labels):
    ...         self.labels = labels
    ...     def batches(self, parts, least_area=1.0, seed=0):  # a window of one grey is that grey
    ...         for part in parts:
    ...             labels = self.labels[part]
    ...             yield labels.to(torch.uint8).reshape(-1, 1, 1, 1).expand(-1, 8, 8, 1), labels
    ...     def joined(self, other):
    ...         return Shades(torch.cat([self.labels, other.labels]))
    ...     def chosen(self, places):
    ...         return Shades(self.labels[places])
    ...     def __len__(self):
    ...         return len(self.labels)
    >>> images = Shades(torch.arange(10)).chosen(torch.tensor([3, 5, 7]))
    >>> [(pixels.shape, labels.tolist()) for pixels, labels in images.batches([torch.tensor([2, 0])])]
    [(torch.Size([2, 8, 8, 1]), [7, 3])]
    """

    @property
    def labels(self) -> Tensor:
        """int64 of shape (count,) or, of several labels or numbers, float32 of shape (count, labels), on the device."""
        ...

    @property
    def channels(self) -> int:
        """The channels of each image: 1 for grey ones, 3 for coloured ones."""
        ...

    def batches(
        self, parts: Sequence[Tensor], least_area: float = 1.0, seed: int = 0
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """The pixels and labels of each of `parts`, which are places of images from 0, int64 of shape (batch,).

        In the order of the parts and of the places in each, made when they are taken, on the device; one pass at a
        time, for streams share their loaders. Nobody writes into them. Pixels are uint8, or float32 of other depths, of
        shape (batch, height, width, channels). With `least_area` below 1 each is a window of its image, of random
        proportions and of at least that share of its area, resized to the size of all; drawn from `seed` alone. Raises
        `DataError` for a file that cannot be read.
        """
        ...

    def joined(self, other: Self) -> Self:
        """These images and then those of `other`, both parts of one data set."""
        ...

    def chosen(self, places: Tensor) -> Self:
        """Only the images at `places`, from 0, int64 of shape (count,)."""
        ...

    def __len__(self) -> int: ...


class ImageSet(NamedTuple):
    """Images on a device: `pixels`, of shape (count, height, width, channels), `labels` of shape (count, ...).

    Pixels are uint8, or float32 of other depths; labels are those of `Images`.
    """

    pixels: Tensor
    labels: Tensor

    @property
    def images(self) -> Tensor:
        """The images, of shape (count, channels, height, width); the same memory."""
        return self.pixels.permute(0, 3, 1, 2)

    @property
    def channels(self) -> int:
        return int(self.pixels.shape[3])

    def batches(
        self, parts: Sequence[Tensor], least_area: float = 1.0, seed: int = 0
    ) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator(self.pixels.device).manual_seed(seed)
        for part in parts:
            pixels, labels = self.pixels.index_select(0, part), self.labels.index_select(0, part)
            yield (random_windows(pixels, least_area, generator) if least_area < 1 else pixels), labels

    def chosen(self, places: Tensor) -> ImageSet:
        return ImageSet(self.pixels.index_select(0, places), self.labels.index_select(0, places))

    def joined(self, other: ImageSet) -> ImageSet:
        return ImageSet(torch.cat([self.pixels, other.pixels]), torch.cat([self.labels, other.labels]))

    def __len__(self) -> int:
        return int(self.labels.shape[0])


def random_windows(pixels: Tensor, least_area: float, generator: torch.Generator) -> Tensor:
    """Each image cut to a random window of itself and resized to what it was.

    `pixels` and the result are uint8 or float32 of shape (batch, height, width, channels).

    Its share of the area is drawn between `least_area` and 1 and its proportions between 3:4 and 4:3 (arXiv 1409.4842,
    section 6); a side that would be longer than the image's is the image's.
    """
    from torchvision.ops import roi_align

    count, height, width, _ = pixels.shape
    draws = torch.rand(4, count, generator=generator, device=pixels.device)
    area = least_area + (1 - least_area) * draws[0]
    stretch = ((2 * draws[1] - 1) * (math.log(MOST_STRETCH) / 2)).exp()
    sides = torch.stack([area.sqrt() * stretch, area.sqrt() / stretch]).clamp(max=1.0)  # width, height
    start = (1 - sides) * draws[2:]
    scale = torch.tensor([[width], [height]], device=pixels.device)
    boxes = torch.cat([start * scale, (start + sides) * scale]).T
    images = pixels.permute(0, 3, 1, 2).to(torch.float32)
    cut: Tensor = roi_align(images, list(boxes[:, None]), (height, width), aligned=True)
    return (cut if pixels.is_floating_point() else cut.round_().to(pixels.dtype)).permute(0, 2, 3, 1)
