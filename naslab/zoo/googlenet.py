"""GoogLeNet: Szegedy et al. 2015, "Going Deeper with Convolutions", arXiv 1409.4842, table 1."""

from __future__ import annotations

from naslab.arch import (
    ArchSpec,
    AuxiliaryHead,
    BranchWidths,
    ConvBlock,
    Head,
    Inception,
    LocalNormBlock,
    PoolBlock,
    Stage,
)
from naslab.zoo.entry import Paper, Published, Resolution, entries, image_shape

PAPER = Paper("Going Deeper with Convolutions", 2014, "1409.4842")
HALVE = Stage(block=PoolBlock(kind="max", kernel=3, padding=0, ceil=True), stride=2)
LOCAL_NORM = Stage(block=LocalNormBlock(size=5, alpha=1e-4, beta=0.75, k=1.0))
CELLS = {
    # 1x1, 3x3 reduced, 3x3, 5x5 reduced, 5x5, pooled (table 1)
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def googlenet(num_classes: int = 1000, resolution: Resolution = 224, in_channels: int = 3) -> ArchSpec:
    """GoogLeNet as published: 5x5 filters, no batch normalisation, two auxiliary classifiers in training."""
    cells = {name: Stage(block=_cell(*widths)) for name, widths in CELLS.items()}
    groups = [[stage for name, stage in cells.items() if name.startswith(level)] for level in "345"]
    stages = (*groups[0], HALVE, *groups[1], HALVE, *groups[2])
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=(
            Stage(block=ConvBlock(kernel=7), width=64, stride=2),
            HALVE,
            LOCAL_NORM,
            Stage(block=ConvBlock(kernel=1), width=64),
            Stage(block=ConvBlock(kernel=3), width=192),
            LOCAL_NORM,
            HALVE,
        ),
        stages=stages,
        head=Head(dropout=0.4),
        num_classes=num_classes,
        norm=None,
        auxiliary=tuple(_auxiliary(stages.index(cells[name])) for name in ("4a", "4d")),
    )


def _cell(one: int, reduce_three: int, three: int, reduce_five: int, five: int, pool: int) -> Inception:
    return Inception(
        widths=BranchWidths(
            one=one, reduce_three=reduce_three, three=three, reduce_five=reduce_five, five=five, pool=pool
        )
    )


def _auxiliary(after: int) -> AuxiliaryHead:
    """Average pooling, 128 1x1 filters, 1024 hidden units, 70 % dropout (section 5)."""
    return AuxiliaryHead(
        after=after,
        stages=(
            Stage(block=PoolBlock(kind="avg", kernel=5, padding=0), stride=3),
            Stage(block=ConvBlock(kernel=1), width=128),
        ),
        head=Head(pool_size=(4, 4), hidden=(1024,), dropout=0.7),
        weight=0.3,
    )


MODELS = entries(
    "GoogLeNet",
    PAPER,
    ("googlenet", googlenet, Published(68.7, "Caffe's released weights, one central crop")),
)
