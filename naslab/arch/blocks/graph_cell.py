"""Cells whose nodes sum operations on earlier states, as many as each has: NAS-Bench-201, NATS-Bench, DARTS."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from msgspec import structs

from naslab.arch.block import Block, BlockActivation, Context, Spec, require
from naslab.arch.blocks.cell_operations import Operation, activated_conv, factorised_reduction, operation_layer
from naslab.arch.plan import Dag, DropPath, Identity, Layer, Node, Shape, Subsample, Zeros, seq
from naslab.arch.sides import Sides, pair_of
from naslab.errors import SpecError


class CellInput(Spec, frozen=True, cache_hash=True):
    """What a node reads: an operation on a `state`, whose numbers are those of `GraphCell`."""

    op: Operation
    state: int

    def __post_init__(self) -> None:
        require(self.state >= 0, "state", f"must be at least 0, got {self.state}")


class GraphCell(Block, frozen=True, tag="graph_cell"):
    """A cell whose `nodes` each sum any number of operations on earlier states.

    With one of `inputs` state 0 is the output of the block before and the nodes are states 1, 2, ... (NAS-Bench-201,
    arXiv 2001.00326); with two, state 1 is an earlier output, `lookback` blocks back, and the nodes follow from 2 on
    (DARTS, arXiv 1806.09055). With `lookback` 1 both are the same map. The stage's width is that of every state; the
    output stacks the states `outputs`, by default all that no node reads. Without a width the output keeps the input's.

    Two inputs are brought to the width by activation, 1x1 convolution and norm, an earlier map of another size by a
    factorised reduction (two strided halves, one shifted by a position); of one input the operations that read it bring
    it to the width. At stride 2 operations on the inputs halve the map. `none` adds nothing; a node of nothing else is
    zeros. What a node sums is lowered by state and then by name, in whichever order it is written.

    >>> cell = GraphCell(nodes=((CellInput(op="nor_conv_3x3", state=0),), (CellInput(op="skip_connect", state=1),)))
    >>> cell.lower((8, 32, 32), 8, 1, Context()).names
    ('node0_0',)
    """

    nodes: tuple[tuple[CellInput, ...], ...]
    outputs: tuple[int, ...] = ()
    inputs: int = 1
    lookback: int = 2
    activation: BlockActivation = None

    def __post_init__(self) -> None:
        require(len(self.nodes) > 0, "nodes", "must hold at least one node")
        require(1 <= self.inputs <= 2, "inputs", f"must be 1 or 2, got {self.inputs}")
        require(1 <= self.lookback <= 8, "lookback", f"must be 1 to 8 blocks back, got {self.lookback}")
        for index, node in enumerate(self.nodes):
            require(len(node) > 0, f"nodes[{index}]", "must read at least one state; 'none' reads one as zeros")
            before = self.inputs + index
            for place, each in enumerate(node):
                if each.state >= before:
                    rule = f"node {index} reads state {each.state}, but only states 0 to {before - 1} come before it"
                    raise SpecError(f"nodes[{index}][{place}].state", rule)
        last = self.inputs + len(self.nodes) - 1
        for index, state in enumerate(self.outputs):
            require(0 <= state <= last, f"outputs[{index}]", f"must be a state, 0 to {last}, got {state}")
        require(len(set(self.outputs)) == len(self.outputs), "outputs", f"must differ, got {self.outputs}")

    @property
    def num_inputs(self) -> int:
        return 1 if self.inputs == 1 else self.lookback

    @property
    def output_states(self) -> tuple[int, ...]:
        """The states whose stack is the cell's output."""
        if self.outputs:
            return self.outputs
        read = {each.state for node in self.nodes for each in node}
        return tuple(state for state in range(self.inputs, self.inputs + len(self.nodes)) if state not in read)

    def lower(self, shape: Shape, width: int | None, stride: Sides, context: Context, drop_rate: float = 0.0) -> Layer:
        return _lowered(self, (shape,) * self.num_inputs, width, stride, context, drop_rate)

    def lower_on(
        self, shapes: tuple[Shape, ...], width: int | None, stride: Sides, context: Context, drop_rate: float = 0.0
    ) -> Layer:
        return _lowered(self, shapes, width, stride, context, drop_rate)

    def canonical(self, in_width: int, width: int | None, stride: Sides) -> Block:
        return structs.replace(self, nodes=_ordered(self.nodes))


def _ordered(nodes: tuple[tuple[CellInput, ...], ...]) -> tuple[tuple[CellInput, ...], ...]:
    """The nodes with what each sums in one order, in which cells lower too: however it is written it is one plan."""
    return tuple(tuple(sorted(node, key=lambda each: (each.state, each.op))) for node in nodes)


