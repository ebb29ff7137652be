"""Graphs of layers, histories, and networks with auxiliary heads: how each is counted is written beside it.

| name | meaning |
|---|---|
| value | a map in a graph, known by its number: the graph's inputs first, from 0, then the output of each node |
| node | a layer, the values that it reads, and how several become one (`add`, `mean` or `concat`) |
| outputs | the values that leave the graph, stacked along the channels |
| `maps` | the distinct maps before a graph; several inputs may be the same map |
| `reads` | for each input of a graph, the index of its map in `maps` |
| `keeps` | for each of `maps`, whether something behind the graph still needs it (`keep` of `naslab.arch.tally`) |
| step | a layer of a history; value 0 is the history's input, value i the output of step i - 1 |

A map is alive until the last node that reads it has run. `add` and `mean` write over one of their inputs where a map
is read for the last time; `concat` always makes a new map. One example: a graph on a map x of shape (4, 4, 4), 64
values. Node `a` is a 3 x 3 convolution on x; node `b` stacks x and a and makes two channels of the eight.

>>> from naslab.arch.layers.convolution import Conv
>>> nodes = (Node(Conv(4, 4, (3, 3), padding=(1, 1)), inputs=(0,)), Node(Conv(8, 2), inputs=(0, 1), join="concat"))
>>> tally(Dag(("a", "b"), nodes, outputs=(2,)), (4, 4, 4))
Tally(out_shape=(2, 4, 4), params=160, macs=2560, activations=96, peak=256, span=(2, 2, 2, 1, 1))

By hand: x and a are values 0 and 1, b's output is value 2. While `a` runs, x and its output are alive, 64 + 64. The
stack of x and a, 128 values, is made while both are alive: 64 + 64 + 128 = 256, the peak. Nothing reads them again, so
`b` runs with the stack and its output alone, 128 + 32. Parameters are 4 * 9 * 4 + 8 * 2 = 160, each used at 16
positions. The span of b's input is the larger one of x's and a's, (1, 2, 2, 1, 1); its 1 x 1 convolution adds depth 1.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

import msgspec
from msgspec import structs

from naslab.arch.declaration import (
    Counts,
    Declaration,
    HeightWidth,
    Layer,
    NamedPart,
    Shape,
    declare,
    keeps_zero,
    named_parts,
)
from naslab.arch.layers.activation import Act
from naslab.arch.layers.combinators import Sequence, row_words, sequence_parts
from naslab.arch.layers.convolution import Conv
from naslab.arch.layers.words import counted
from naslab.arch.span import POINT, Span, joined, then
from naslab.arch.tally import Tally, counts, num_values, tally
from naslab.errors import SpecError


class Node(msgspec.Struct, frozen=True, gc=False):
    """One step of a `Dag`: the values it reads, how several become one, and the layer on that.

    Value 0 is the graph's first input, further inputs follow, then the nodes in their order. With `shifted_like` the
    first windows of the layer are left out wherever value `shifted_like` has an even side: the place of TensorFlow's
    windows on even maps. `running` says how that is computed.
    """

    layer: Layer
    inputs: tuple[int, ...]
    join: Literal["add", "mean", "concat"] = "add"
    shifted_like: int | None = None


class Dag(Layer, frozen=True, gc=False, cache_hash=True):
    """A graph of layers: `nodes` in order under their `names`, the values `outputs` stacked along the channels.

    A graph with `num_inputs` above 1 that is given one map reads it for all of them; inside a `History` it reads the
    last outputs.
    In training every `mean` drops each of its inputs with probability `drop_rate`, never all: drop-path
    (Larsson et al. 2017, arXiv 1605.07648).
    """

    names: tuple[str, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]
    num_inputs: int = 1
    drop_rate: float = 0.0


class History(Layer, frozen=True, gc=False):
    """`layers` one after another under their `names`, where a `Dag` of n inputs reads the last n outputs, oldest first.

    Where there are fewer, the history's input stands for those that are missing. Any other layer reads the last
    output. The layers of a history inside a history count as the outer one's own.
    """

    names: tuple[str, ...]
    layers: tuple[Layer, ...]


class Supervised(Layer, frozen=True, gc=False):
    """A network, `body`, with auxiliary heads behind some of its parts, in training only (arXiv 1409.4842, section 5).

    `taps` are triples of a part's name, the head that reads its output, and the factor of the head's loss.
    """

    body: Sequence | History
    taps: tuple[tuple[str, Layer, float], ...]


def _count_dag(layer: Dag, shape: Shape, keep: bool) -> Counts:
    return dag_tally(layer, (shape,), (0,) * layer.num_inputs, (keep,))


def dag_tally(
    layer: Dag, maps: tuple[Shape, ...], reads: tuple[int, ...], keeps: tuple[bool, ...], spans: tuple[Span, ...] = ()
) -> Tally:
    """Count the graph `layer` whose input i is `maps[reads[i]]`; `keeps` says which maps are needed afterwards.

    `spans` are those from the start of a history to each of `maps`; without them the graph's own span is counted, from
    each of its inputs. The peak leaves out maps that the graph does not read and later steps do. Raises `SpecError`
    naming the node that does not fit.
    """
    total, nodes = _nodes_tally(layer, maps, reads, keeps)
    values = [spans[index] if spans else POINT for index in reads]
    for node, span in zip(layer.nodes, nodes, strict=True):
        inputs = node.inputs
        before = values[inputs[0]] if len(inputs) == 1 else joined([values[index] for index in inputs])
        values.append(before if span is POINT else then(before, span))
    return total._replace(span=joined([values[index] for index in layer.outputs]))


@lru_cache(maxsize=16384)
def _nodes_tally(
    layer: Dag, maps: tuple[Shape, ...], reads: tuple[int, ...], keeps: tuple[bool, ...]
) -> tuple[Tally, tuple[Span, ...]]:
    """A graph's counts, and the spans of its nodes' layers: what they see together depends on what the inputs do."""
    values = [maps[index] for index in reads]
    place = [*reads, *range(len(maps), len(maps) + len(layer.nodes))]
    sizes = [num_values(each) for each in maps] + [0] * len(layer.nodes)
    left = _reads_left(layer, place, keeps)
    alive = sum(size for size, count in zip(sizes, left, strict=True) if count)
    params = macs = activations = peak = 0
    spans: list[Span] = []
    for name, node in zip(layer.names, layer.nodes, strict=True):
        try:
            shape = joined_shape(node, values)
            sources = [place[index] for index in node.inputs]
            for source in sources:
                left[source] -= 1
            freed = sum(sizes[source] for source in set(sources) if not left[source])
            is_shifted = running(node).is_shifted
            alone = len(sources) == 1 and not is_shifted
            part = node_tally(node, values, alone and left[sources[0]] > 0)
            if is_shifted:
                peak = max(peak, alive + part.peak)
            elif alone:
                peak = max(peak, alive - sizes[sources[0]] + part.peak)
            else:
                in_place = freed > 0 and node.join != "concat"
                peak = max(peak, alive + (0 if in_place else num_values(shape)), alive - freed + part.peak)
        except SpecError as error:
            raise error.inside(name) from None
        params, macs, activations = params + part.params, macs + part.macs, activations + part.activations
        spans.append(part.span)
        made = place[len(values)]
        sizes[made] = num_values(part.out_shape)
        alive += (sizes[made] if left[made] else 0) - freed
        values.append(part.out_shape)
    out = _stacked([values[index] for index in layer.outputs])
    peak = max(peak, alive + (num_values(out) if len(layer.outputs) > 1 else 0))
    return Tally(out, params, macs, activations, peak, POINT), tuple(spans)


_layer_tally = lru_cache(maxsize=16384)(tally)
"""Cells are made of few operations, at few sizes."""


class Running(NamedTuple):
    """How a node runs: `layer` on the joined map behind the zeros that the graph puts around it.

    `margin` is the part of the padding of its first convolution, of `stride`, that the graph adds in its place: on each
    side of the map, but where windows are shifted `stride` - 1 fewer before it. Without `margin` a shifted `layer` runs
    behind one more row or column of zeros, and its first row or column is dropped.
    """

    layer: Layer
    is_shifted: bool = False
    margin: HeightWidth | None = None
    stride: HeightWidth = (1, 1)


def running(node: Node) -> Running:
    """How `node` runs, on maps of any size.

    A shifted convolution is computed at the windows that stay, behind an activation that makes zeros of zeros too; one
    of stride 1 is where it would be in any case.

    >>> from naslab.arch.layers.convolution import Conv
    >>> run = running(Node(Conv(4, 4, (5, 5), (2, 2), padding=(2, 2)), (0,), shifted_like=0))
    >>> run.layer.padding, run.margin
    ((1, 1), (1, 1))
    """
    return Running(node.layer) if node.shifted_like is None else _running_shifted(node.layer)


@lru_cache(maxsize=4096)
def _running_shifted(layer: Layer) -> Running:
    parts = layer.layers if isinstance(layer, Sequence) else (layer,)
    place = next((index for index, part in enumerate(parts) if not isinstance(part, Act)), 0)
    conv = parts[place] if parts else None
    if not isinstance(conv, Conv) or not all(keeps_zero(act) for act in parts[:place]):
        return Running(layer, is_shifted=True)
    if conv.stride == (1, 1):
        return Running(layer)
    (below, right), (down, across) = conv.padding, conv.stride
    margin = (min(below, down - 1), min(right, across - 1))
    inner: Layer = structs.replace(conv, padding=(below - margin[0], right - margin[1]))
    if isinstance(layer, Sequence):
        inner = Sequence(layer.names, (*parts[:place], inner, *parts[place + 1 :]))
    return Running(inner, True, margin, conv.stride)


def node_tally(node: Node, values: list[Shape], keep: bool = False) -> Tally:
    """Count the layer of `node` on the values that it reads, `values` being the shapes of all before it.

    The peak counts the joined map and what the layer makes of it; `keep` says that the joined map is needed afterwards.
    Raises `SpecError` where the values cannot be joined or the layer does not fit them.
    """
    shape = joined_shape(node, values)
    if node.shifted_like is None:
        return _layer_tally(node.layer, shape, keep)
    run = running(node)
    if run.is_shifted and min(shape) < 1:
        raise _nothing_left(node, values)
    part = _layer_tally(run.layer, shape, keep)
    if not run.is_shifted or run.margin is not None:
        return part
    top, left = _shift(node, values)
    channels, height, width = part.out_shape
    if height <= top or width <= left:
        raise _nothing_left(node, values)
    return part._replace(out_shape=(channels, height - top, width - left))


def _shift(node: Node, values: list[Shape]) -> HeightWidth:
    """Whether rows and columns are shifted."""
    assert node.shifted_like is not None
    _, height, width = values[node.shifted_like]
    return 1 - height % 2, 1 - width % 2


def _nothing_left(node: Node, values: list[Shape]) -> SpecError:
    rule = "no shifted window starts on a map of {} x {}; the input is too small for the strides before it"
    return SpecError("", rule.format(*_joined(node, values)[1:]))


def _reads_left(layer: Dag, place: list[int], keeps: tuple[bool, ...]) -> list[int]:
    """How often each map and each node's output is read, by the nodes, as an output, or afterwards."""
    left = [int(keep) for keep in keeps] + [0] * len(layer.nodes)
    for index in (*(index for node in layer.nodes for index in node.inputs), *layer.outputs):
        if index >= len(place):
            raise SpecError("", f"reads value {index}, but there are only {len(place)}")
        left[place[index]] += 1
    return left


