"""Batches made on the device: gathered as uint8, cropped, mirrored and recoloured there, then normalised to float32.

All randomness comes from one generator on the device and one on the host, so a batch is a function of the seed and of
its place.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from naslab.study.recipe import Recipe
from naslab.training.data import DataSplit
from naslab.training.images import Images
from naslab.training.policies import color_policy, recolored


class Batch(NamedTuple):
    """`images`, normalised, float32 of shape (batch, channels, height, width), and `labels`, int64 of shape (batch,).

    Where images were mixed, `other_labels` are those of the second images, of the same shape, and `share`, a scalar
    tensor from 0 to 1, is the first ones' part.
    """

    images: Tensor
    labels: Tensor
    other_labels: Tensor | None = None
    share: Tensor | None = None


class Normaliser:
    """From uint8 pixels to float32 images of the network's size, channels last in memory.

    Each channel has mean 0 and deviation 1 over the training images of `data`, as they are before any augmentation;
    `size` is the network's (height, width).
    """

    def __init__(self, data: DataSplit, size: tuple[int, int]) -> None:
        self._scale = (1.0 / data.deviation).to(torch.float32)
        self._shift = -data.mean * self._scale
        self.size = size

    def at(self, size: tuple[int, int]) -> Normaliser:
        """The same for images of another (height, width)."""
        if size == self.size:
            return self
        other = copy.copy(self)
        other.size = size
        return other

    def __call__(self, pixels: Tensor) -> Tensor:
        """`pixels`, uint8 of shape (batch, height, width, channels), as float32 of shape (batch, channels, *size).

        Resized bilinearly where sizes differ, with antialiasing where a side becomes shorter.
        """
        images = torch.addcmul(self._shift, pixels.to(torch.float32), self._scale).permute(0, 3, 1, 2)
        if images.shape[2:] == self.size:
            return images
        shrinks = images.shape[2] > self.size[0] or images.shape[3] > self.size[1]
        return functional.interpolate(images, self.size, mode="bilinear", antialias=shrinks)


def epoch_sizes(num_images: int, batch_size: int) -> list[int]:
    """The sizes of an epoch's batches: equal or one apart, at most `batch_size` (or 3), and 1 only for a single image.

    Batch norm cannot train on one image, and a short last batch would weigh its images more than the others.

    >>> epoch_sizes(9, 4)
    [3, 3, 3]
    >>> epoch_sizes(5, 64)
    [5]
    """
    steps = min(math.ceil(num_images / batch_size), max(1, num_images // 2))
    small, larger = divmod(num_images, steps)
    return [small + 1] * larger + [small] * (steps - larger)


def training_batches(
    data: DataSplit, recipe: Recipe, normalise: Normaliser, generator: torch.Generator, host: random.Random
) -> Iterator[Batch]:
    """One epoch of the training images of `data` in random order, augmented as `recipe` says.

    Each batch has the images' (height, width) of `normalise`, which makes them float32, and at most
    `recipe.batch_size` of them (`epoch_sizes`). `generator` draws on the device, `host` what must be known on the host:
    the parts that mixed images take, the places of boxes, and the seeds of windows and colour policies.
    """
    train = data.train
    policy = color_policy(recipe)
    order = _order(train, recipe, generator)
    parts = torch.split(order, epoch_sizes(len(train), recipe.batch_size))
    for pixels, labels in train.batches(parts, *_windows(recipe, host)):
        if recipe.crop_padding:
            pixels = crop(pixels, recipe.crop_padding, generator)
        if recipe.horizontal_flip:
            pixels = flip(pixels, generator)
        if policy is not None:
            pixels = recolored(pixels, policy, host)
        images = normalise(pixels)
        if recipe.cutout:
            images = cutout(images, recipe.cutout, generator)
        yield _mixed(images, labels, recipe, host)


def _order(train: Images, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """The places of an epoch's images: each once, or drawn so that every class comes as often."""
    device = train.labels.device
    if recipe.sampler == "shuffled":
        return torch.randperm(len(train), generator=generator, device=device)
    by_class = train.labels.argsort(stable=True)
    counts = torch.bincount(train.labels)
    starts = counts.cumsum(0) - counts
    there = counts.nonzero()[:, 0]
    drawn = there[torch.arange(len(train), device=device) % len(there)]
    drawn = drawn[torch.randperm(len(train), generator=generator, device=device)]
    places = (torch.rand(len(train), generator=generator, device=device, dtype=torch.float64) * counts[drawn]).long()
    return by_class[starts[drawn] + places]


def plain_batches(images: Images, normalise: Normaliser, batch_size: int) -> Iterator[Batch]:
    """All images in their order, normalised and otherwise as they are, `batch_size` at a time."""
    parts = torch.split(torch.arange(len(images), device=images.labels.device), batch_size)
    for pixels, labels in images.batches(parts):
        yield Batch(normalise(pixels), labels)


