"""ShuffleNet: Zhang et al. 2018, "An Extremely Efficient CNN for Mobile Devices", arXiv 1707.01083, table 1."""

from __future__ import annotations

from functools import partial

from naslab.arch import ArchSpec, ConvBlock, Head, PoolBlock, ShuffleUnit, Stage
from naslab.errors import SpecError
from naslab.zoo.entry import Paper, Published, Resolution, entries, image_shape

PAPER = Paper("ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices", 2017, "1707.01083")
WIDTHS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}
"""Channels of stage 2 by the number of groups; every later stage has twice as many (table 1)."""
REPEATS = (4, 8, 4)


def stem_stages(width: int = 24) -> tuple[Stage, ...]:
    """The first layers of both ShuffleNets, `width` wide: a quarter of the resolution."""
    return (
        Stage(block=ConvBlock(kernel=3), width=width, stride=2),
        Stage(block=PoolBlock(kind="max", kernel=3), stride=2),
    )


def shufflenet(
    groups: int = 3,
    width: float = 1.0,
    num_classes: int = 1000,
    resolution: Resolution = 224,
    in_channels: int = 3,
) -> ArchSpec:
    """ShuffleNet with `groups` groups, the stages' channels times `width` (the paper's s).

    As released, the first layer keeps its 24 channels below s = 2, and the classifier has no bias. The very first 1x1
    convolution is not grouped, its input has few channels only (section 3.3). Raises `SpecError` for a number of groups
    that the paper does not have.
    """
    if groups not in WIDTHS:
        raise SpecError("groups", f"must be one of {', '.join(map(str, WIDTHS))}, got {groups}")
    unit = ShuffleUnit(groups=groups)
    stages: list[Stage] = []
    for index, repeats in enumerate(REPEATS):
        channels = round(WIDTHS[groups] * width * 2**index)
        first = ShuffleUnit(groups=groups, reduce_groups=1) if index == 0 and groups > 1 else unit
        stages += [
            Stage(block=first, width=channels, stride=2),
            Stage(block=unit, width=channels, repeats=repeats - 1),
        ]
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=stem_stages(24 * int(width) if width >= 1 else max(1, int(24 * width))),
        stages=tuple(stages),
        head=Head(bias=False),
        num_classes=num_classes,
    )


MODELS = entries(
    "ShuffleNet",
    PAPER,
    ("shufflenet_x1_0_g3", partial(shufflenet, 3), Published(67.4, "arXiv 1707.01083, table 2")),
    ("shufflenet_x1_0_g8", partial(shufflenet, 8), Published(67.6, "arXiv 1707.01083, table 2")),
    ("shufflenet_x1_5_g3", partial(shufflenet, 3, 1.5), Published(71.5, "arXiv 1707.01083, table 5")),
    ("shufflenet_x2_0_g3", partial(shufflenet, 3, 2.0), Published(73.7, "arXiv 1707.01083, table 5")),
)
