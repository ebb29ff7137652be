"""ResNeXt: Xie et al. 2017, "Aggregated Residual Transformations", arXiv 1611.05431, table 1 and section 5.2."""

from __future__ import annotations

from functools import partial

import msgspec

from naslab.arch import ArchSpec, Bottleneck, ConvBlock, SqueezeExcite, Stage
from naslab.errors import SpecError
from naslab.zoo.entry import TORCHVISION, Paper, Published, Resolution, entries, image_shape
from naslab.zoo.resnet import REPEATS, four_stages, resnet

PAPER = Paper("Aggregated Residual Transformations for Deep Neural Networks", 2016, "1611.05431")


def resnext(
    depth: int,
    cardinality: int = 32,
    group_width: int = 4,
    se: SqueezeExcite | None = None,
    num_classes: int = 1000,
    resolution: Resolution = 224,
    in_channels: int = 3,
) -> ArchSpec:
    """ResNeXt-`depth` (`cardinality` x `group_width`d): the first stage filters in that many groups of that width.

    `se` gates each block. Raises `SpecError` for a depth without bottlenecks, below 50, or one that ResNets do not
    have.
    """
    plain = resnet(depth, num_classes=num_classes, resolution=resolution, in_channels=in_channels)
    if depth < 50:
        raise SpecError("depth", f"must be that of a bottleneck network, at least 50, got {depth}")
    block = Bottleneck(ratio=cardinality * group_width / 256, groups=cardinality, se=se)
    return msgspec.structs.replace(plain, stages=four_stages(block, REPEATS[depth], 256))


def resnext_cifar(
    depth: int = 29,
    cardinality: int = 8,
    group_width: int = 64,
    num_classes: int = 10,
    resolution: Resolution = 32,
    in_channels: int = 3,
) -> ArchSpec:
    """ResNeXt-`depth` for CIFAR (section 5.2): three stages of bottlenecks, 9n + 2 layers.

    The first stage filters in `cardinality` groups of `group_width` channels. Raises `SpecError` for another depth.
    """
    if depth < 11 or depth % 9 != 2:
        raise SpecError("depth", f"must be 9n + 2 with n at least 1, got {depth}")
    block = Bottleneck(ratio=cardinality * group_width / 256, groups=cardinality)
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=(Stage(block=ConvBlock(kernel=3), width=64),),
        stages=four_stages(block, (depth // 9,) * 3, 256),
        num_classes=num_classes,
    )


MODELS = entries(
    "ResNeXt",
    PAPER,
    ("resnext50_32x4d", partial(resnext, 50), Published(77.618, TORCHVISION)),
    ("resnext101_32x4d", partial(resnext, 101), Published(78.8, "arXiv 1611.05431, table 3")),
    ("resnext101_32x8d", partial(resnext, 101, 32, 8), Published(79.312, TORCHVISION)),
    ("resnext101_64x4d", partial(resnext, 101, 64, 4), Published(79.6, "arXiv 1611.05431, table 4")),
    ("resnext29_8x64d", partial(resnext_cifar, 29, 8, 64), Published(96.35, "arXiv 1611.05431, table 7")),
    ("resnext29_16x64d", partial(resnext_cifar, 29, 16, 64), Published(96.42, "arXiv 1611.05431, table 7")),
)