def _windows(recipe: Recipe, host: random.Random) -> tuple[float, int]:
    """The least share of an image's area that is cut out of it (1: nothing is cut), and the seed of an epoch's cuts."""
    return (recipe.resized_crop, host.getrandbits(62)) if recipe.resized_crop else (1.0, 0)


def crop(pixels: Tensor, padding: int, generator: torch.Generator) -> Tensor:
    """Each image cut at a random place of itself padded with zeros (He et al. 2015, arXiv 1512.03385, section 4.2).

    `pixels` and the result are of shape (batch, height, width, channels); `padding` pixels are added on every side.
    """
    count, height, width, _ = pixels.shape
    padded = functional.pad(pixels, (0, 0, padding, padding, padding, padding))
    windows = padded.unfold(1, height, 1).unfold(2, width, 1)  # (batch, places, places, channels, height, width)
    places = torch.randint(2 * padding + 1, (2, count), generator=generator, device=pixels.device)
    return windows[torch.arange(count, device=pixels.device), places[0], places[1]].permute(0, 2, 3, 1)


def flip(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Each image mirrored left to right with probability a half; `pixels` of shape (batch, height, width, channels)."""
    is_flipped = torch.rand(pixels.shape[0], generator=generator, device=pixels.device) < 0.5
    return torch.where(is_flipped[:, None, None, None], pixels.flip(2), pixels)


def cutout(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Each image with a square of `side` x `side` pixels set to 0, the mean of what is normalised (arXiv 1708.04552).

    `images` and the result are of shape (batch, channels, height, width). The square's centre is a random pixel, and
    what would lie outside the image is cut off.
    """
    count, _, height, width = images.shape
    centre = torch.rand(2, count, 1, generator=generator, device=images.device)
    rows = torch.arange(height, device=images.device) - (centre[0] * height).floor() + side // 2
    columns = torch.arange(width, device=images.device) - (centre[1] * width).floor() + side // 2
    in_rows, in_columns = (rows >= 0) & (rows < side), (columns >= 0) & (columns < side)
    return images.masked_fill((in_rows[:, :, None] & in_columns[:, None, :])[:, None], 0.0)


def _mixed(images: Tensor, labels: Tensor, recipe: Recipe, host: random.Random) -> Batch:
    """The batch mixed with itself shifted by one, by mixup or cutmix, or as it is."""
    kinds = [kind for kind, alpha in ((mixup, recipe.mixup), (cutmix, recipe.cutmix)) if alpha > 0]
    if not kinds:
        return Batch(images, labels)
    kind = host.choice(kinds)
    alpha = recipe.mixup if kind is mixup else recipe.cutmix
    images, share = kind(images, host.betavariate(alpha, alpha), host)
    return Batch(images, labels, labels.roll(1, 0), torch.full((), share, device=images.device))


def mixup(images: Tensor, share: float, host: random.Random) -> tuple[Tensor, float]:
    """Each image times `share` plus the one before it in the batch times 1 - `share` (mixup, arXiv 1710.09412).

    `images` and the mixed ones are of shape (batch, channels, height, width); `share` is given back with them. `host`
    is for `cutmix`, which is called alike, and not drawn from.

    >>> mixup(torch.tensor([1.0, 3.0]).reshape(2, 1, 1, 1), 0.75, random.Random(0))[0].flatten().tolist()
    [1.5, 2.5]
    """
    return torch.lerp(_neighbours(images), images, share), share


def cutmix(images: Tensor, share: float, host: random.Random) -> tuple[Tensor, float]:
    """Each image with a box of pixels of the one before it in the batch (CutMix, arXiv 1905.04899).

    `images` and the mixed ones are of shape (batch, channels, height, width). The box has about 1 - `share` of the area
    and a centre drawn by `host`, and is cut off at the borders: what is given back with the images is the share of its
    own pixels that each has left.
    """
    height, width = images.shape[2:]
    cut = math.sqrt(1 - share)
    row, column = host.randrange(height), host.randrange(width)
    top, bottom = max(0, row - int(height * cut / 2)), min(height, row + int(height * cut / 2))
    left, right = max(0, column - int(width * cut / 2)), min(width, column + int(width * cut / 2))
    mixed = images.clone()
    mixed[:, :, top:bottom, left:right] = _neighbours(images)[:, :, top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)


def _neighbours(images: Tensor) -> Tensor:
    """The image before each in the batch, channels last in memory: `Tensor.roll` alone would lose that layout."""
    return images.permute(0, 2, 3, 1).roll(1, 0).permute(0, 3, 1, 2)
