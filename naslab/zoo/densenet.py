"""DenseNet: Huang et al. 2017, "Densely Connected Convolutional Networks", arXiv 1608.06993, tables 1 and 2."""

from __future__ import annotations

from functools import partial

from naslab.arch import ArchSpec, ConvBlock, DenseLayer, Head, PoolBlock, Stage, Transition
from naslab.errors import SpecError
from naslab.zoo.entry import TORCHVISION, Paper, Published, Resolution, entries, image_shape

PAPER = Paper("Densely Connected Convolutional Networks", 2016, "1608.06993")
REPEATS = {121: (6, 12, 24, 16), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32), 161: (6, 12, 36, 24)}
"""Layers of the four dense stages (table 1)."""


def densenet_imagenet(
    depth: int,
    growth: int = 32,
    num_classes: int = 1000,
    resolution: Resolution = 224,
    in_channels: int = 3,
) -> ArchSpec:
    """DenseNet-BC of `depth` weighted layers for ImageNet (table 1).

    Each layer adds `growth` channels: 48 in DenseNet-161, 32 in the others. Raises `SpecError` for a depth that the
    paper does not have.
    """
    if depth not in REPEATS:
        raise SpecError("depth", f"must be one of {', '.join(map(str, REPEATS))}, got {depth}")
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=(
            Stage(block=ConvBlock(kernel=7), width=2 * growth, stride=2),
            Stage(block=PoolBlock(kind="max", kernel=3), stride=2),
        ),
        stages=_dense_stages(DenseLayer(growth=growth), REPEATS[depth], Transition()),
        head=Head(norm=True),
        num_classes=num_classes,
    )


def densenet(
    growth: int,
    depth: int,
    compression: float = 1.0,
    bottleneck: bool | None = None,
    dropout: float = 0.0,
    num_classes: int = 10,
    resolution: Resolution = 32,
    in_channels: int = 3,
) -> ArchSpec:
    """DenseNet of `depth` weighted layers for CIFAR (section 3), three stages of equal length.

    Each layer adds `growth` channels; transitions keep the share `compression` of them. With less than 1 the layers
    have bottlenecks unless `bottleneck` says otherwise: DenseNet-BC (table 2). `dropout` is the rate behind each layer
    and transition. Raises `SpecError` where depth is not 3n + 4, or 6n + 4 with bottlenecks.

    >>> from naslab.arch import cost
    >>> cost(densenet(growth=12, depth=100, compression=0.5)).params
    769162
    """
    has_bottleneck = compression < 1 if bottleneck is None else bottleneck
    step = 6 if has_bottleneck else 3
    if depth < step + 4 or (depth - 4) % step:
        raise SpecError("depth", f"must be {step}n + 4 with n at least 1, got {depth}")
    layer = DenseLayer(growth=growth, bottleneck=4.0 if has_bottleneck else None, dropout=dropout)
    stem = ConvBlock(kernel=3, norm=False, activation="none", bias=False)
    return ArchSpec(
        input=image_shape(resolution, in_channels),
        stem=(Stage(block=stem, width=2 * growth if compression < 1 else 16),),
        stages=_dense_stages(layer, ((depth - 4) // step,) * 3, Transition(compression=compression, dropout=dropout)),
        head=Head(norm=True),
        num_classes=num_classes,
    )


def _dense_stages(layer: DenseLayer, repeats: tuple[int, ...], transition: Transition) -> tuple[Stage, ...]:
    stages: list[Stage] = []
    for count in repeats:
        stages += [Stage(block=layer, repeats=count), Stage(block=transition, stride=2)]
    return tuple(stages[:-1])


CIFAR = "arXiv 1608.06993, table 2, C10+"
MODELS = entries(
    "DenseNet",
    PAPER,
    ("densenet121", partial(densenet_imagenet, 121), Published(74.434, TORCHVISION)),
    ("densenet161", partial(densenet_imagenet, 161, 48), Published(77.138, TORCHVISION)),
    ("densenet169", partial(densenet_imagenet, 169), Published(75.600, TORCHVISION)),
    ("densenet201", partial(densenet_imagenet, 201), Published(76.896, TORCHVISION)),
    ("densenet_40_12", partial(densenet, 12, 40), Published(94.76, CIFAR)),
    ("densenet_100_12", partial(densenet, 12, 100), Published(95.90, CIFAR)),
    ("densenet_bc_100_12", partial(densenet, 12, 100, 0.5), Published(95.49, CIFAR)),
    ("densenet_bc_250_24", partial(densenet, 24, 250, 0.5), Published(96.38, CIFAR)),
    ("densenet_bc_190_40", partial(densenet, 40, 190, 0.5), Published(96.54, CIFAR)),
)
