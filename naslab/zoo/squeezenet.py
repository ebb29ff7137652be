"""SqueezeNet: Iandola et al. 2016, arXiv 1602.07360, table 1; 1.1 is the released successor."""

from __future__ import annotations

from functools import partial
from typing import Literal

from naslab.arch import ArchSpec, ConvBlock, Fire, Head, PoolBlock, Stage
from naslab.errors import UnknownNameError
from naslab.zoo.entry import TORCHVISION, Paper, Published, Resolution, entries, image_shape

PAPER = Paper("SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size", 2016, "1602.07360")
SQUEEZE_AND_WIDTH = ((16, 128), (16, 128), (32, 256), (32, 256), (48, 384), (48, 384), (64, 512), (64, 512))
POOLED_AFTER = {"1.0": (3, 7), "1.1": (2, 4)}
"""The fire modules behind which a pooling layer stands, from 1."""


def squeezenet(
    version: Literal["1.0", "1.1"] = "1.0",
    num_classes: int = 1000,
    resolution: Resolution = 224,
    in_channels: int = 3,
) -> ArchSpec:
    """Eight fire modules behind 96 filters of 7 x 7 (`version` 1.0), or behind 64 of 3 x 3 and pooled earlier (1.1).

    Raises `UnknownNameError` for another version.
    """
    if version not in POOLED_AFTER:
        raise UnknownNameError("SqueezeNet version", version, POOLED_AFTER)
    kernel, width = (7, 96) if version == "1.0" else (3, 64)
    pool = Stage(block=PoolBlock(kind="max", kernel=3, padding=0, ceil=True), stride=2)
    stages: list[Stage] = []
    for number, (squeeze, out) in enumerate(SQUEEZE_AND_WIDTH, start=1):
        stages.append(Stage(block=Fire(squeeze=squeeze), width=out))
        if number in POOLED_AFTER[version]:
            stages.append(pool)
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=(Stage(block=ConvBlock(kernel=kernel, padding=0), width=width, stride=2), pool),
        stages=tuple(stages),
        head=Head(classifier="conv", dropout=0.5),
        num_classes=num_classes,
        norm=None,
    )


MODELS = entries(
    "SqueezeNet",
    PAPER,
    ("squeezenet1_0", partial(squeezenet, "1.0"), Published(58.092, TORCHVISION)),
    ("squeezenet1_1", partial(squeezenet, "1.1"), Published(58.178, TORCHVISION)),
)
