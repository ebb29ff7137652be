"""Proxies of the description alone: costs, depth, the number of blocks. No torch here."""

from __future__ import annotations

from collections.abc import Callable

from naslab.arch import ArchSpec
from naslab.arch.blocks.convolution import Skip
from naslab.arch.cost import Cost
from naslab.arch.reach import reach
from naslab.metrics import ACTIVATIONS, MACS, PARAMS

DESCRIPTIONS: dict[str, Callable[[ArchSpec, Cost], int]] = {
    PARAMS.name: lambda _, cost: cost.params,
    MACS.name: lambda _, cost: cost.macs,
    ACTIVATIONS.name: lambda _, cost: cost.activations,
    "depth": lambda arch, _: reach(arch).depth,
    "layers": lambda arch, _: num_layers(arch),
}


def described(name: str, arch: ArchSpec, cost: Cost) -> float:
    """The score of the network `arch`, which costs `cost`, by one of `DESCRIPTIONS`: from its description alone."""
    return float(DESCRIPTIONS[name](arch, cost))


def num_layers(arch: ArchSpec) -> int:
    """How many blocks of the stages are not `Skip`: an identity, or a 1x1 convolution where shapes change.

    >>> from naslab.space import load_space
    >>> from naslab.space.nas_bench_macro import nas_bench_macro_genome
    >>> num_layers(load_space("nas_bench_macro").decode(nas_bench_macro_genome("01200112")))
    5
    """
    return sum(stage.repeats for stage in arch.stages if not isinstance(stage.block, Skip))
