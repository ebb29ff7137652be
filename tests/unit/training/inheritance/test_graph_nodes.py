"""Graphs of cells are inherited node by node: one operation changed leaves every other node its weights."""

from __future__ import annotations

from typing import TypeAlias

import msgspec
import pytest
import torch

from naslab.arch import ArchSpec, Stage
from naslab.arch.blocks import GraphCell, VertexCell
from naslab.arch.build import build
from naslab.notations.nas_bench_201 import read_cell
from naslab.training.inheritance.inherit import Inheritance, inherit

PARENT = "|nor_conv_3x3~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|"


def network(block: GraphCell | VertexCell) -> ArchSpec:
    return ArchSpec(input=(8, 8, 8), stages=(Stage(block=block, width=8),), num_classes=3)


Cell: TypeAlias = GraphCell | VertexCell


def inherited(parent: Cell, child: Cell) -> tuple[dict[str, torch.Tensor], Inheritance]:
    weights = build(network(parent), seed=1).state_dict()
    return weights, inherit(network(parent), weights, network(child), seed=2)


def filters(weights: dict[str, torch.Tensor]) -> set[bytes]:
    return {value.numpy().tobytes() for name, value in weights.items() if value.ndim == 4}


@pytest.mark.parametrize("op", ["none", "skip_connect", "avg_pool_3x3", "nor_conv_3x3"])
@pytest.mark.parametrize("place", range(6))
def test_one_operation_changed_leaves_the_others_their_weights(op: str, place: int) -> None:
    edges = PARENT.replace("+", "").strip("|").replace("||", "|").split("|")
    changed = [f"{op}~{each[-1]}" if index == place else each for index, each in enumerate(edges)]
    child = f"|{changed[0]}|+|{'|'.join(changed[1:3])}|+|{'|'.join(changed[3:])}|"
    weights, made = inherited(read_cell(PARENT), read_cell(child))
    assert len(filters(made.weights) - filters(weights)) <= (op == "nor_conv_3x3")
    assert len(made.inherited.fresh) <= 2 * (op == "nor_conv_3x3")
    module = build(network(read_cell(child)))
    module.load_state_dict(made.weights)
    assert module(torch.rand(2, 8, 8, 8)).shape == (2, 3)


def test_a_connection_more_leaves_every_vertex_its_weights() -> None:
    ops = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
    plain = ((0, 1, 0, 0, 0), (0, 0, 1, 0, 0), (0, 0, 0, 1, 0), (0, 0, 0, 0, 1), (0, 0, 0, 0, 0))
    more = ((0, 1, 0, 1, 0), *plain[1:])
    parent = VertexCell(matrix=plain, ops=ops)
    weights, made = inherited(parent, msgspec.structs.replace(parent, matrix=more))
    assert filters(weights) <= filters(made.weights)
    assert {path.partition(".input")[0] for path in made.inherited.fresh} <= {"stage0.0"}
    assert any("other nodes or connections" in each for each in made.inherited.broken)
