"""The strings of NAS-Bench-201 (Dong and Yang 2020, arXiv 2001.00326), and the network around their cell.

`|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`: the three nodes in order, each with an operation on every node before it.
"""

from __future__ import annotations

import re
from typing import cast

from naslab.arch.blocks import ActivationFirstResidual, CellInput, ConvBlock, GraphCell
from naslab.arch.blocks.cell_operations import Operation
from naslab.arch.spec import ArchSpec, Head, Stage
from naslab.errors import SpecError, nearest, shown
from naslab.notations.notation import Notation, require_same

OPERATIONS: tuple[Operation, ...] = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
NUM_NODES = 3
_NODE = r"\|(?:[^|~+]+~[^|~+]+\|)+"
EXAMPLE = "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|skip_connect~0|nor_conv_3x3~1|avg_pool_3x3~2|"


def nas_bench_201(
    cell: GraphCell, channels: int = 16, repeats: int = 5, num_classes: int = 10, resolution: int = 32
) -> ArchSpec:
    """The network of NAS-Bench-201 around a `cell`: `repeats` of it in each of three groups (figure 1).

    The groups have `channels`, twice and four times as many, with a residual block between them that halves the map.
    `resolution` is the side of the images, `num_classes` the number of logits.
    """
    stages: list[Stage] = []
    for width in (channels, 2 * channels, 4 * channels):
        if stages:
            stages.append(Stage(block=ActivationFirstResidual(), width=width, stride=2))
        stages.append(Stage(block=cell, width=width, repeats=repeats))
    return ArchSpec(
        input=(3, resolution, resolution),
        stem=(Stage(block=ConvBlock(kernel=3, activation="none"), width=channels),),
        stages=tuple(stages),
        head=Head(norm=True),
        num_classes=num_classes,
    )


def read_cell(text: str) -> GraphCell:
    """The cell of a string. Raises `SpecError` that names what is wrong in it.

    >>> read_cell(EXAMPLE).nodes[0]
    (CellInput(op='nor_conv_3x3', state=0),)
    """
    parts = text.split("+")
    if len(parts) != NUM_NODES or not all(re.fullmatch(_NODE, part) for part in parts):
        raise SpecError("nas_bench_201", f"must be three nodes like {EXAMPLE}, got '{shown(text)}'")
    nodes = []
    for index, part in enumerate(parts):
        edges = [each.partition("~") for each in part.strip("|").split("|")]
        states = [state for _, _, state in edges]
        if sorted(states) != [str(state) for state in range(index + 1)]:
            rule = f"node {index + 1} must read each of 0 to {index} once, got {', '.join(states)}"
            raise SpecError("nas_bench_201", rule)
        for op, _, _ in edges:
            if op not in OPERATIONS:
                raise SpecError("nas_bench_201", f"unknown operation '{shown(op)}'{nearest(op, OPERATIONS)}")
        by_state = sorted(edges, key=lambda edge: edge[2])
        nodes.append(tuple(CellInput(op=cast(Operation, op), state=int(state)) for op, _, state in by_state))
    return GraphCell(nodes=tuple(nodes))


def write_cell(cell: GraphCell) -> str:
    """The string of a `cell`. Raises `SpecError` for a cell of other nodes or operations than the strings have."""
    states = [sorted(each.state for each in node) for node in cell.nodes]
    ops = {each.op for node in cell.nodes for each in node}
    if states != [list(range(index + 1)) for index in range(NUM_NODES)] or not ops <= set(OPERATIONS):
        rule = "a string holds three nodes, each with one of the five operations on every node before it"
        raise SpecError("nas_bench_201", f"{rule}; this cell is another one")
    ordered = [sorted(node, key=lambda each: each.state) for node in cell.nodes]
    return "+".join(f"|{'|'.join(f'{each.op}~{each.state}' for each in node)}|" for node in ordered)


def only_cell(arch: ArchSpec, notation: str) -> GraphCell:
    """The cell that all stages of a network share. Raises `SpecError` that names the `notation` where there is none."""
    cells = {stage.block for stage in arch.stages if isinstance(stage.block, GraphCell)}
    if len(cells) != 1:
        raise SpecError(notation, f"tells networks of one graph_cell, got {len(cells)} different ones")
    return next(iter(cells))


def _write(arch: ArchSpec) -> str:
    return require_same(arch, write_cell(only_cell(arch, "nas_bench_201")), _read, "a string of NAS-Bench-201")


def _read(text: str) -> ArchSpec:
    return nas_bench_201(read_cell(text))


NAS_BENCH_201 = Notation(
    name="nas_bench_201",
    summary="strings of NAS-Bench-201's cells (arXiv 2001.00326)",
    example=EXAMPLE,
    is_one=lambda text: text.startswith("|") and "~" in text,
    read=_read,
    write=_write,
)
