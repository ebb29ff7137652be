"""Deep Networks with Stochastic Depth: Huang et al. 2016, arXiv 1603.09382, section 3 and table 1."""

from __future__ import annotations

from functools import partial
from typing import Literal

import msgspec

from naslab.arch import ArchSpec, StochasticDepth
from naslab.zoo.entry import Paper, Published, Resolution, entries
from naslab.zoo.resnet import resnet_cifar

PAPER = Paper("Deep Networks with Stochastic Depth", 2016, "1603.09382")


def stochastic_depth_resnet(
    depth: int = 110,
    rate: float = 0.5,
    rule: Literal["linear", "uniform"] = "linear",
    num_classes: int = 10,
    resolution: Resolution = 32,
    in_channels: int = 3,
) -> ArchSpec:
    """ResNet-`depth` for CIFAR whose blocks are dropped in training.

    Under the `rule` `linear` (equation 4) the last block is dropped with probability `rate` and block l of L with l / L
    of it; under `uniform` every block is dropped with probability `rate`. Raises `SpecError` where depth is not 6n + 2.
    """
    plain = resnet_cifar(depth, num_classes=num_classes, resolution=resolution, in_channels=in_channels)
    return msgspec.structs.replace(plain, stochastic_depth=StochasticDepth(rate=rate, rule=rule))


MODELS = entries(
    "Stochastic depth",
    PAPER,
    (
        "stochastic_depth_resnet110_cifar",
        partial(stochastic_depth_resnet, 110),
        Published(94.77, "arXiv 1603.09382, table 1"),
    ),
    ("stochastic_depth_resnet110_uniform_cifar", partial(stochastic_depth_resnet, 110, rule="uniform"), None),
    (
        "stochastic_depth_resnet1202_cifar",
        partial(stochastic_depth_resnet, 1202),
        Published(95.09, "arXiv 1603.09382, abstract"),
    ),
)
