"""Network in Network: Lin et al. 2014, arXiv 1312.4400, the CIFAR-10 network of the released configuration."""

from __future__ import annotations

from naslab.arch import ArchSpec, ConvBlock, DropoutBlock, Head, PoolBlock, Stage
from naslab.zoo.entry import Paper, Published, Resolution, entries, image_shape

PAPER = Paper("Network In Network", 2013, "1312.4400")


def nin_cifar(num_classes: int = 10, resolution: Resolution = 32, in_channels: int = 3) -> ArchSpec:
    """Three filters, each mixed by two 1x1 convolutions (figure 2); the last mixes to the classes and is averaged."""
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stages=(
            Stage(block=ConvBlock(kernel=5), width=192),
            Stage(block=ConvBlock(kernel=1), width=160),
            Stage(block=ConvBlock(kernel=1), width=96),
            Stage(block=PoolBlock(kind="max", kernel=3, padding=0, ceil=True), stride=2),
            Stage(block=DropoutBlock(rate=0.5)),
            Stage(block=ConvBlock(kernel=5), width=192),
            Stage(block=ConvBlock(kernel=1), width=192, repeats=2),
            Stage(block=PoolBlock(kind="avg", kernel=3, padding=0, ceil=True), stride=2),
            Stage(block=DropoutBlock(rate=0.5)),
            Stage(block=ConvBlock(kernel=3), width=192),
            Stage(block=ConvBlock(kernel=1), width=192),
        ),
        head=Head(classifier="conv"),
        num_classes=num_classes,
        norm=None,
    )


MODELS = entries("NiN", PAPER, ("nin_cifar", nin_cifar, Published(89.59, "arXiv 1312.4400, table 1, no augmentation")))
