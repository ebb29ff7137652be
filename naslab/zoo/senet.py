"""Squeeze-and-excitation: Hu et al. 2018, arXiv 1709.01507, table 1, and the released models."""

from __future__ import annotations

from functools import partial

import msgspec

from naslab.arch import ArchSpec, Bottleneck, ConvBlock, Head, PoolBlock, SqueezeExcite, Stage
from naslab.errors import SpecError
from naslab.zoo.entry import Paper, Published, Resolution, entries, image_shape
from naslab.zoo.resnet import REPEATS, four_stages, resnet
from naslab.zoo.resnext import resnext

PAPER = Paper("Squeeze-and-Excitation Networks", 2017, "1709.01507")
POOL = Stage(block=PoolBlock(kind="max", kernel=3, padding=0, ceil=True), stride=2)


def se_resnet(
    depth: int,
    reduction: int = 16,
    num_classes: int = 1000,
    resolution: Resolution = 224,
    in_channels: int = 3,
) -> ArchSpec:
    """ResNet-`depth` of bottlenecks, strided in the first 1x1, each gated by squeeze-excite.

    The gate narrows the channels by the factor `reduction`. Raises `SpecError` for a depth without bottlenecks, below
    50.
    """
    if depth < 50:
        raise SpecError("depth", f"must be that of a bottleneck network, at least 50, got {depth}")
    plain = resnet(depth, num_classes=num_classes, resolution=resolution, in_channels=in_channels)
    block = Bottleneck(stride_first=True, se=SqueezeExcite(ratio=1 / reduction))
    return msgspec.structs.replace(plain, stem=(plain.stem[0], POOL), stages=four_stages(block, REPEATS[depth], 256))


def se_resnext(
    depth: int,
    cardinality: int = 32,
    group_width: int = 4,
    reduction: int = 16,
    num_classes: int = 1000,
    resolution: Resolution = 224,
    in_channels: int = 3,
) -> ArchSpec:
    """ResNeXt-`depth` (`cardinality` x `group_width`d), each block gated by squeeze-excite.

    The gate narrows the channels by the factor `reduction`. Raises what `resnext` raises.
    """
    se = SqueezeExcite(ratio=1 / reduction)
    plain = resnext(depth, cardinality, group_width, se, num_classes, resolution, in_channels)
    return msgspec.structs.replace(plain, stem=(plain.stem[0], POOL))


def senet154(
    reduction: int = 16,
    num_classes: int = 1000,
    resolution: Resolution = 224,
    in_channels: int = 3,
) -> ArchSpec:
    """The network that won ILSVRC 2017 (section 6.1): 64 groups, half-width reductions, 3x3 shortcuts, a deep stem.

    Its gates narrow the channels by the factor `reduction`.
    """
    block = Bottleneck(ratio=1.0, reduce_ratio=0.5, groups=64, shortcut_kernel=3, se=SqueezeExcite(ratio=1 / reduction))
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=(
            Stage(block=ConvBlock(kernel=3), width=64, stride=2),
            Stage(block=ConvBlock(kernel=3), width=64),
            Stage(block=ConvBlock(kernel=3), width=128),
            POOL,
        ),
        stages=four_stages(block, REPEATS[152], 256),
        head=Head(dropout=0.2),
        num_classes=num_classes,
    )


MODELS = entries(
    "SENet",
    PAPER,
    ("se_resnet50", partial(se_resnet, 50), Published(76.71, "arXiv 1709.01507, table 2")),
    ("se_resnet101", partial(se_resnet, 101), Published(77.62, "arXiv 1709.01507, table 2")),
    ("se_resnet152", partial(se_resnet, 152), Published(78.43, "arXiv 1709.01507, table 2")),
    ("se_resnext50_32x4d", partial(se_resnext, 50), Published(78.90, "arXiv 1709.01507, table 2")),
    ("se_resnext101_32x4d", partial(se_resnext, 101), Published(79.30, "arXiv 1709.01507, table 2")),
    ("senet154", senet154, Published(81.32, "released models of arXiv 1709.01507, 224 x 224")),
)
