"""NAS-Bench-101's cells: operations on the vertices of a graph, channels shared among those that make the output."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, TypeAlias

from naslab.arch.block import Block, BlockActivation, Context, require
from naslab.arch.plan import ChannelSlice, Dag, Identity, Layer, Node, Pool, Shape
from naslab.arch.sides import Sides, shown_sides
from naslab.errors import SpecError, counted

VertexOp: TypeAlias = Literal["conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"]
"""The operations of NAS-Bench-101 by the names of its release, in its order."""
_RANKS: dict[VertexOp, int] = {"conv3x3-bn-relu": 0, "conv1x1-bn-relu": 1, "maxpool3x3": 2}
MAX_VERTICES = 7
MAX_EDGES = 9

Matrix: TypeAlias = tuple[tuple[int, ...], ...]
Graph: TypeAlias = tuple[Matrix, tuple[VertexOp, ...]]


class VertexCell(Block, frozen=True, tag="vertex_cell"):
    """A cell as a graph of vertices, the first the input, the last the output (NAS-Bench-101, arXiv 1902.09635).

    Row i of the `matrix` says with 1 to which later vertices the output of vertex i goes; `ops` are the operations of
    the vertices between the first and the last. A vertex sums what it reads; the input comes through a 1x1 convolution
    to its channels. The output stacks the vertices that lead to it, which share its channels (the first ones take the
    remainder), and adds the input's projection where there is an edge. A vertex has as many channels as the widest one
    that reads it; others read its first ones.

    Vertices that are not between input and output are left out; then at most 7 vertices and 9 edges may be left. Cells
    that are one graph are one network: the vertices stand in the order in which the released data set holds the cell.

    >>> cell = VertexCell(matrix=((0, 1, 1), (0, 0, 1), (0, 0, 0)), ops=("conv3x3-bn-relu",))
    >>> cell.lower((16, 32, 32), 32, 1, Context()).names
    ('input1', 'vertex1', 'input2', 'output')
    """

    matrix: tuple[tuple[int, ...], ...]
    ops: tuple[VertexOp, ...]
    activation: BlockActivation = None

    def __post_init__(self) -> None:
        size = len(self.matrix)
        require(2 <= size <= MAX_VERTICES, "matrix", f"must have 2 to {MAX_VERTICES} rows, got {size}")
        for index, row in enumerate(self.matrix):
            place = f"matrix[{index}]"
            require(len(row) == size, place, f"must have {size} numbers, as many as there are rows, got {len(row)}")
            require(set(row) <= {0, 1}, place, f"must hold 0 and 1, got {row}")
            require(not any(row[: index + 1]), place, f"may only lead to later vertices, got {row}")
        wanted = size - 2
        require(len(self.ops) == wanted, "ops", f"must name the {wanted} vertices between, got {len(self.ops)}")
        _ = _kept(self.matrix, self.ops)

    def lower(self, shape: Shape, width: int | None, stride: Sides, context: Context, drop_rate: float = 0.0) -> Layer:
        require(
            stride == 1,
            "stride",
            f"a vertex_cell keeps its sizes, got {shown_sides(stride)}; put a pool stage before it",
        )
        matrix, ops = ordered(self.matrix, self.ops)
        return _lowered(matrix, ops, shape[0], width or shape[0], context, self.activation)

    def canonical(self, in_width: int, width: int | None, stride: Sides) -> Block:
        matrix, ops = ordered(self.matrix, self.ops)
        return VertexCell(matrix=matrix, ops=ops, activation=self.activation)


@lru_cache(maxsize=65536)
def _kept(matrix: Matrix, ops: tuple[VertexOp, ...]) -> Graph:
    """The graph without vertices that are not on a way from the input to the output."""
    last = len(matrix) - 1
    ahead, behind = {0}, {last}
    for index in range(last + 1):
        if index in ahead:
            ahead |= {other for other in range(last + 1) if matrix[index][other]}
    for index in range(last, -1, -1):
        if any(matrix[index][other] for other in behind):
            behind.add(index)
    require(last in ahead, "matrix", "no way leads from the input to the output")
    kept = sorted(ahead & behind)
    smaller = tuple(tuple(matrix[one][other] for other in kept) for one in kept)
    edges = sum(map(sum, smaller))
    require(edges <= MAX_EDGES, "matrix", f"at most {MAX_EDGES} edges may lie between input and output, got {edges}")
    return smaller, tuple(ops[index - 1] for index in kept[1:-1])


@lru_cache(maxsize=65536)
def ordered(matrix: Matrix, ops: tuple[VertexOp, ...]) -> Graph:
    """The cell's graph as the released data set holds it, whatever the order of the vertices in `matrix` and `ops`.

    The data set was made by counting upwards through the bits of matrices (the last column counts most, and in a column
    the last row), then through the operations, and holds the first of equal graphs.
    """
    matrix, ops = _kept(matrix, ops)
    size = len(matrix)
    best: tuple[list[int], list[int]] | None = None
    for order in _orders(matrix):
        columns = [sum(matrix[order[row]][order[column]] << row for row in range(column)) for column in range(size)]
        ranks = [_RANKS[ops[vertex - 1]] for vertex in order[1:-1]]
        key = [*columns[::-1], *ranks]
        if best is None or key < best[0]:
            best = key, order
    assert best is not None
    order = best[1]
    placed = tuple(tuple(matrix[one][other] for other in order) for one in order)
    return placed, tuple(ops[vertex - 1] for vertex in order[1:-1])


def _orders(matrix: Matrix) -> list[list[int]]:
    """The orders of the vertices in which all edges lead on and the last column holds the least bits."""
    last = len(matrix) - 1
    found: list[list[int]] = []
    least: int | None = None

    def place(order: list[int], left: frozenset[int]) -> None:
        nonlocal least
        if not left:
            bits = sum(1 << index for index, vertex in enumerate(order) if matrix[vertex][last])
            if least is None or bits < least:
                least = bits
                found.clear()
            if bits == least:
                found.append([*order, last])
            return
        for vertex in sorted(left):
            if not any(matrix[other][vertex] for other in left):
                place([*order, vertex], left - {vertex})

    place([0], frozenset(range(1, last)))
    return found


def vertex_channels(matrix: Matrix, out_width: int) -> list[int]:
    """The channels of every vertex but the first, whose place holds 0; the last has `out_width`.

    Raises `SpecError` where the output has fewer channels than vertices that lead to it.
    """
    last = len(matrix) - 1
    leading = [vertex for vertex in range(1, last) if matrix[vertex][last]]
    channels = [0] * last + [out_width]
    if leading:
        share, rest = divmod(out_width, len(leading))
        if not share:
            raise SpecError("width", f"{len(leading)} vertices cannot share {counted(out_width, 'channel')}")
        for index, vertex in enumerate(leading):
            channels[vertex] = share + (index < rest)
    for vertex in range(last - 1, 0, -1):
        if vertex not in leading:
            channels[vertex] = max(channels[other] for other in range(vertex + 1, last) if matrix[vertex][other])
    return channels


@lru_cache(maxsize=4096)
def _lowered(
    matrix: Matrix,
    ops: tuple[VertexOp, ...],
    in_width: int,
    out_width: int,
    context: Context,
    activation: BlockActivation,
) -> Dag:
    last = len(matrix) - 1
    channels = vertex_channels(matrix, out_width)
    names: list[str] = []
    nodes: list[Node] = []

    def add(name: str, layer: Layer, *inputs: int, is_stack: bool = False) -> int:
        names.append(name)
        nodes.append(Node(layer, inputs, "concat" if is_stack else "add"))
        return len(nodes)

    def projected(vertex: int) -> list[int]:
        if not matrix[0][vertex]:
            return []
        return [add(f"input{vertex}", context.conv(in_width, channels[vertex], activation=activation), 0)]

    values = [0] * (last + 1)
    for vertex in range(1, last):
        read = []
        for source in range(1, vertex):
            if matrix[source][vertex]:
                wide = channels[source] > channels[vertex]
                cut = ChannelSlice(0, channels[vertex])
                read.append(add(f"cut{source}_{vertex}", cut, values[source]) if wide else values[source])
        read += projected(vertex)
        values[vertex] = add(
            f"vertex{vertex}", _operation(ops[vertex - 1], channels[vertex], context, activation), *read
        )
    stacked = [values[vertex] for vertex in range(1, last) if matrix[vertex][last]]
    added = projected(last)
    if not stacked or not added:
        return Dag(tuple(names), tuple(nodes), tuple(stacked or added))
    whole = stacked[0] if len(stacked) == 1 else add("stack", Identity(), *stacked, is_stack=True)
    output = add("output", Identity(), whole, *added)
    return Dag(tuple(names), tuple(nodes), (output,))


@lru_cache(maxsize=4096)
def _operation(op: VertexOp, channels: int, context: Context, activation: BlockActivation) -> Layer:
    if op == "maxpool3x3":
        return Pool("max", (3, 3), (1, 1), (1, 1))
    return context.conv(channels, channels, 3 if op == "conv3x3-bn-relu" else 1, activation=activation)
