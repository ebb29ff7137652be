"""AlexNet: Krizhevsky et al. 2012, "ImageNet Classification with Deep Convolutional Neural Networks", figure 2."""

from __future__ import annotations

from naslab.arch import ArchSpec, ConvBlock, Head, LocalNormBlock, PoolBlock, Stage
from naslab.zoo.entry import TORCHVISION, Paper, Published, Resolution, entries, image_shape

PAPER = Paper("ImageNet Classification with Deep Convolutional Neural Networks", 2012)
ONE_TOWER = Paper("One weird trick for parallelizing convolutional neural networks", 2014, "1404.5997")
POOL = Stage(block=PoolBlock(kind="max", kernel=3, padding=0), stride=2)
HEAD = Head(pool_size=(6, 6), hidden=(4096, 4096), dropout=0.5)


def alexnet_2012(num_classes: int = 1000, resolution: Resolution = 227, in_channels: int = 3) -> ArchSpec:
    """The network of 2012: two towers, which are the two groups of the second, fourth and fifth convolution."""
    local_norm = Stage(block=LocalNormBlock(size=5, alpha=1e-4, beta=0.75, k=2.0))
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stages=(
            Stage(block=ConvBlock(kernel=11, padding=0), width=96, stride=4),
            local_norm,
            POOL,
            Stage(block=ConvBlock(kernel=5, groups=2), width=256),
            local_norm,
            POOL,
            Stage(block=ConvBlock(kernel=3), width=384),
            Stage(block=ConvBlock(kernel=3, groups=2), width=384),
            Stage(block=ConvBlock(kernel=3, groups=2), width=256),
            POOL,
        ),
        head=HEAD,
        num_classes=num_classes,
        norm=None,
    )


def alexnet(num_classes: int = 1000, resolution: Resolution = 224, in_channels: int = 3) -> ArchSpec:
    """The single tower of Krizhevsky 2014 (arXiv 1404.5997), which torchvision calls AlexNet."""
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stages=(
            Stage(block=ConvBlock(kernel=11, padding=2), width=64, stride=4),
            POOL,
            Stage(block=ConvBlock(kernel=5), width=192),
            POOL,
            Stage(block=ConvBlock(kernel=3), width=384),
            Stage(block=ConvBlock(kernel=3), width=256, repeats=2),
            POOL,
        ),
        head=HEAD,
        num_classes=num_classes,
        norm=None,
    )


MODELS = (
    *entries("AlexNet", PAPER, ("alexnet_2012", alexnet_2012, Published(59.3, "the paper, table 2, one network"))),
    *entries("AlexNet", ONE_TOWER, ("alexnet", alexnet, Published(56.522, TORCHVISION))),
)
