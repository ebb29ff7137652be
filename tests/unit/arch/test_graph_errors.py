"""Graphs and networks that cannot be: refused by the rule that they break, with its place."""

from __future__ import annotations

import msgspec
import pytest

from naslab.arch import (
    ArchSpec,
    AuxiliaryHead,
    Cell,
    ConvBlock,
    ConvStep,
    DenseLayer,
    Edge,
    Head,
    Pair,
    Parallel,
    PoolBlock,
    ShuffleUnit,
    SplitShuffleUnit,
    Stage,
    cost,
    decode_arch,
)
from naslab.arch.plan import (
    Conv,
    Dag,
    Identity,
    Node,
    Shape,
)
from naslab.arch.tally import tally
from naslab.errors import SpecError

ONE = Stage(block=ConvBlock(kernel=3), width=8)
HEAD = AuxiliaryHead(after=1, stages=(Stage(block=PoolBlock(kernel=2, padding=0), stride=2),), head=Head(hidden=(7,)))


def bad_cell(state: int = 0, **changes: object) -> Cell:
    pair = Pair(left=Edge(op="conv_3x3", state=state), right=Edge(op="identity", state=1))
    return msgspec.structs.replace(Cell(pairs=(pair,)), **changes)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: bad_cell(2), "pairs[0].left.state: pair 0 reads state 2, but only states 0 to 1 come before it"),
        (lambda: Cell(pairs=()), "pairs: must hold at least one pair"),
        (lambda: Parallel(branches=()), "branches: must hold at least one branch"),
        (lambda: ConvStep(width=3, kernel=(1, 4)), "kernel: must be odd where it is padded, got [1, 4]"),
        (
            lambda: decode_arch(
                {
                    "input": [3, 8, 8],
                    "num_classes": 2,
                    "stages": [{"block": {"type": "cell", "pairs": [{"left": {"op": "sep_3x3", "state": 0}}]}}],
                }
            ),
            "stages[0].block.pairs[0].left.op: must be one of avg_pool_3x3, ",
        ),
        (
            lambda: ArchSpec(input=(3, 8, 8), stages=(ONE,), num_classes=2, auxiliary=(HEAD,)),
            "auxiliary[0].after: must be below 1, got 1",
        ),
    ],
)
def test_wrong_descriptions(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(SpecError) as error:
        make()
    assert str(error.value).startswith(message)


def net(*stages: Stage, shape: Shape = (3, 9, 9)) -> ArchSpec:
    return ArchSpec(input=shape, stages=stages, num_classes=2)


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        (
            net(Stage(block=Parallel(branches=((ConvStep(width=4, strided=True),), (ConvStep(width=4),))), stride=2)),
            "stages[0].branch1: makes a map of (9, 9), the branches before it make (5, 5)",
        ),
        (
            net(Stage(block=Parallel(branches=((ConvStep(width=4, kernel=3, padded=False),), ())))),
            "stages[0].branch1: makes a map of (9, 9), the branches before it make (7, 7)",
        ),
        (
            net(Stage(block=Parallel(branches=((ConvStep(width=4),),)), width=5)),
            "stages[0].width: the branches make 4 channels, got 5; leave the stage's width out",
        ),
        (
            net(Stage(block=ConvBlock(kernel=1), width=10), Stage(block=ShuffleUnit(groups=3), width=40, stride=2)),
            "stages[1].block.groups: 3 must divide the bottleneck's 10 channels",
        ),
        (
            net(Stage(block=ShuffleUnit(groups=2), width=3, stride=2)),
            "stages[0].width: must be above the 3 channels that are stacked before the unit's, got 3",
        ),
        (
            net(Stage(block=SplitShuffleUnit(), width=7)),
            "stages[0].width: must be even to be split in two, got 7",
        ),
        (
            net(Stage(block=DenseLayer(growth=4), width=9)),
            "stages[0].width: 3 + 4 channels are 7, got 9",
        ),
        (
            net(Stage(block=DenseLayer(growth=4), stride=2)),
            "stages[0].stride: a dense layer keeps its sizes, got 2",
        ),
        (
            net(Stage(block=bad_cell(outputs=(0, 1)))),
            "stages[0].width: 2 outputs cannot share 3 channels",
        ),
        (
            net(ONE, Stage(block=PoolBlock(kernel=2, padding=0), stride=2), Stage(block=bad_cell(lookback=2), width=4)),
            "stages[2].block.lookback: no stride brings the earlier map of 9 x 9 to 4 x 4",
        ),
    ],
)
def test_networks_that_cannot_be(arch: ArchSpec, message: str) -> None:
    with pytest.raises(SpecError) as error:
        cost(arch)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (Dag(("a",), (Node(Identity(), (1,)),), (1,)), "a: reads value 1, but only 1 come before it"),
        (Dag(("a",), (Node(Identity(), (0,)),), (2,)), "reads value 2, but there are only 2"),
        (
            Dag(("a", "b"), (Node(Conv(3, 4), (0,)), Node(Identity(), (0, 1))), (2,)),
            "b: cannot add maps of (3, 5, 5) and (4, 5, 5)",
        ),
        (
            Dag(("a",), (Node(Conv(3, 3, (3, 3)), (0,)),), (0, 1)),
            "cannot stack maps of (3, 5, 5) and (3, 3, 3)",
        ),
    ],
)
def test_graphs_that_cannot_be(graph: Dag, message: str) -> None:
    with pytest.raises(SpecError) as error:
        tally(graph, (3, 5, 5))
    assert str(error.value) == message
