"""MobileNets: Howard et al. 2017, arXiv 1704.04861, table 1, and its twin of full convolutions (table 4)."""

from __future__ import annotations

from functools import partial

from naslab.arch import ArchSpec, ConvBlock, DepthwiseSeparable, Stage
from naslab.arch.block import require_positive
from naslab.zoo.entry import Paper, Published, Resolution, entries, image_shape

PAPER = Paper("MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications", 2017, "1704.04861")
STAGES = (
    # width, repeats, stride (table 1)
    (64, 1, 1),
    (128, 1, 2),
    (128, 1, 1),
    (256, 1, 2),
    (256, 1, 1),
    (512, 1, 2),
    (512, 5, 1),
    (1024, 1, 2),
    (1024, 1, 1),
)


def mobilenet_v1(
    width: float = 1.0,
    num_classes: int = 1000,
    resolution: Resolution = 224,
    in_channels: int = 3,
) -> ArchSpec:
    """MobileNet with every width times `width` (the paper's alpha), rounded down."""
    return _mobilenet(DepthwiseSeparable(), width, num_classes, resolution, in_channels)


def conv_mobilenet(
    width: float = 1.0,
    num_classes: int = 1000,
    resolution: Resolution = 224,
    in_channels: int = 3,
) -> ArchSpec:
    """MobileNet with full 3x3 convolutions in place of separable ones (table 4), widths times `width`."""
    return _mobilenet(ConvBlock(kernel=3), width, num_classes, resolution, in_channels)


def _mobilenet(
    block: DepthwiseSeparable | ConvBlock, width: float, num_classes: int, resolution: Resolution, in_channels: int
) -> ArchSpec:
    require_positive(float(width), "width")
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=(Stage(block=ConvBlock(kernel=3), width=max(1, int(32 * width)), stride=2),),
        stages=tuple(
            Stage(block=block, width=max(1, int(out * width)), repeats=repeats, stride=stride)
            for out, repeats, stride in STAGES
        ),
        num_classes=num_classes,
    )


MODELS = entries(
    "MobileNetV1",
    PAPER,
    ("mobilenet_v1", mobilenet_v1, Published(70.6, "arXiv 1704.04861, table 4")),
    ("mobilenet_v1_075", partial(mobilenet_v1, 0.75), Published(68.4, "arXiv 1704.04861, table 6")),
    ("mobilenet_v1_050", partial(mobilenet_v1, 0.5), Published(63.7, "arXiv 1704.04861, table 6")),
    ("mobilenet_v1_025", partial(mobilenet_v1, 0.25), Published(50.6, "arXiv 1704.04861, table 6")),
    ("conv_mobilenet", conv_mobilenet, Published(71.7, "arXiv 1704.04861, table 4")),
)