def joined_shape(node: Node, values: list[Shape]) -> Shape:
    """The shape of the map on which `running(node).layer` runs, `values` being the shapes of all values before it.

    A shifted node's map has the zeros around it. Raises `SpecError` for a value that is not there yet, and for maps
    that cannot be joined: sums need equal shapes, stacks equal sides.
    """
    if max(node.inputs) >= len(values):
        raise SpecError("", f"reads value {max(node.inputs)}, but only {len(values)} come before it")
    shape = _joined(node, values)
    run = running(node)
    if not run.is_shifted:
        return shape
    channels, height, width = shape
    top, left = _shift(node, values)
    if run.margin is None:
        return channels, height + top, width + left
    (below, right), (down, across) = run.margin, run.stride
    return channels, height + 2 * below - top * (down - 1), width + 2 * right - left * (across - 1)


def _joined(node: Node, values: list[Shape]) -> Shape:
    shapes = [values[index] for index in node.inputs]
    if len(shapes) == 1:
        return shapes[0]
    if node.join == "concat":
        return _stacked(shapes)
    if any(shape != shapes[0] for shape in shapes):
        raise SpecError("", f"cannot {node.join} maps of {' and '.join(map(str, shapes))}")
    return shapes[0]


def _stacked(shapes: list[Shape]) -> Shape:
    if any(shape[1:] != shapes[0][1:] for shape in shapes):
        raise SpecError("", f"cannot stack maps of {' and '.join(map(str, shapes))}")
    return (sum(shape[0] for shape in shapes), *shapes[0][1:])


