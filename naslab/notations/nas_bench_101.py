"""The matrices of NAS-Bench-101 (Ying et al. 2019, arXiv 1902.09635), and the network around their cell.

`ModelSpec(matrix=[[...], ...], ops=['input', 'conv3x3-bn-relu', ..., 'output'])`, as its release writes them, or JSON
of `matrix` and `ops`.
"""

from __future__ import annotations

import re
from typing import Any, cast, get_args

from naslab.arch.block import NormStyle
from naslab.arch.blocks import ConvBlock, PoolBlock, VertexCell
from naslab.arch.blocks.vertex_cell import VertexOp
from naslab.arch.spec import ArchSpec, Stage
from naslab.errors import SpecError, nearest, shown
from naslab.notations.literal import literal
from naslab.notations.notation import Notation, require_same

NAMES = {
    "INPUT": "input",
    "OUTPUT": "output",
    "CONV1X1": "conv1x1-bn-relu",
    "CONV3X3": "conv3x3-bn-relu",
    "MAXPOOL3X3": "maxpool3x3",
}
"""The constants of the release's examples."""
EXAMPLE = (
    "ModelSpec(matrix=[[0, 1, 1, 1, 0, 1, 0], [0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 1, 0, 0], "
    "[0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0, 0]], "
    "ops=[INPUT, CONV1X1, CONV3X3, CONV3X3, CONV3X3, MAXPOOL3X3, OUTPUT])"
)


def nas_bench_101(cell: VertexCell, channels: int = 128, repeats: int = 3, num_classes: int = 10) -> ArchSpec:
    """The network of NAS-Bench-101 around a `cell`: `repeats` of it in each of three stacks (figure 1).

    The stacks have `channels`, twice and four times as many, and max pooling between them; `num_classes` is the number
    of logits.
    """
    stages: list[Stage] = []
    for width in (channels, 2 * channels, 4 * channels):
        if stages:
            stages.append(Stage(block=PoolBlock(kernel=2, padding=0), stride=2))
        stages.append(Stage(block=cell, width=width, repeats=repeats))
    return ArchSpec(
        input=(3, 32, 32),
        stem=(Stage(block=ConvBlock(kernel=3), width=channels),),
        stages=tuple(stages),
        num_classes=num_classes,
        norm=NormStyle(momentum=0.003),
    )


def read_cell(text: str) -> VertexCell:
    """The cell of a matrix with its operations. Raises `SpecError` that names what is wrong in it."""
    values = literal(text, "nas_bench_101", NAMES)
    if not isinstance(values, dict) or not {"matrix", "ops"} <= set(values) <= {"matrix", "ops", "data_format"}:
        raise SpecError("nas_bench_101", f"must be a ModelSpec of matrix and ops, got '{shown(text[:60])}'")
    matrix, ops = values["matrix"], values["ops"]
    if not _is_matrix(matrix):
        raise SpecError("nas_bench_101", f"matrix must be rows of 0 and 1, got {shown(matrix)}")
    if not isinstance(ops, list) or len(ops) < 2 or (ops[0], ops[-1]) != ("input", "output"):
        raise SpecError("nas_bench_101", f"ops must begin with 'input' and end with 'output', got {shown(ops)}")
    for op in ops[1:-1]:
        if op not in get_args(VertexOp):
            raise SpecError("nas_bench_101", f"unknown operation{nearest(str(op), get_args(VertexOp))}")
    try:
        return VertexCell(matrix=tuple(map(tuple, matrix)), ops=cast(tuple[VertexOp, ...], tuple(ops[1:-1])))
    except SpecError as error:
        raise error.inside("nas_bench_101") from None


def _is_matrix(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(row, list) and all(type(each) is int and 0 <= each <= 1 for each in row) for row in value
    )


def _read(text: str) -> ArchSpec:
    return nas_bench_101(read_cell(text))


def _write(arch: ArchSpec) -> str:
    cells = {stage.block for stage in arch.stages if isinstance(stage.block, VertexCell)}
    if len(cells) != 1:
        raise SpecError("nas_bench_101", f"tells networks of one vertex_cell, got {len(cells)} different ones")
    cell = next(iter(cells))
    ops = ["input", *cell.ops, "output"]
    text = f"ModelSpec(matrix={[list(row) for row in cell.matrix]}, ops={ops})"
    return require_same(arch, text, _read, "a matrix of NAS-Bench-101")


NAS_BENCH_101 = Notation(
    name="nas_bench_101",
    summary="matrices of NAS-Bench-101's cells (arXiv 1902.09635)",
    example=EXAMPLE,
    is_one=lambda text: re.match(r"[\w. =]*[({]", text) is not None and "matrix" in text[:200] and "ops" in text,
    read=_read,
    write=_write,
)
