"""EfficientNetV2: Tan and Le 2021, "Smaller Models and Faster Training", arXiv 2104.00298, table 4; released code."""

from __future__ import annotations

import math
from functools import partial
from typing import Literal, TypeAlias

from naslab.arch import ArchSpec, ConvBlock, FusedMBConv, Head, MBConv, NormStyle, Stage, StochasticDepth, round_width
from naslab.errors import UnknownNameError
from naslab.zoo.entry import Paper, Published, Resolution, entries, image_shape

PAPER = Paper("EfficientNetV2: Smaller Models and Faster Training", 2021, "2104.00298")

Row: TypeAlias = tuple[type[FusedMBConv] | type[MBConv], float, int, int, int]
"""Block, expansion, stride, width, repeats."""

ROWS: dict[str, tuple[Row, ...]] = {
    "s": (
        (FusedMBConv, 1, 1, 24, 2),
        (FusedMBConv, 4, 2, 48, 4),
        (FusedMBConv, 4, 2, 64, 4),
        (MBConv, 4, 2, 128, 6),
        (MBConv, 6, 1, 160, 9),
        (MBConv, 6, 2, 256, 15),
    ),
    "m": (
        (FusedMBConv, 1, 1, 24, 3),
        (FusedMBConv, 4, 2, 48, 5),
        (FusedMBConv, 4, 2, 80, 5),
        (MBConv, 4, 2, 160, 7),
        (MBConv, 6, 1, 176, 14),
        (MBConv, 6, 2, 304, 18),
        (MBConv, 6, 1, 512, 5),
    ),
    "l": (
        (FusedMBConv, 1, 1, 32, 4),
        (FusedMBConv, 4, 2, 64, 7),
        (FusedMBConv, 4, 2, 96, 7),
        (MBConv, 4, 2, 192, 10),
        (MBConv, 6, 1, 224, 19),
        (MBConv, 6, 2, 384, 25),
        (MBConv, 6, 1, 640, 7),
    ),
    "xl": (
        (FusedMBConv, 1, 1, 32, 4),
        (FusedMBConv, 4, 2, 64, 8),
        (FusedMBConv, 4, 2, 96, 8),
        (MBConv, 4, 2, 192, 16),
        (MBConv, 6, 1, 256, 24),
        (MBConv, 6, 2, 512, 32),
        (MBConv, 6, 1, 640, 8),
    ),
    "b0": (
        (FusedMBConv, 1, 1, 16, 1),
        (FusedMBConv, 4, 2, 32, 2),
        (FusedMBConv, 4, 2, 48, 2),
        (MBConv, 4, 2, 96, 3),
        (MBConv, 6, 1, 112, 5),
        (MBConv, 6, 2, 192, 8),
    ),
}
RESOLUTION_AND_DROPOUT = {"s": (384, 0.2), "m": (480, 0.3), "l": (480, 0.4), "xl": (512, 0.4)}
COEFFICIENTS = {"b0": (1.0, 1.0, 224), "b1": (1.0, 1.1, 240), "b2": (1.1, 1.2, 260), "b3": (1.2, 1.4, 300)}
"""Width, depth and resolution of the small family that scales B0."""


def efficientnet_v2(
    size: Literal["s", "m", "l", "xl", "b0"] = "s",
    width: float = 1.0,
    depth: float = 1.0,
    dropout: float = 0.2,
    num_classes: int = 1000,
    resolution: Resolution = 384,
    in_channels: int = 3,
) -> ArchSpec:
    """EfficientNetV2 of a `size`, with widths times `width` (to the nearest multiple of 8) and repeats times `depth`.

    `dropout` is the rate before the classifier. Raises `UnknownNameError` for another size.
    """
    if size not in ROWS:
        raise UnknownNameError("EfficientNetV2 size", size, ROWS)
    rows = ROWS[size]
    scaled = partial(_nearest_multiple_of_8, width)
    stem = 32 if size == "b0" else rows[0][3]
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=(Stage(block=ConvBlock(kernel=3), width=scaled(stem), stride=2),),
        stages=tuple(
            Stage(
                block=block(expansion=expansion), width=scaled(out), repeats=math.ceil(repeats * depth), stride=stride
            )
            for block, expansion, stride, out, repeats in rows
        ),
        head=Head(width=scaled(1280), dropout=dropout),
        num_classes=num_classes,
        norm=NormStyle(eps=1e-3),
        activation="silu",
        stochastic_depth=StochasticDepth(rate=0.2),
    )


def _nearest_multiple_of_8(factor: float, width: int) -> int:
    return round_width(width * factor, guard=0)


def _large(size: Literal["s", "m", "l", "xl"]) -> ArchSpec:
    resolution, dropout = RESOLUTION_AND_DROPOUT[size]
    return efficientnet_v2(size, dropout=dropout, resolution=resolution)


def _small(variant: str) -> ArchSpec:
    width, depth, resolution = COEFFICIENTS[variant]
    return efficientnet_v2("b0", width, depth, resolution=resolution)


MODELS = entries(
    "EfficientNetV2",
    PAPER,
    ("efficientnet_v2_s", partial(_large, "s"), Published(83.9, "arXiv 2104.00298, table 7")),
    ("efficientnet_v2_m", partial(_large, "m"), Published(85.1, "arXiv 2104.00298, table 7")),
    ("efficientnet_v2_l", partial(_large, "l"), Published(85.7, "arXiv 2104.00298, table 7")),
    ("efficientnet_v2_xl", partial(_large, "xl"), None),
    ("efficientnet_v2_b0", partial(_small, "b0"), Published(78.7, "released models of arXiv 2104.00298")),
    ("efficientnet_v2_b1", partial(_small, "b1"), Published(79.8, "released models of arXiv 2104.00298")),
    ("efficientnet_v2_b2", partial(_small, "b2"), Published(80.5, "released models of arXiv 2104.00298")),
    ("efficientnet_v2_b3", partial(_small, "b3"), Published(82.1, "released models of arXiv 2104.00298")),
)