declare(
    Dag,
    Declaration(
        count=_count_dag,
        parts=lambda layer: tuple(zip(layer.names, (node.layer for node in layer.nodes), strict=True)),
        words=lambda layer: f"graph of {counted(len(layer.nodes), 'node')}",
    ),
)


def _count_history(layer: History, shape: Shape, keep: bool) -> Counts:
    steps = history_steps(layer)
    reads = [step_reads(index, each) for index, (_, each) in enumerate(steps)]
    last_read = dict.fromkeys(range(len(steps) + 1), -1)
    for index, (_, each) in enumerate(steps):
        last_read |= {reads[index][number]: index for number in inputs_read(each)}
    if keep:
        last_read[0] = len(steps)
    maps, spans = [shape], [POINT]
    params = macs = activations = peak = 0
    for index, (name, each) in enumerate(steps):
        wanted = reads[index]
        held = sum(
            num_values(maps[value]) for value in range(index) if last_read[value] >= index and value not in wanted
        )
        try:
            if isinstance(each, Dag):
                distinct = sorted(set(wanted))
                part = dag_tally(
                    each,
                    tuple(maps[value] for value in distinct),
                    tuple(distinct.index(value) for value in wanted),
                    tuple(last_read[value] > index for value in distinct),
                    tuple(spans[value] for value in distinct),
                )
                span = part.span
            else:
                part = tally(each, maps[-1], last_read[index] > index)
                span = then(spans[-1], part.span)
        except SpecError as error:
            raise error.inside(name) from None
        params, macs, activations = params + part.params, macs + part.macs, activations + part.activations
        peak = max(peak, held + part.peak)
        maps.append(part.out_shape)
        spans.append(span)
    return maps[-1], params, macs, activations, peak or num_values(shape), spans[-1]


