"""The built module leaves Python: by `torch.export` for batches of any size, by `torch.jit.trace` while torch has it.

torch warns that `torch.jit` is deprecated and that `torch.export` takes its place. Between them the networks hold the
modules that torch lacks and every combinator.
"""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from naslab.arch import (
    ArchSpec,
    Cell,
    ConvBlock,
    ConvNeXtBlock,
    DenseLayer,
    Edge,
    Fire,
    Fractal,
    Head,
    Inception,
    LocalNormBlock,
    MBConv,
    NormFreeBlock,
    NormStyle,
    Pair,
    Parallel,
    PatchConv,
    PoolBlock,
    PoolStep,
    PreactResidual,
    ResidualBlock,
    ShuffleUnit,
    SplitShuffleUnit,
    Stage,
    StochasticDepth,
    Transition,
    cost,
)
from naslab.arch.build import build

STEM = (Stage(block=ConvBlock(), width=16),)


def network(*stages: Stage, **style: object) -> ArchSpec:
    arch = {"input": (3, 16, 16), "stem": STEM, "num_classes": 10, "stochastic_depth": StochasticDepth(rate=0.2)}
    return ArchSpec(stages=stages, **(arch | style))  # type: ignore[arg-type]


EDGES = [Edge(op="separable_3x3", state=0), Edge(op="identity", state=1), Edge(op="max_pool_3x3", state=1)]
CELL = Cell(pairs=(Pair(left=EDGES[0], right=EDGES[1]), Pair(left=EDGES[2], right=EDGES[0])))
NETWORKS = {
    "inverted bottlenecks": network(Stage(block=MBConv(), width=24, stride=2)),
    "residual blocks": network(
        Stage(block=ResidualBlock(shortcut="pooled_projection"), width=24, stride=2),
        Stage(block=PreactResidual(shortcut="pad"), width=32, stride=2),
        head=Head(norm=True, hidden=(12,), dropout=0.2),
    ),
    "branches": network(
        Stage(block=Parallel(branches=((PoolStep(strided=True),), (PoolStep(kind="avg", strided=True),))), stride=2),
        Stage(block=SplitShuffleUnit(), width=48, stride=2),
        Stage(block=ShuffleUnit(groups=2), width=64, stride=2),
    ),
    "dense": network(
        Stage(block=LocalNormBlock()),
        Stage(block=DenseLayer(growth=4), repeats=2),
        Stage(block=Transition(), stride=2),
        Stage(block=PoolBlock(ceil=True), stride=2),
        head=Head(classifier="conv"),
    ),
    "layer norm": network(
        Stage(block=PatchConv(norm="before"), width=24, stride=2),
        Stage(block=ConvNeXtBlock(), repeats=2),
        norm=NormStyle(kind="layer"),
        activation="gelu",
        head=Head(norm_pooled=True),
    ),
    "standardised weights": network(
        Stage(block=NormFreeBlock(group_width=8), width=32, stride=2), norm=NormStyle(kind="weights")
    ),
    "cells": network(Stage(block=CELL, width=8, repeats=2), Stage(block=CELL, width=8, stride=2)),
    "inception and fire": network(Stage(block=Inception(), width=32), Stage(block=Fire(squeeze=4), width=32, stride=2)),
    "fractal": network(Stage(block=Fractal(columns=3), width=16, stride=2)),
}


def exported(module: torch.nn.Module, images: Tensor) -> Callable[[Tensor], Tensor]:
    """The program of a module for batches of any size, saved and loaded."""
    program = torch.export.export(module, (images,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    loaded: Callable[[Tensor], Tensor] = torch.export.load(file).module()
    return loaded


def jit_traced(module: torch.nn.Module, images: Tensor) -> Callable[[Tensor], Tensor]:
    """The trace of a module, saved and loaded."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is deprecated, and that sizes are taken as they are
        torch.jit.save(torch.jit.trace(module, images), file)
        file.seek(0)
        loaded: Callable[[Tensor], Tensor] = torch.jit.load(file)
    return loaded


@pytest.mark.slow
@pytest.mark.parametrize(
    "leave",
    [
        exported,
        pytest.param(jit_traced, marks=pytest.mark.skipif(sys.version_info >= (3, 14), reason="torch.jit ends there")),
    ],
)
@pytest.mark.filterwarnings("ignore:The given buffer is not writable:UserWarning")  # torch.export.load of torch 2.11
@pytest.mark.parametrize("name", NETWORKS)
def test_it_leaves_python_with_the_same_outputs(
    name: str, leave: Callable[[torch.nn.Module, Tensor], Callable[[Tensor], Tensor]]
) -> None:
    arch = NETWORKS[name]
    module = build(arch, seed=0).eval()
    assert sum(each.numel() for each in module.parameters()) == cost(arch).params
    images = torch.randn(5, *arch.input, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        program = leave(module, images[:2])
        for batch in (images[:2], images):
            assert torch.allclose(program(batch), module(batch), atol=1e-5)
