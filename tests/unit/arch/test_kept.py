"""Which maps a training step keeps, counted by hand where combinators join what their parts keep."""

from __future__ import annotations

import msgspec
import pytest

from naslab.arch import ArchSpec, AuxiliaryHead, Cell, ConvBlock, Edge, Fractal, Pair, Stage, lower
from naslab.arch.declaration import Declaration, declare
from naslab.arch.kept import Kept, kept_values, unknown_memory
from naslab.arch.plan import Act, Concat, Conv, Gate, GlobalPool, Layer, Norm, Residual, Shape, seq

MAP = (8, 4, 4)
CONV = Stage(block=ConvBlock(), width=8)
CELL = Cell(pairs=(Pair(left=Edge(op="conv_3x3", state=0), right=Edge(op="identity", state=1)),))


def filter_of(channels: int, width: int) -> Conv:
    return Conv(channels, width, (3, 3), padding=(1, 1))


def network(*stages: Stage, **fields: object) -> ArchSpec:
    return msgspec.structs.replace(ArchSpec(input=(8, 16, 16), stages=stages, num_classes=10), **fields)


BODY = seq(one=filter_of(8, 8), norm=Norm(8), act=Act("relu"), two=filter_of(8, 8))
"""It keeps its input, the norm's input, and what the ReLU wrote over the norm's output: three maps of 128 values."""
GATE = Gate(seq(pool=GlobalPool(), fc=Conv(8, 8), act=Act("sigmoid")))


@pytest.mark.parametrize(
    ("layer", "kept"),
    [
        (Residual(BODY), Kept(3 * 128, 5 * 128)),
        (Residual(BODY, seq(conv=Conv(8, 8), norm=Norm(8))), Kept(4 * 128, 6 * 128)),
        (Gate(seq(pool=GlobalPool(), fc=Conv(8, 8))), Kept(128 + 8 + 8, 128 + 8 + 8 + 2 * 128)),
        (GATE, Kept(128 + 8 + 8, 128 + 8 + 8 + 2 * 128)),
        (Concat(("one", "two"), (filter_of(8, 4), filter_of(8, 8))), Kept(128, 128 + 128 + 192)),
        (Concat(("one",), (filter_of(8, 4),)), Kept(128, 128 + 128 + 64)),
    ],
    ids=["residual", "projected shortcut", "gate of a bare convolution", "gate", "two branches", "one branch"],
)
def test_combinators_keep_what_their_parts_keep(layer: Layer, kept: Kept) -> None:
    assert kept_values(layer, MAP) == kept


def test_graphs_and_cells() -> None:
    fractal, cells = network(Stage(block=Fractal(columns=2), width=16)), network(CONV, Stage(block=CELL, width=8))
    assert kept_values(lower(fractal), fractal.input) == Kept(26640, 34816)
    assert kept_values(lower(cells), cells.input) == Kept(16392, 20480)


@pytest.mark.parametrize("after", [0, 1])
def test_an_auxiliary_head_keeps_maps_of_its_own(after: int) -> None:
    """Its convolution reads a map that is kept already, its norm and activation keep one each, its classifier 8."""
    plain = network(CONV, CONV)
    kept = kept_values(lower(plain), plain.input)
    assert kept == Kept(5 * 2048 + 8, 7 * 2048)
    with_head = msgspec.structs.replace(plain, auxiliary=(AuxiliaryHead(after=after, stages=(CONV,)),))
    assert kept_values(lower(with_head, auxiliary=True), plain.input).total == kept.total + 2 * 2048 + 8


@pytest.mark.parametrize("after", [0, 1])
def test_an_auxiliary_head_beside_cells_reads_the_map_of_its_stage(after: int) -> None:
    cells = network(CONV, Stage(block=CELL, width=16, stride=2))
    with_head = msgspec.structs.replace(cells, auxiliary=(AuxiliaryHead(after=after),))
    kept, more = (kept_values(lower(each, auxiliary=True), cells.input) for each in (cells, with_head))
    assert more.total - kept.total == (8, 16)[after]


def test_layers_of_unknown_memory_are_named_in_order() -> None:
    kinds = []
    for name in ("UnknownB", "UnknownA"):
        kind = msgspec.defstruct(name, [], bases=(Layer,), frozen=True, module=__name__)
        declare(kind, Declaration(count=_count))
        kinds.append(kind())
    plan = seq(one=kinds[0], two=Residual(kinds[1]), three=kinds[0])
    assert unknown_memory(plan) == ("UnknownA", "UnknownB")
    assert kept_values(plan, MAP) is None


def _count(layer: Layer, shape: Shape, keep: bool) -> tuple[Shape, int, int, int, int, tuple[int, ...]]:
    return shape, 0, 0, 0, 256, (0, 0, 0, 1, 1)
