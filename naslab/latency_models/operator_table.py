"""A table of operator latencies: a network's latency is the sum of the rows of its operators.

The file is a CSV with the columns `resolution`, `op_key` and `mean_ms`. Keys are those that once-for-all writes (Cai et
al. 2020, arXiv 1908.09791) for MobileNetV3 networks on square images: `Conv`, the stem; `expanded_conv`, a block with
its maps, inner channels, kernel, stride, shortcut, squeeze-excite and hard-swish; `Conv_1` before the pooling,
`AvgPool2D`, `Conv_2` behind it, `Logits`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from naslab.arch import ArchSpec
from naslab.arch.lower import placed_blocks
from naslab.arch.plan import Act, Conv, Gate, Layer, Residual, Sequence
from naslab.arch.summary import stage_rows
from naslab.errors import DataError, SpecError, shown
from naslab.reading import cells_by_column, read_rows

COLUMNS = ("resolution", "op_key", "mean_ms")


class Operator(NamedTuple):
    """An operator of a network: where it is, and its key in tables of latencies."""

    place: str
    key: str


def table_latency(path: Path, arch: ArchSpec, name: str = "the network") -> float:
    """The sum of the rows of a network's operators in the table of a file, in milliseconds; `name` is for messages.

    Raises `SpecError` for a network that is not made of such operators, `DataError` where the table lacks one.
    """
    table = read_table(path)
    resolution = arch.input[1]
    total = 0.0
    for operator in operators(arch):
        value = table.get((resolution, operator.key))
        if value is None:
            raise DataError(f"{path} lacks {operator.place} of {name} at {resolution}: {operator.key}")
        total += value
    return total


@lru_cache(maxsize=8)
def read_table(path: Path) -> dict[tuple[int, str], float]:
    """Milliseconds by resolution and key of the table in a file. Raises `ReadError`, and `DataError` for odd rows."""
    header, lines = read_rows(path)
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise DataError(f"{path} lacks the columns {', '.join(missing)}: a table has {', '.join(COLUMNS)}")
    table: dict[tuple[int, str], float] = {}
    for line in lines:
        cells = cells_by_column(path, header, line)
        try:
            key, value = (int(cells["resolution"]), cells["op_key"]), float(cells["mean_ms"])
        except ValueError as error:
            raise DataError(f"{path}: line {line.number}: {shown(str(error))}") from None
        if not 0 <= value < float("inf"):
            raise DataError(f"{path}: line {line.number}: mean_ms must be a number from 0, got {value}")
        if key in table:
            raise DataError(f"{path}: line {line.number}: {shown(cells['op_key'])} stands there twice")
        table[key] = value
    return table


def operators(arch: ArchSpec) -> Iterator[Operator]:
    """The operators of a network in order. Raises `SpecError` with the place of one that no key describes."""
    blocks = list(placed_blocks(arch))
    for index, block in enumerate(blocks):
        layers = list(_leaves(block.layer))
        convolutions = [each for each in layers if isinstance(each, Conv)]
        maps = f"input:{_map(block.in_shape)}-output:{_map(block.out_shape)}"
        depthwise = [each for each in convolutions if each.groups == each.in_channels > 1]
        if index == 0 and len(convolutions) == 1 and not depthwise:
            yield Operator(block.place, f"Conv-{maps}")
            continue
        if len(depthwise) != 1 or not 2 <= len(convolutions) <= (5 if _gates(layers) else 3):
            rule = "a table of latencies knows a convolution as the stem, and MBConv blocks behind it"
            raise SpecError(block.place, rule)
        (filter_,) = depthwise
        if filter_.kernel[0] != filter_.kernel[1] or filter_.stride[0] != filter_.stride[1]:
            raise SpecError(block.place, "a table of latencies knows square windows alone")
        if filter_.dilation != (1, 1):
            raise SpecError(block.place, "a table of latencies knows no dilation")
        facts = {
            "expand": filter_.in_channels,
            "kernel": filter_.kernel[0],
            "stride": filter_.stride[0],
            "idskip": int(isinstance(block.layer, Residual)),
            "se": int(_gates(layers)),
            "hs": int(any(isinstance(each, Act) and each.kind == "hardswish" for each in _leaves(block.layer, False))),
        }
        yield Operator(
            block.place, f"expanded_conv-{maps}-" + "-".join(f"{name}:{value}" for name, value in facts.items())
        )
    yield from _head(arch)


def _head(arch: ArchSpec) -> Iterator[Operator]:
    head = arch.head
    if head.width is None or len(head.hidden) != 1 or head.pool_size != (1, 1) or head.classifier != "linear":
        raise SpecError("head", "a table of latencies knows a 1 x 1 convolution, pooling, one hidden layer and classes")
    channels, height, width = stage_rows(arch)[-2].out_shape
    (hidden,) = head.hidden
    before, behind = (channels, height, width), (head.width, height, width)
    yield Operator("head", f"Conv_1-input:{_map(before)}-output:{_map(behind)}")
    yield Operator("head", f"AvgPool2D-input:{_map(behind)}-output:{_map((head.width, 1, 1))}")
    yield Operator("head", f"Conv_2-input:{_map((head.width, 1, 1))}-output:{_map((hidden, 1, 1))}")
    yield Operator("head", f"Logits-input:{_map((hidden, 1, 1))}-output:{arch.num_classes}")


def _map(shape: tuple[int, int, int]) -> str:
    channels, height, width = shape
    return f"{height}x{width}x{channels}"


def _gates(layers: list[Layer]) -> bool:
    return any(isinstance(each, Gate) for each in layers)


def _leaves(layer: Layer, with_gates: bool = True) -> Iterator[Layer]:
    """A layer and all within it; without what computes gates, where asked."""
    yield layer
    if isinstance(layer, Sequence):
        for each in layer.layers:
            yield from _leaves(each, with_gates)
    elif isinstance(layer, Residual) or (isinstance(layer, Gate) and with_gates):
        yield from _leaves(layer.body, with_gates)
