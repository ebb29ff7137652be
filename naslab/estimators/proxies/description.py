"""Proxies of the description alone: costs, depth, the number of blocks. No torch here."""

from __future__ import annotations

from collections.abc import Callable

from naslab.arch import ArchSpec, cost
from naslab.arch.blocks.convolution import Skip
from naslab.arch.reach import reach
from naslab.metrics import ACTIVATIONS, MACS, PARAMS

DESCRIPTIONS: dict[str, Callable[[ArchSpec], int]] = {
    PARAMS.name: lambda arch: cost(arch).params,
    MACS.name: lambda arch: cost(arch).macs,
    ACTIVATIONS.name: lambda arch: cost(arch).activations,
    "depth": lambda arch: reach(arch).depth,
    "layers": lambda arch: num_layers(arch),
}


def described(name: str, arch: ArchSpec) -> float:
    """A proxy of a network's description."""
    return float(DESCRIPTIONS[name](arch))


def num_layers(arch: ArchSpec) -> int:
    """The blocks of the stages that are no identity, nor the 1x1 convolution that stands for one where shapes change.

    >>> from naslab.space import load_space
    >>> from naslab.space.nas_bench_macro import nas_bench_macro_genome
    >>> num_layers(load_space("nas_bench_macro").decode(nas_bench_macro_genome("01200112")))
    5
    """
    return sum(stage.repeats for stage in arch.stages if not isinstance(stage.block, Skip))
