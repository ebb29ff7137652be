"""ZFNet: Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", arXiv 1311.2901, figure 3."""

from __future__ import annotations

from naslab.arch import ArchSpec, ConvBlock, Head, LocalNormBlock, PoolBlock, Stage
from naslab.zoo.entry import Paper, Published, Resolution, entries, image_shape

PAPER = Paper("Visualizing and Understanding Convolutional Networks", 2013, "1311.2901")


def zfnet(num_classes: int = 1000, resolution: Resolution = 224, in_channels: int = 3) -> ArchSpec:
    """AlexNet with 7 x 7 filters of stride 2 in the first layer, 5 x 5 of stride 2 in the second, and no towers.

    Contrast normalisation is local response normalisation, as in the released re-implementations.
    """
    pool = Stage(block=PoolBlock(kind="max", kernel=3, padding=1), stride=2)
    contrast = Stage(block=LocalNormBlock())
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stages=(
            Stage(block=ConvBlock(kernel=7, padding=1), width=96, stride=2),
            pool,
            contrast,
            Stage(block=ConvBlock(kernel=5, padding=0), width=256, stride=2),
            pool,
            contrast,
            Stage(block=ConvBlock(kernel=3), width=384, repeats=2),
            Stage(block=ConvBlock(kernel=3), width=256),
            Stage(block=PoolBlock(kind="max", kernel=3, padding=0), stride=2),
        ),
        head=Head(pool_size=(6, 6), hidden=(4096, 4096), dropout=0.5),
        num_classes=num_classes,
        norm=None,
    )


MODELS = entries("ZFNet", PAPER, ("zfnet", zfnet, Published(61.6, "arXiv 1311.2901, table 2, one network")))