class _State(NamedTuple):
    """A value of the graph that is built, its channels, and whether it still has the size of the cell's input."""

    value: int
    width: int
    is_input: bool


class _Builder:
    """The graph of one cell while it grows."""

    def __init__(self, cell: GraphCell, width: int, stride: Sides, context: Context, drop_rate: float) -> None:
        self.cell = cell
        self.summed = _ordered(cell.nodes)
        self.width = width
        self.stride = stride
        self.context = context
        self.drop_rate = drop_rate
        self.names: list[str] = []
        self.nodes: list[Node] = []

    def add(self, name: str, layer: Layer, *inputs: int) -> int:
        """Add a node and give the number of its value."""
        self.names.append(name)
        self.nodes.append(Node(layer, inputs))
        return self.cell.num_inputs + len(self.nodes) - 1

    def brought(self, name: str, value: int, channels: int) -> int:
        """An input in the states' width."""
        layer = activated_conv(self.context, channels, self.width, activation=self.cell.activation)
        return self.add(name, layer, value)

    def smaller(self, name: str, value: int, channels: int, stride: tuple[int, int]) -> int:
        """A factorised reduction of a value to the states' width."""
        layer = factorised_reduction(self.context, channels, self.width, stride, self.cell.activation)
        return self.add(name, layer, value)

    def state(self, index: int, states: list[_State]) -> _State:
        """The state of node `index`, whose operations are added to the graph."""
        read = self.summed[index]
        terms = [self.apply(f"node{index}_{place}", each, states[each.state]) for place, each in enumerate(read)]
        values = [value for value in terms if value is not None]
        if not values:
            zeros = Zeros(self.width)
            layer = zeros if self.stride == 1 else seq(pick=Subsample(pair_of(self.stride)), zeros=zeros)
            return _State(self.add(f"node{index}", layer, states[0].value), self.width, False)
        alone = len(values) == 1
        return _State(values[0] if alone else self.add(f"node{index}", Identity(), *values), self.width, False)

    def apply(self, name: str, read: CellInput, state: _State) -> int | None:
        """The value of an operation on a state; nothing for `none`."""
        stride = self.stride if state.is_input else 1
        layer = operation_layer(read.op, state.width, self.width, stride, self.context, self.cell.activation)
        if layer is None or type(layer) is Identity:
            return None if layer is None else state.value
        if self.drop_rate:
            layer = seq(op=layer, drop=DropPath(self.drop_rate))
        return self.add(name, layer, state.value)


@lru_cache(maxsize=4096)
def _lowered(
    cell: GraphCell, shapes: tuple[Shape, ...], width: int | None, stride: Sides, context: Context, drop_rate: float
) -> Layer:
    """The cell's graph on maps of `shapes`, the earliest first; the identity where it passes its input on."""
    outputs = cell.output_states
    channels = shapes[-1][0]
    if width is None:
        require(channels % len(outputs) == 0, "width", f"{len(outputs)} outputs cannot share {channels} channels")
        width = channels // len(outputs)
    graph = _Builder(cell, width, stride, context, drop_rate)
    newest = cell.num_inputs - 1
    if cell.inputs == 1:
        states = [_State(newest, channels, True)]
    else:
        current = graph.brought("current", newest, channels)
        states = [_State(current, width, True), _State(_earlier(graph, shapes), width, True)]
    for index in range(len(cell.nodes)):
        states.append(graph.state(index, states))
    stacked = tuple(_as_output(graph, number, states[number]) for number in outputs)
    if not graph.nodes and stacked == (newest,):
        return Identity()
    return Dag(tuple(graph.names), tuple(graph.nodes), stacked, cell.num_inputs)


def _earlier(graph: _Builder, shapes: tuple[Shape, ...]) -> int:
    """State 1: the earlier map in the size and the width of the states."""
    (channels, height, across), (_, now_height, now_across) = shapes[0], shapes[-1]
    if (height, across) == (now_height, now_across):
        return graph.brought("earlier", 0, channels)
    steps = (-(-height // now_height), -(-across // now_across))
    if (-(-height // steps[0]), -(-across // steps[1])) != (now_height, now_across):
        rule = f"no stride brings the earlier map of {height} x {across} to {now_height} x {now_across}"
        raise SpecError("lookback", rule)
    return graph.smaller("earlier", 0, channels, steps)


def _as_output(graph: _Builder, number: int, state: _State) -> int:
    """A state's value in the size of the cell's output."""
    if not state.is_input or (graph.stride == 1 and state.width == graph.width):
        return state.value
    if graph.stride == 1:
        return graph.brought(f"output{number}", state.value, state.width)
    return graph.smaller(f"output{number}", state.value, state.width, pair_of(graph.stride))