def history_steps(layer: History) -> list[tuple[str, Layer]]:
    """The steps of a history: its layers in order, those of inner histories among them, each with its path."""
    steps: list[tuple[str, Layer]] = []
    for name, each in zip(layer.names, layer.layers, strict=True):
        if isinstance(each, History):
            steps.extend((f"{name}.{inner}", part) for inner, part in history_steps(each))
        else:
            steps.append((name, each))
    return steps


def step_reads(index: int, layer: Layer) -> tuple[int, ...]:
    """The values that `layer` reads as step `index` (from 0) of a history, oldest first.

    Value 0 is the history's input, value i the output of step i - 1. Value 0 stands for those before it.

    >>> from naslab.arch.layers.activation import Act
    >>> cell = Dag(("sum",), (Node(Act("relu"), (0, 1)),), outputs=(2,), num_inputs=2)
    >>> step_reads(0, cell), step_reads(3, cell), step_reads(3, Act("relu"))
    ((0, 0), (2, 3), (3,))
    """
    count = layer.num_inputs if isinstance(layer, Dag) else 1
    return tuple(max(0, index + 1 - count + each) for each in range(count))


def inputs_read(layer: Layer) -> set[int]:
    """The numbers of a layer's inputs that it reads: a graph may have inputs that no node and no output reads."""
    if not isinstance(layer, Dag):
        return {0}
    used = {index for node in layer.nodes for index in node.inputs} | set(layer.outputs)
    return {index for index in used if index < layer.num_inputs}


declare(
    History,
    Declaration(count=_count_history, parts=sequence_parts, words=lambda layer: row_words(layer.names)),
)


def _count_supervised(layer: Supervised, shape: Shape, keep: bool) -> Counts:
    return counts(layer.body, shape, keep)


def _supervised_parts(layer: Supervised) -> tuple[NamedPart, ...]:
    """The parts of the body: by convention auxiliary heads are no part of what a network costs."""
    return named_parts(layer.body)


declare(
    Supervised,
    Declaration(count=_count_supervised, parts=_supervised_parts, words=lambda layer: row_words(layer.body.names)),
)
