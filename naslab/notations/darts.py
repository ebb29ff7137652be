"""The genotypes of DARTS (Liu et al. 2019, arXiv 1806.09055) and its followers, and the networks around their cells.

`Genotype(normal=[(op, state), ...], normal_concat=range(2, 6), reduce=[...], reduce_concat=range(2, 6))`: two entries
for each node; states 0 and 1 are the outputs of the cell before the last and of the last one. Here the last one is
state 0.
"""

from __future__ import annotations

from typing import Any, cast, get_args

import msgspec

from naslab.arch.blocks import CellInput, ConvBlock, GraphCell
from naslab.arch.blocks.cell_operations import Operation
from naslab.arch.spec import ArchSpec, Stage
from naslab.errors import SpecError, nearest, shown
from naslab.notations.literal import literal
from naslab.notations.notation import Notation, require_same

FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")
MAX_NODES = 20
EXAMPLE = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], "
    "normal_concat=range(2, 6), "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), "
    "('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], "
    "reduce_concat=range(2, 6))"
)
"""The cells of DARTS's second order (figures 4 and 5; `DARTS_V2` of the released code)."""


def darts_network(
    normal: GraphCell, reduce: GraphCell, channels: int = 36, layers: int = 20, num_classes: int = 10
) -> ArchSpec:
    """DARTS's network for CIFAR: `layers` cells, those after a third and two thirds of them of the kind `reduce`.

    The others are `normal`. States have `channels` channels, twice as many behind each reduction; the stem has three
    times as many. `num_classes` is the number of logits. Without the auxiliary head, which counts for nothing.
    """
    places = (layers // 3, 2 * layers // 3)
    stages: list[Stage] = []
    for index in range(layers):
        is_reduction = index in places
        channels *= 2 if is_reduction else 1
        block = reduce if is_reduction else normal
        if index == 0:
            block = msgspec.structs.replace(block, lookback=1)  # the stem's output is both inputs
        last = stages[-1] if len(stages) > 1 and not is_reduction else None
        if last is not None and (last.block, last.width, last.stride) == (block, channels, 1):
            stages[-1] = msgspec.structs.replace(last, repeats=last.repeats + 1)
        else:
            stages.append(Stage(block=block, width=channels, stride=2 if is_reduction else 1))
    return ArchSpec(
        input=(3, 32, 32),
        stem=(Stage(block=ConvBlock(kernel=3, activation="none"), width=3 * (stages[0].width or 1)),),
        stages=tuple(stages),
        num_classes=num_classes,
    )


def read_cells(text: str) -> tuple[GraphCell, GraphCell]:
    """The normal and the reduction cell of a genotype. Raises `SpecError` that names what is wrong in it."""
    values = literal(text.partition("=")[2] if text.partition("=")[0].strip().isidentifier() else text, "darts")
    if not isinstance(values, dict) or set(values) != set(FIELDS):
        got = ", ".join(values) if isinstance(values, dict) else type(values).__name__
        raise SpecError("darts", f"must be a Genotype of {', '.join(FIELDS)}, got {shown(got)}")
    cells = [_cell(values[kind], values[f"{kind}_concat"], kind) for kind in ("normal", "reduce")]
    return cells[0], cells[1]


def _cell(edges: Any, concat: Any, kind: str) -> GraphCell:
    if not isinstance(edges, list) or not edges or len(edges) % 2 or len(edges) > 2 * MAX_NODES:
        raise SpecError("darts", f"{kind} must hold two entries for each of 1 to {MAX_NODES} nodes, got {shown(edges)}")
    inputs = []
    for place, edge in enumerate(edges):
        if not isinstance(edge, list) or len(edge) != 2 or type(edge[1]) is not int:
            raise SpecError("darts", f"{kind}[{place}] must be a pair (operation, state), got {shown(edge)}")
        op, state = edge
        if op not in get_args(Operation):
            raise SpecError("darts", f"{kind}[{place}]: unknown operation{nearest(str(op), get_args(Operation))}")
        if not 0 <= state < 2 + place // 2:
            raise SpecError("darts", f"{kind}[{place}] reads state {state}, but only {2 + place // 2} come before it")
        inputs.append(CellInput(op=cast(Operation, op), state=_swapped(state)))
    last = 1 + len(edges) // 2
    if (
        not isinstance(concat, list)
        or not concat
        or not all(type(each) is int and 0 <= each <= last for each in concat)
    ):
        raise SpecError("darts", f"{kind}_concat must hold states, 0 to {last}, got {shown(concat)}")
    nodes = tuple(zip(inputs[::2], inputs[1::2], strict=True))
    return GraphCell(nodes=nodes, outputs=tuple(map(_swapped, concat)), inputs=2)


def _swapped(state: int) -> int:
    """A state by the other one's number: the two inputs change places."""
    return 1 - state if state < 2 else state


def write_cells(normal: GraphCell, reduce: GraphCell) -> str:
    """The genotype of two cells. Raises `SpecError` for cells of one input, or nodes that read not two states."""
    parts = []
    for kind, cell in (("normal", normal), ("reduce", reduce)):
        if cell.inputs != 2 or any(len(node) != 2 for node in cell.nodes):
            raise SpecError("darts", f"the {kind} cell must have two inputs, and two operations a node")
        edges = ", ".join(f"('{each.op}', {_swapped(each.state)})" for node in cell.nodes for each in node)
        parts.append(f"{kind}=[{edges}], {kind}_concat={[_swapped(state) for state in cell.output_states]}")
    return f"Genotype({', '.join(parts)})"


def _read(text: str) -> ArchSpec:
    return darts_network(*read_cells(text))


def _write(arch: ArchSpec) -> str:
    cells = [stage for stage in arch.stages if isinstance(stage.block, GraphCell)]
    kinds = [[_plain(stage) for stage in cells if (stage.stride != 1) == strided] for strided in (False, True)]
    if any(len(set(each)) != 1 for each in kinds):
        raise SpecError("darts", "tells networks of one normal graph_cell and one that halves maps")
    return require_same(arch, write_cells(kinds[0][0], kinds[1][0]), _read, "a genotype of DARTS")


def _plain(stage: Stage) -> GraphCell:
    assert isinstance(stage.block, GraphCell)
    return msgspec.structs.replace(stage.block, lookback=2)


DARTS = Notation(
    name="darts",
    summary="genotypes of DARTS and its followers (arXiv 1806.09055), in its network for CIFAR",
    example=EXAMPLE,
    is_one=lambda text: "Genotype" in text[:200],
    read=_read,
    write=_write,
)
