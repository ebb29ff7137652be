"""MobileNetV3: Howard et al. 2019, "Searching for MobileNetV3", arXiv 1905.02244, tables 1 and 2."""

from __future__ import annotations

from functools import partial
from typing import Literal, TypeAlias

from naslab.arch import ArchSpec, ConvBlock, Head, MBConv, NormStyle, SqueezeExcite, Stage, round_width
from naslab.arch.block import require_positive
from naslab.arch.plan import Activation
from naslab.errors import UnknownNameError
from naslab.zoo.entry import Paper, Published, Resolution, entries, image_shape

PAPER = Paper("Searching for MobileNetV3", 2019, "1905.02244")
Row: TypeAlias = tuple[int, int, int, bool, Activation, int]
"""Kernel, hidden width, width, whether it has squeeze-excite, activation, stride."""

ROWS: dict[str, tuple[Row, ...]] = {
    "large": (
        (3, 16, 16, False, "relu", 1),
        (3, 64, 24, False, "relu", 2),
        (3, 72, 24, False, "relu", 1),
        (5, 72, 40, True, "relu", 2),
        (5, 120, 40, True, "relu", 1),
        (5, 120, 40, True, "relu", 1),
        (3, 240, 80, False, "hardswish", 2),
        (3, 200, 80, False, "hardswish", 1),
        (3, 184, 80, False, "hardswish", 1),
        (3, 184, 80, False, "hardswish", 1),
        (3, 480, 112, True, "hardswish", 1),
        (3, 672, 112, True, "hardswish", 1),
        (5, 672, 160, True, "hardswish", 2),
        (5, 960, 160, True, "hardswish", 1),
        (5, 960, 160, True, "hardswish", 1),
    ),
    "small": (
        (3, 16, 16, True, "relu", 2),
        (3, 72, 24, False, "relu", 2),
        (3, 88, 24, False, "relu", 1),
        (5, 96, 40, True, "hardswish", 2),
        (5, 240, 40, True, "hardswish", 1),
        (5, 240, 40, True, "hardswish", 1),
        (5, 120, 48, True, "hardswish", 1),
        (5, 144, 48, True, "hardswish", 1),
        (5, 288, 96, True, "hardswish", 2),
        (5, 576, 96, True, "hardswish", 1),
        (5, 576, 96, True, "hardswish", 1),
    ),
}
LAST_WIDTHS = {"large": (960, 1280), "small": (576, 1024)}
"""The last 1x1 convolution and the fully connected layer behind the pooling."""


def mobilenet_v3(
    size: Literal["large", "small"] = "large",
    width: float = 1.0,
    num_classes: int = 1000,
    resolution: Resolution = 224,
    in_channels: int = 3,
) -> ArchSpec:
    """MobileNetV3 of a `size`, with every width times `width`, to multiples of 8.

    Raises `UnknownNameError` for another size and `SpecError` where the factor is not above 0.
    """
    if size not in ROWS:
        raise UnknownNameError("MobileNetV3 size", size, ROWS)
    require_positive(float(width), "width")
    gate = SqueezeExcite(ratio=0.25, of="gated", divisor=8, activation="relu", gate="hardsigmoid")
    last, hidden = LAST_WIDTHS[size]
    stem = round_width(16 * width)
    stages = []
    for kernel, expanded, out, has_se, activation, stride in ROWS[size]:
        inner = round_width(expanded * width)
        block = MBConv(kernel=kernel, hidden=inner, se=gate if has_se else None, activation=activation)
        stages.append(Stage(block=block, width=round_width(out * width), stride=stride))
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=(Stage(block=ConvBlock(kernel=3), width=stem, stride=2),),
        stages=tuple(stages),
        head=Head(width=round_width(last * width), hidden=(round_width(hidden * max(1.0, width)),), dropout=0.2),
        num_classes=num_classes,
        norm=NormStyle(eps=1e-3, momentum=0.01),
        activation="hardswish",
    )


MODELS = entries(
    "MobileNetV3",
    PAPER,
    ("mobilenet_v3_large", partial(mobilenet_v3, "large"), Published(75.2, "arXiv 1905.02244, table 3")),
    ("mobilenet_v3_small", partial(mobilenet_v3, "small"), Published(67.4, "arXiv 1905.02244, table 3")),
)
