"""Cells as genotypes: pairs of operations on earlier states, each pair's results added (Zoph et al. 2018)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

from msgspec import structs

from naslab.arch.block import Block, BlockActivation, Context, Spec, require
from naslab.arch.plan import (
    Dag,
    DropPath,
    Identity,
    Layer,
    Node,
    Pool,
    Sequence,
    Shape,
    Subsample,
    chain,
    concat,
    seq,
)
from naslab.arch.sides import Sides, pair_of
from naslab.errors import SpecError

CellOp: TypeAlias = Literal[
    "identity",
    "conv_1x1",
    "conv_3x3",
    "conv_1x3_3x1",
    "conv_1x7_7x1",
    "dilated_3x3",
    "separable_3x3",
    "separable_5x5",
    "separable_7x7",
    "avg_pool_3x3",
    "max_pool_3x3",
    "max_pool_5x5",
    "max_pool_7x7",
]
"""The operations of NASNet's search space (arXiv 1707.07012, section 3.1). Separable ones are applied twice; the wide
convolutions run on a quarter of the channels (three eighths for 1x3 then 3x1) between 1x1 convolutions."""


class Edge(Spec, frozen=True, cache_hash=True):
    """An operation on a state: 0 is the output of the block before, 1 that of an earlier one, 2 the first pair's."""

    op: CellOp
    state: int

    def __post_init__(self) -> None:
        require(self.state >= 0, "state", f"must be at least 0, got {self.state}")


class Pair(Spec, frozen=True, cache_hash=True):
    """A new state: the sum of two operations on earlier ones."""

    left: Edge
    right: Edge


class Cell(Block, frozen=True, tag="cell"):
    """A cell of NASNet's kind, on the output of the block before and that of an earlier one (arXiv 1707.07012).

    Each of `pairs` makes a state of earlier ones. The stage's width is that of every state; the output stacks
    `outputs`, by default all states that no pair reads. Without a width the output keeps the input's. At stride 2
    operations on states 0 and 1 halve the map. The earlier input is `lookback` blocks back: 2 is the one before the
    last; with 1 both states are the same map, and state 1 is not projected. An earlier map of another size is
    factorised: two strided halves, one shifted by a position. With `shifted`, the separable filters and the pooling of
    a reduction lie where TensorFlow's padding puts them on maps of even sides, as the released NASNets compute it:
    zeros before the map, the first row and column dropped.

    >>> pair = Pair(left=Edge(op="separable_3x3", state=0), right=Edge(op="identity", state=1))
    >>> Cell(pairs=(pair,)).lower((8, 32, 32), 16, 1, Context()).outputs
    (5,)
    """

    pairs: tuple[Pair, ...]
    outputs: tuple[int, ...] = ()
    lookback: int = 2
    shifted: bool = False
    activation: BlockActivation = None

    def __post_init__(self) -> None:
        require(len(self.pairs) > 0, "pairs", "must hold at least one pair")
        require(1 <= self.lookback <= 8, "lookback", f"must be 1 to 8 blocks back, got {self.lookback}")
        for index, pair in enumerate(self.pairs):
            for side, edge in (("left", pair.left), ("right", pair.right)):
                rule = f"pair {index} reads state {edge.state}, but only states 0 to {index + 1} come before it"
                require(edge.state < index + 2, f"pairs[{index}].{side}.state", rule)
        for index, state in enumerate(self.outputs):
            rule = f"must be a state, 0 to {len(self.pairs) + 1}, got {state}"
            require(0 <= state < len(self.pairs) + 2, f"outputs[{index}]", rule)
        require(len(set(self.outputs)) == len(self.outputs), "outputs", f"must differ, got {self.outputs}")

    @property
    def num_inputs(self) -> int:
        return self.lookback

    @property
    def output_states(self) -> tuple[int, ...]:
        """The states whose stack is the cell's output."""
        if self.outputs:
            return self.outputs
        read = {edge.state for pair in self.pairs for edge in (pair.left, pair.right)}
        return tuple(state for state in range(2, len(self.pairs) + 2) if state not in read)

    def lower(self, shape: Shape, width: int | None, stride: Sides, context: Context, drop_rate: float = 0.0) -> Layer:
        return _lowered(self, (shape,) * self.lookback, width, stride, context, drop_rate)

    def lower_on(
        self, shapes: tuple[Shape, ...], width: int | None, stride: Sides, context: Context, drop_rate: float = 0.0
    ) -> Layer:
        return _lowered(self, shapes, width, stride, context, drop_rate)


