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
    """The score of a network by one of `DESCRIPTIONS`, from its description alone."""
    return float(DESCRIPTIONS[name](arch))


def num_layers(arch: ArchSpec) -> int:
    """How many blocks of the stages are not `Skip`: an identity, or a 1x1 convolution where shapes change.

    >>> from naslab.space import load_space
    >>> from naslab.space.nas_bench_macro import nas_bench_macro_genome
    >>> num_layers(load_space("nas_bench_macro").decode(nas_bench_macro_genome("01200112")))
    5
    """
    return sum(stage.repeats for stage in arch.stages if not isinstance(stage.block, Skip))
