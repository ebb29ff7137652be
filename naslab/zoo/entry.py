"""What the zoo knows of a network: its name, its paper, what was published of it, and how to make it.

Every constructor of the zoo takes `num_classes`, `resolution` (the side of a square image in pixels, or height and
width) and `in_channels`, by default those of its paper.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from naslab.arch import ArchSpec
from naslab.arch.plan import Shape

Resolution: TypeAlias = int | tuple[int, int]
"""The side of a square image, or (height, width)."""

TORCHVISION = "torchvision weights, IMAGENET1K_V1"
"""The source of accuracies that torchvision measured on weights of its own, one central crop."""


class Paper(msgspec.Struct, frozen=True):
    """The publication that a family comes from: `title`, `year`, and its identifier on `arxiv`, where it has one."""

    title: str
    year: int
    arxiv: str | None = None


class Published(msgspec.Struct, frozen=True):
    """A published accuracy, `top1` in per cent, on the data set of the model's number of classes; `source` says where.

    1000 classes are ImageNet (ILSVRC 2012, validation), 10 classes are CIFAR-10 (test). `resolution` is the side of the
    images that it was measured on, where that is not the model's own.
    """

    top1: float
    source: str
    resolution: int | None = None


class ZooEntry(msgspec.Struct, frozen=True):
    """A network of the literature: its `name`, `family`, `paper`, and the accuracy `published` of it, if any.

    `constructor` gives it as published; its input and classes can be replaced.
    """

    name: str
    family: str
    paper: Paper
    constructor: Callable[[], ArchSpec]
    published: Published | None = None


Row: TypeAlias = tuple[str, Callable[[], ArchSpec], Published | None]
"""Name, constructor and published accuracy of one network of a family."""


def entries(family: str, paper: Paper, *rows: Row) -> tuple[ZooEntry, ...]:
    """The entries of the networks of `family` that come from one `paper`, one for each of `rows`."""
    return tuple(ZooEntry(name, family, paper, constructor, published) for name, constructor, published in rows)


def image_shape(resolution: Resolution, in_channels: int) -> Shape:
    """(channels, height, width) of an image.

    >>> image_shape(224, 3), image_shape((224, 160), 1)
    ((3, 224, 224), (1, 224, 160))
    """
    height, width = (resolution, resolution) if isinstance(resolution, int) else resolution
    return in_channels, height, width