class _State(NamedTuple):
    """A value of the graph that is built, its channels, and whether it still has the size of the cell's input."""

    value: int
    width: int
    is_input: bool


class _Builder:
    """The graph of one cell while it grows."""

    def __init__(self, cell: Cell, width: int, stride: Sides, context: Context, drop_rate: float) -> None:
        self.width = width
        self.stride = stride
        self.context = context
        self.activation = cell.activation
        self.drop_rate = drop_rate
        self.is_shifted = cell.shifted and stride != 1
        self.num_inputs = cell.num_inputs
        self.names: list[str] = []
        self.nodes: list[Node] = []

    def add(self, name: str, layer: Layer, *inputs: int, is_shifted: bool = False) -> int:
        """Add a node and give the number of its value; a shifted one follows the cell's input."""
        self.names.append(name)
        self.nodes.append(Node(layer, inputs, shifted_like=self.num_inputs - 1 if is_shifted else None))
        return self.num_inputs + len(self.nodes) - 1

    def conv(self, in_width: int, kernel: tuple[int, int] = (1, 1), stride: Sides = 1, width: int = 0) -> Sequence:
        """Activation, convolution, norm."""
        width = width or self.width
        return seq(
            act=self.context.activate(self.activation),
            conv=self.context.filter(in_width, width, kernel, stride, bias=False),
            norm=self.context.normalise(width),
        )

    def apply(self, name: str, edge: Edge, state: _State) -> int:
        """The value of an operation on a state."""
        stride = self.stride if state.is_input else 1
        layer = self._operation(edge.op, state.width, stride)
        if layer is None:
            return state.value
        value = state.value
        if self.is_shifted and isinstance(layer, Sequence) and "aligned" in layer.names:
            value = self.add(f"{name}_aligned", layer.layers[0], value, is_shifted=True)
            layer = Sequence(layer.names[1:], layer.layers[1:])
        if self.drop_rate and edge.op != "identity":
            layer = seq(op=layer, drop=DropPath(self.drop_rate))
        return self.add(name, layer, value) if layer != Sequence((), ()) else value

    def _operation(self, op: CellOp, in_width: int, stride: Sides) -> Layer | None:
        if op == "identity":
            return None if stride == 1 and in_width == self.width else self.conv(in_width, stride=stride)
        kind, _, _ = op.partition("_")
        sides = [(int(height), int(width)) for height, width in re.findall(r"(\d)x(\d)", op)]
        if "pool" in op:
            return self._pool("max" if kind == "max" else "avg", sides[0], in_width, stride)
        if kind == "separable":
            return self._separable(in_width, sides[0], stride)
        if op == "conv_1x1":
            return self.conv(in_width, stride=stride)
        return self._narrowed(op, sides, in_width, stride)

    def _pool(self, kind: Literal["max", "avg"], kernel: tuple[int, int], in_width: int, stride: Sides) -> Layer:
        pool = Pool(kind, kernel, pair_of(stride), (kernel[0] // 2, kernel[1] // 2))
        layers: dict[str, Layer | None] = {"aligned" if stride != 1 else "pool": pool}
        if in_width != self.width:
            layers["conv"] = self.context.filter(in_width, self.width, bias=False)
            layers["norm"] = self.context.normalise(self.width)
        return seq(**layers)

    def _separable(self, in_width: int, kernel: tuple[int, int], stride: Sides) -> Sequence:
        """Twice activation, depthwise and pointwise filter, norm."""
        act, norm = self.context.activate(self.activation), self.context.normalise(self.width)
        return seq(
            aligned=seq(act=act, **self._filters(in_width, kernel, stride)),
            norm=norm,
            act=act,
            **self._filters(self.width, kernel, 1),
            last_norm=norm,
        )

    def _filters(self, in_width: int, kernel: tuple[int, int], stride: Sides) -> dict[str, Layer]:
        return {
            "depthwise": self.context.filter(in_width, in_width, kernel, stride, groups=in_width, bias=False),
            "pointwise": self.context.filter(in_width, self.width, bias=False),
        }

    def _narrowed(self, op: CellOp, sides: list[tuple[int, int]], in_width: int, stride: Sides) -> Layer:
        """Wide convolutions between 1x1 ones; of a pair of long ones each strides along its length."""
        narrow = max(1, self.width * 3 // 8 if op == "conv_1x3_3x1" else self.width // 4)
        layers: list[Layer] = [self.conv(in_width, width=narrow)]
        for height, width in sides:
            step = self.conv(narrow, (height, width), width=narrow)
            filtered = step.layers[step.names.index("conv")]
            steps = pair_of(stride)
            along = (steps[0] if height > 1 else 1, steps[1] if width > 1 else 1)
            if op == "dilated_3x3":
                changed = structs.replace(filtered, stride=along, dilation=(2, 2), padding=(2, 2))
            else:
                changed = structs.replace(filtered, stride=along)
            layers.append(Sequence(step.names, tuple(changed if each is filtered else each for each in step.layers)))
        return chain([*layers, self.conv(narrow)])

    def halved(self, name: str, value: int, in_width: int, stride: tuple[int, int]) -> int:
        """Factorised reduction to the states' width: strided halves, one shifted by a position, stacked."""
        first = self.width // 2
        shifted = (int(stride[0] > 1), int(stride[1] > 1))
        shares = {"even": (first, (0, 0)), "odd": (self.width - first, shifted)}
        halves = {
            half: seq(
                pick=Subsample(stride, offset),
                conv=self.context.filter(in_width, share, bias=False),
            )
            for half, (share, offset) in shares.items()
            if share
        }
        layer = seq(
            act=self.context.activate(self.activation),
            halves=concat(**halves),
            norm=self.context.normalise(self.width),
        )
        return self.add(name, layer, value)


@lru_cache(maxsize=4096)
def _lowered(
    cell: Cell, shapes: tuple[Shape, ...], width: int | None, stride: Sides, context: Context, drop_rate: float
) -> Dag:
    """The cell's graph on maps of `shapes`, the earliest first."""
    outputs = cell.output_states
    shape = shapes[-1]
    require(len(outputs) > 0, "outputs", "every state is read by a pair, say which ones to stack")
    if width is None:
        require(shape[0] % len(outputs) == 0, "width", f"{len(outputs)} outputs cannot share {shape[0]} channels")
        width = shape[0] // len(outputs)
    graph = _Builder(cell, width, stride, context, drop_rate)
    newest = cell.num_inputs - 1
    states = [
        _State(graph.add("current", graph.conv(shape[0]), newest), width, True),
        _earlier(cell, graph, shapes, width),
    ]
    for index, pair in enumerate(cell.pairs):
        left = graph.apply(f"pair{index}_left", pair.left, states[pair.left.state])
        right = graph.apply(f"pair{index}_right", pair.right, states[pair.right.state])
        states.append(_State(graph.add(f"pair{index}", Identity(), left, right), width, False))
    stacked = tuple(_as_output(graph, state, states[state]) for state in outputs)
    return Dag(tuple(graph.names), tuple(graph.nodes), stacked, cell.num_inputs)


def _earlier(cell: Cell, graph: _Builder, shapes: tuple[Shape, ...], width: int) -> _State:
    """State 1: the earlier map in the size and the width of the states."""
    (channels, height, across), (_, now_height, now_across) = shapes[0], shapes[-1]
    if cell.lookback == 1:
        return _State(0, channels, True)
    if (height, across) != (now_height, now_across):
        steps = (-(-height // now_height), -(-across // now_across))
        if (-(-height // steps[0]), -(-across // steps[1])) != (now_height, now_across):
            raise SpecError(
                "lookback", f"no stride brings the earlier map of {height} x {across} to {now_height} x {now_across}"
            )
        return _State(graph.halved("earlier", 0, channels, steps), width, True)
    if channels == width:
        return _State(0, width, True)
    return _State(graph.add("earlier", graph.conv(channels), 0), width, True)


def _as_output(graph: _Builder, number: int, state: _State) -> int:
    """A state's value in the size of the cell's output."""
    if not state.is_input or (graph.stride == 1 and state.width == graph.width):
        return state.value
    return graph.halved(f"output{number}", state.value, state.width, pair_of(graph.stride))
