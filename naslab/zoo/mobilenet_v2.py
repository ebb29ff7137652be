"""MobileNetV2: Sandler et al. 2018, "Inverted Residuals and Linear Bottlenecks", arXiv 1801.04381, table 2."""

from __future__ import annotations

from functools import partial

from naslab.arch import ArchSpec, ConvBlock, Head, InvertedBottleneck, Stage, round_width
from naslab.arch.block import require_positive
from naslab.zoo.entry import TORCHVISION, Paper, Published, Resolution, entries, image_shape

PAPER = Paper("MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018, "1801.04381")
STAGES = (
    # expansion, width, repeats, stride (table 2)
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenet_v2(
    width: float = 1.0,
    num_classes: int = 1000,
    resolution: Resolution = 224,
    in_channels: int = 3,
) -> ArchSpec:
    """MobileNetV2 with widths times `width`, to multiples of 8; the last 1x1 layer never shrinks below 1280.

    Raises `SpecError` where the factor is not above 0.
    """
    require_positive(float(width), "width")
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=(Stage(block=ConvBlock(kernel=3), width=round_width(32 * width), stride=2),),
        stages=tuple(
            Stage(
                block=InvertedBottleneck(expansion=expansion),
                width=round_width(out * width),
                repeats=repeats,
                stride=stride,
            )
            for expansion, out, repeats, stride in STAGES
        ),
        head=Head(width=round_width(1280 * max(1.0, width)), dropout=0.2),
        num_classes=num_classes,
        activation="relu6",
    )


MODELS = entries(
    "MobileNetV2",
    PAPER,
    ("mobilenet_v2", mobilenet_v2, Published(71.878, TORCHVISION)),
    ("mobilenet_v2_140", partial(mobilenet_v2, 1.4), Published(74.7, "arXiv 1801.04381, table 4")),
)
