"""ResNet: He et al. 2016, "Deep Residual Learning for Image Recognition", arXiv 1512.03385, tables 1 and 6."""

from __future__ import annotations

from functools import partial

from naslab.arch import ArchSpec, Bottleneck, ConvBlock, PoolBlock, ResidualBlock, Stage
from naslab.arch.blocks.residual import Shortcut
from naslab.errors import SpecError
from naslab.zoo.entry import TORCHVISION, Paper, Published, Resolution, entries, image_shape

PAPER = Paper("Deep Residual Learning for Image Recognition", 2015, "1512.03385")
REPEATS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Blocks of the four stages (table 1), and of the depths that later papers add to it."""

STEM = (
    Stage(block=ConvBlock(kernel=7), width=64, stride=2),
    Stage(block=PoolBlock(kind="max", kernel=3), stride=2),
)
"""The first layers of every ResNet for ImageNet: 7 x 7 filters and max pooling, a quarter of the resolution."""


def resnet(
    depth: int,
    stride_first: bool = False,
    num_classes: int = 1000,
    resolution: Resolution = 224,
    in_channels: int = 3,
) -> ArchSpec:
    """ResNet of `depth` weighted layers for ImageNet (table 1).

    A bottleneck strides in its 3x3 filter, as all released models do; `stride_first` in its first 1x1, as published.
    Raises `SpecError` for a depth that the paper does not have.
    """
    if depth not in REPEATS:
        raise SpecError("depth", f"must be one of {', '.join(map(str, REPEATS))}, got {depth}")
    is_basic = depth < 50
    block = ResidualBlock() if is_basic else Bottleneck(stride_first=stride_first)
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=STEM,
        stages=four_stages(block, REPEATS[depth], 64 if is_basic else 256),
        num_classes=num_classes,
    )


def four_stages(block: ResidualBlock | Bottleneck, repeats: tuple[int, ...], width: int) -> tuple[Stage, ...]:
    """One stage of `block` for each of `repeats`.

    The first is `width` wide, each next one twice as wide at half the resolution.
    """
    return tuple(
        Stage(block=block, width=width * 2**index, repeats=count, stride=1 if index == 0 else 2)
        for index, count in enumerate(repeats)
    )


def resnet_cifar(
    depth: int,
    shortcut: Shortcut = "pad",
    num_classes: int = 10,
    resolution: Resolution = 32,
    in_channels: int = 3,
) -> ArchSpec:
    """ResNet of `depth` = 6n + 2 weighted layers for CIFAR (section 4.2), shortcuts without parameters.

    `shortcut="none"` is the plain network that it is compared with. Raises `SpecError` for another depth.
    """
    if depth < 8 or depth % 6 != 2:
        raise SpecError("depth", f"must be 6n + 2 with n at least 1, got {depth}")
    block = ResidualBlock(shortcut=shortcut)
    repeats = depth // 6
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=(Stage(block=ConvBlock(kernel=3), width=16),),
        stages=tuple(
            Stage(block=block, width=width, repeats=repeats, stride=1 if width == 16 else 2) for width in (16, 32, 64)
        ),
        num_classes=num_classes,
    )


MODELS = entries(
    "ResNet",
    PAPER,
    ("resnet18", partial(resnet, 18), Published(69.758, TORCHVISION)),
    ("resnet34", partial(resnet, 34), Published(73.314, TORCHVISION)),
    ("resnet50", partial(resnet, 50), Published(76.130, TORCHVISION)),
    ("resnet101", partial(resnet, 101), Published(77.374, TORCHVISION)),
    ("resnet152", partial(resnet, 152), Published(78.312, TORCHVISION)),
    ("resnet50_v1", partial(resnet, 50, stride_first=True), Published(77.15, "arXiv 1512.03385, table 3, ten crops")),
    ("resnet101_v1", partial(resnet, 101, stride_first=True), Published(78.25, "arXiv 1512.03385, table 3, ten crops")),
    ("resnet152_v1", partial(resnet, 152, stride_first=True), Published(78.57, "arXiv 1512.03385, table 3, ten crops")),
    ("resnet20_cifar", partial(resnet_cifar, 20), Published(91.25, "arXiv 1512.03385, table 6")),
    ("resnet32_cifar", partial(resnet_cifar, 32), Published(92.49, "arXiv 1512.03385, table 6")),
    ("resnet44_cifar", partial(resnet_cifar, 44), Published(92.83, "arXiv 1512.03385, table 6")),
    ("resnet56_cifar", partial(resnet_cifar, 56), Published(93.03, "arXiv 1512.03385, table 6")),
    ("resnet110_cifar", partial(resnet_cifar, 110), Published(93.57, "arXiv 1512.03385, table 6")),
    ("resnet1202_cifar", partial(resnet_cifar, 1202), Published(92.07, "arXiv 1512.03385, table 6")),
    ("plain20_cifar", partial(resnet_cifar, 20, shortcut="none"), None),
    ("plain56_cifar", partial(resnet_cifar, 56, shortcut="none"), None),
)
