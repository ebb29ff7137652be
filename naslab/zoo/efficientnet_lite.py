"""EfficientNet-Lite: Liu 2020, "Higher accuracy on vision models with EfficientNet-Lite", and its released code.

EfficientNet without squeeze-excite and with ReLU6, so that 8 bits hold it; stem, head, and the depths of the first and
the last stage are not scaled.
"""

from __future__ import annotations

import math
from functools import partial

from naslab.arch import ArchSpec, ConvBlock, Head, InvertedBottleneck, Stage, StochasticDepth, round_width
from naslab.zoo.efficientnet import B0_STAGES, LARGE_NORM
from naslab.zoo.entry import Paper, Published, Resolution, entries, image_shape

PAPER = Paper("Higher accuracy on vision models with EfficientNet-Lite", 2020)
SOURCE = "released code, tensorflow/tpu, efficientnet/lite"

COEFFICIENTS = {
    # width, depth, resolution, dropout (released code, efficientnet_lite_builder.py)
    "lite0": (1.0, 1.0, 224, 0.2),
    "lite1": (1.0, 1.1, 240, 0.2),
    "lite2": (1.1, 1.2, 260, 0.3),
    "lite3": (1.2, 1.4, 280, 0.3),
    "lite4": (1.4, 1.8, 300, 0.3),
}


def efficientnet_lite(
    width: float = 1.0,
    depth: float = 1.0,
    dropout: float = 0.2,
    num_classes: int = 1000,
    resolution: Resolution = 224,
    in_channels: int = 3,
) -> ArchSpec:
    """EfficientNet-Lite0 with widths times `width` (to multiples of 8) and repeats times `depth` (rounded up).

    The stem's 32 and the head's 1280 channels stay, and so do the repeats of the first and the last stage. `dropout` is
    the rate before the classifier.
    """
    last = len(B0_STAGES) - 1
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=(Stage(block=ConvBlock(kernel=3), width=32, stride=2),),
        stages=tuple(
            Stage(
                block=InvertedBottleneck(kernel=kernel, expansion=expansion),
                width=round_width(out * width),
                repeats=repeats if index in (0, last) else math.ceil(repeats * depth),
                stride=stride,
            )
            for index, (expansion, kernel, stride, out, repeats) in enumerate(B0_STAGES)
        ),
        head=Head(width=1280, dropout=dropout),
        num_classes=num_classes,
        norm=LARGE_NORM,
        activation="relu6",
        stochastic_depth=StochasticDepth(rate=0.2),
    )


def efficientnet_lite_of(variant: str) -> ArchSpec:
    """The released EfficientNet-Lite of a `variant`, `lite0` to `lite4`."""
    width, depth, resolution, dropout = COEFFICIENTS[variant]
    return efficientnet_lite(width, depth, dropout, resolution=resolution)


_TOP1 = {"lite0": 75.1, "lite1": 76.7, "lite2": 77.6, "lite3": 79.8, "lite4": 81.5}
MODELS = entries(
    "EfficientNet-Lite",
    PAPER,
    *(
        (f"efficientnet_{name}", partial(efficientnet_lite_of, name), Published(top1, SOURCE))
        for name, top1 in _TOP1.items()
    ),
)
