"""What the zoo knows of a network: its name, its paper, what was published of it, and how to make it.

Every constructor of the zoo takes `num_classes`, `resolution` (the side of a square image in pixels, or height and
width) and `in_channels`, by default those of its paper.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from naslab.arch import ArchSpec, layer_costs
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


SAME_PADDED = (
    *("MobileNetV1", "MobileNetV2", "MnasNet", "MobileNetV3", "EfficientNet", "EfficientNet-Lite", "EfficientNetV2"),
    "NFNet",
)
"""Families whose released code pads as TensorFlow's SAME: maps of even sides behind them alone before a stride of 2.

Here, as in torchvision, both sides are padded alike: the windows of such layers lie one pixel further on there, at the
same cost. Weights of the released code (timm's `tf_` networks) were learned with those windows, which a network has
whose description says `padding: same`.
"""
SAME_WORDS = (
    "the released code pads maps of even sides behind them alone (TensorFlow's SAME), here both sides are padded "
    "alike: the same cost, and windows of strided layers one pixel apart, for which its weights were learned "
    "(`padding: same` in a description takes those)"
)


def has_other_windows(family: str, arch: ArchSpec) -> bool:
    """Whether strided layers of `arch`, a network of `family`, look at other pixels than in the released code.

    They do where a map of an even side is halved, in the families of `SAME_PADDED`.

    >>> from naslab.zoo.registry import model
    >>> [has_other_windows("MobileNetV2", model("mobilenet_v2", resolution=side)) for side in (224, 225)]
    [True, False]
    """
    if family not in SAME_PADDED or arch.padding == "same":
        return False
    rows = layer_costs(arch)
    return any(
        before % 2 == 0 and after * 2 == before
        for row in rows
        if len(row.in_shape) == len(row.out_shape) == 3
        for before, after in zip(row.in_shape[1:], row.out_shape[1:], strict=True)
    )


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
