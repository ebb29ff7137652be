"""Pre-activation ResNet: He et al. 2016, "Identity Mappings in Deep Residual Networks", arXiv 1603.05027."""

from __future__ import annotations

from functools import partial

from naslab.arch import ArchSpec, ConvBlock, Head, PoolBlock, PreactResidual, Stage
from naslab.errors import SpecError
from naslab.zoo.entry import Paper, Published, Resolution, entries, image_shape

PAPER = Paper("Identity Mappings in Deep Residual Networks", 2016, "1603.05027")
REPEATS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3), 200: (3, 24, 36, 3)}
"""Blocks of the four stages; ResNet-200 is of the paper's appendix."""


def preact_resnet(
    depth: int,
    num_classes: int = 1000,
    resolution: Resolution = 224,
    in_channels: int = 3,
) -> ArchSpec:
    """The bottleneck network of `depth` weighted layers for ImageNet with norm and activation before each convolution.

    Raises `SpecError` for a depth that ResNets do not have.
    """
    if depth not in REPEATS:
        raise SpecError("depth", f"must be one of {', '.join(map(str, REPEATS))}, got {depth}")
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=(
            Stage(block=ConvBlock(kernel=7), width=64, stride=2),
            Stage(block=PoolBlock(kind="max", kernel=3), stride=2),
        ),
        stages=tuple(
            Stage(
                block=PreactResidual(ratio=0.25, first_norm=index > 0),
                width=256 * 2**index,
                repeats=repeats,
                stride=1 if index == 0 else 2,
            )
            for index, repeats in enumerate(REPEATS[depth])
        ),
        head=Head(norm=True),
        num_classes=num_classes,
    )


def preact_resnet_cifar(
    depth: int,
    num_classes: int = 10,
    resolution: Resolution = 32,
    in_channels: int = 3,
) -> ArchSpec:
    """The network of `depth` weighted layers for CIFAR.

    Basic blocks for 6n + 2 layers below 164, such as 110; bottlenecks for 9n + 2, such as 164 and 1001. Raises
    `SpecError` for other depths.
    """
    is_basic = depth % 6 == 2 and depth < 164
    layers = 6 if is_basic else 9
    if depth < 11 or depth % layers != 2:
        raise SpecError("depth", f"must be 6n + 2 (basic blocks, below 164) or 9n + 2 (bottlenecks), got {depth}")
    block = PreactResidual() if is_basic else PreactResidual(ratio=0.25, stride_first=True)
    width = 16 if is_basic else 64
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=(Stage(block=ConvBlock(kernel=3, norm=False, activation="none"), width=16),),
        stages=tuple(
            Stage(block=block, width=width * 2**index, repeats=depth // layers, stride=1 if index == 0 else 2)
            for index in range(3)
        ),
        head=Head(norm=True),
        num_classes=num_classes,
    )


MODELS = entries(
    "Pre-activation ResNet",
    PAPER,
    ("preact_resnet50", partial(preact_resnet, 50), None),
    ("preact_resnet101", partial(preact_resnet, 101), None),
    ("preact_resnet152", partial(preact_resnet, 152), Published(78.9, "arXiv 1603.05027, table 5", resolution=320)),
    ("preact_resnet200", partial(preact_resnet, 200), Published(79.3, "arXiv 1603.05027, table 5", resolution=320)),
    ("preact_resnet110_cifar", partial(preact_resnet_cifar, 110), Published(93.63, "arXiv 1603.05027, table 2")),
    ("preact_resnet164_cifar", partial(preact_resnet_cifar, 164), Published(94.54, "arXiv 1603.05027, table 4")),
    ("preact_resnet1001_cifar", partial(preact_resnet_cifar, 1001), Published(95.08, "arXiv 1603.05027, table 4")),
)
