"""EfficientNet: Tan and Le 2019, "Rethinking Model Scaling for Convolutional Neural Networks", arXiv 1905.11946."""

from __future__ import annotations

import math
from functools import partial

from naslab.arch import ArchSpec, ConvBlock, Head, MBConv, NormStyle, Stage, StochasticDepth, round_width
from naslab.zoo.entry import Paper, Published, Resolution, entries, image_shape

PAPER = Paper("EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019, "1905.11946")

B0_STAGES = (
    # expansion, kernel, stride, width, repeats (table 1)
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
COEFFICIENTS = {
    # width, depth, resolution, dropout (released code, efficientnet_builder.py)
    "b0": (1.0, 1.0, 224, 0.2),
    "b1": (1.0, 1.1, 240, 0.2),
    "b2": (1.1, 1.2, 260, 0.3),
    "b3": (1.2, 1.4, 300, 0.3),
    "b4": (1.4, 1.8, 380, 0.4),
    "b5": (1.6, 2.2, 456, 0.4),
    "b6": (1.8, 2.6, 528, 0.5),
    "b7": (2.0, 3.1, 600, 0.5),
}
LARGE_NORM = NormStyle(eps=1e-3, momentum=0.01)
"""The normalisation of the released code, which torchvision's weights keep from B5 on."""


def efficientnet(
    width: float = 1.0,
    depth: float = 1.0,
    dropout: float = 0.2,
    norm: NormStyle = NormStyle(),  # noqa: B008  (it never changes)
    num_classes: int = 1000,
    resolution: Resolution = 224,
    in_channels: int = 3,
) -> ArchSpec:
    """EfficientNet-B0 with widths times `width` (to multiples of 8) and repeats times `depth` (rounded up).

    `dropout` is the rate before the classifier, `norm` the normalisation of all blocks.
    """
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=(Stage(block=ConvBlock(kernel=3), width=round_width(32 * width), stride=2),),
        stages=tuple(
            Stage(
                block=MBConv(kernel=kernel, expansion=expansion),
                width=round_width(out * width),
                repeats=math.ceil(repeats * depth),
                stride=stride,
            )
            for expansion, kernel, stride, out, repeats in B0_STAGES
        ),
        head=Head(width=round_width(1280 * width), dropout=dropout),
        num_classes=num_classes,
        norm=norm,
        activation="silu",
        stochastic_depth=StochasticDepth(rate=0.2),
    )


def efficientnet_b(variant: str) -> ArchSpec:
    """The released EfficientNet of a `variant`, `b0` to `b7`."""
    width, depth, resolution, dropout = COEFFICIENTS[variant]
    norm = NormStyle() if variant in ("b0", "b1", "b2", "b3", "b4") else LARGE_NORM
    return efficientnet(width, depth, dropout, norm, resolution=resolution)


_TOP1 = {"b0": 77.1, "b1": 79.1, "b2": 80.1, "b3": 81.6, "b4": 82.9, "b5": 83.6, "b6": 84.0, "b7": 84.3}
MODELS = entries(
    "EfficientNet",
    PAPER,
    *(
        (f"efficientnet_{name}", partial(efficientnet_b, name), Published(top1, "arXiv 1905.11946, table 2"))
        for name, top1 in _TOP1.items()
    ),
)
