"""Wide Residual Networks: Zagoruyko and Komodakis 2016, arXiv 1605.07146, tables 1, 5 and 8."""

from __future__ import annotations

from functools import partial

import msgspec

from naslab.arch import ArchSpec, Bottleneck, ConvBlock, Head, PreactResidual, Stage
from naslab.errors import SpecError
from naslab.zoo.entry import TORCHVISION, Paper, Published, Resolution, entries, image_shape
from naslab.zoo.resnet import REPEATS, four_stages, resnet

PAPER = Paper("Wide Residual Networks", 2016, "1605.07146")


def wide_resnet(
    depth: int,
    widen: float,
    dropout: float = 0.0,
    num_classes: int = 10,
    resolution: Resolution = 32,
    in_channels: int = 3,
) -> ArchSpec:
    """WRN-`depth`-`widen` for CIFAR (table 1): pre-activation blocks, `widen` times ResNet's widths, 6n + 4 layers.

    `dropout` is the rate between the two convolutions of a block. Raises `SpecError` for another depth.
    """
    if depth < 10 or depth % 6 != 4:
        raise SpecError("depth", f"must be 6n + 4 with n at least 1, got {depth}")
    block = PreactResidual(dropout=dropout)
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=(Stage(block=ConvBlock(kernel=3, norm=False, activation="none"), width=16),),
        stages=tuple(
            Stage(block=block, width=round(width * widen), repeats=depth // 6, stride=1 if width == 16 else 2)
            for width in (16, 32, 64)
        ),
        head=Head(norm=True),
        num_classes=num_classes,
    )


def wide_resnet_imagenet(
    depth: int,
    widen: int = 2,
    num_classes: int = 1000,
    resolution: Resolution = 224,
    in_channels: int = 3,
) -> ArchSpec:
    """WRN-`depth`-`widen`-bottleneck for ImageNet (table 8): ResNet with `widen` times as many 3x3 filters.

    Raises `SpecError` for a depth that ResNets do not have.
    """
    narrow = resnet(depth, num_classes=num_classes, resolution=resolution, in_channels=in_channels)
    return msgspec.structs.replace(narrow, stages=four_stages(Bottleneck(ratio=widen / 4), REPEATS[depth], 256))


MODELS = entries(
    "Wide ResNet",
    PAPER,
    ("wrn_16_4", partial(wide_resnet, 16, 4), Published(94.98, "arXiv 1605.07146, table 6")),
    ("wrn_16_8", partial(wide_resnet, 16, 8), Published(95.73, "arXiv 1605.07146, table 5")),
    ("wrn_22_8", partial(wide_resnet, 22, 8), Published(95.62, "arXiv 1605.07146, table 4")),
    ("wrn_28_10", partial(wide_resnet, 28, 10), Published(96.00, "arXiv 1605.07146, table 5")),
    ("wrn_40_2", partial(wide_resnet, 40, 2), Published(94.67, "arXiv 1605.07146, table 4")),
    ("wrn_40_4", partial(wide_resnet, 40, 4), Published(95.47, "arXiv 1605.07146, table 5")),
    ("wide_resnet50_2", partial(wide_resnet_imagenet, 50), Published(78.468, TORCHVISION)),
    ("wide_resnet101_2", partial(wide_resnet_imagenet, 101), Published(78.848, TORCHVISION)),
)
