"""Graphs of layers: how they are counted is written beside them.

| name | meaning |
|---|---|
| value | a map in a graph, known by its number: the graph's inputs first, from 0, then the output of each node |
| node | a layer, the values that it reads, and how several become one (`add`, `mean` or `concat`) |
| outputs | the values that leave the graph, stacked along the channels |
| `maps` | the distinct maps before a graph; several inputs may be the same map |
| `reads` | for each input of a graph, the index of its map in `maps` |
| `keeps` | for each of `maps`, whether something behind the graph still needs it (`keep` of `naslab.arch.tally`) |

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

from collections.abc import Sequence as AnySequence
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import structs

from naslab.arch.declaration import (
    Counts,
    Declaration,
    HeightWidth,
    Layer,
    Shape,
    declare,
    keeps_zero,
)
from naslab.arch.layers.activation import Act
from naslab.arch.layers.combinators import Sequence
from naslab.arch.layers.convolution import Conv
from naslab.arch.span import POINT, Span, joined, then
from naslab.arch.tally import Tally, num_values, tally
from naslab.errors import SpecError, counted

Shapes: TypeAlias = AnySequence[Shape]


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
    total = graph_counts(layer, maps, reads, keeps)
    values = [spans[index] if spans else POINT for index in reads]
    for node, span in zip(layer.nodes, _node_spans(layer, tuple(maps[index] for index in reads)), strict=True):
        inputs = node.inputs
        before = values[inputs[0]] if len(inputs) == 1 else joined([values[index] for index in inputs])
        values.append(before if span is POINT else then(before, span))
    return total._replace(span=joined([values[index] for index in layer.outputs]))


@lru_cache(maxsize=16384)
def graph_shapes(layer: Dag, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
    """The shapes of all values of a graph whose inputs are of the shapes `inputs`, and behind them that of its output.

    Raises `SpecError` naming the node that does not fit.
    """
    values = list(inputs)
    for name, node in zip(layer.names, layer.nodes, strict=True):
        try:
            values.append(node_tally(node, values).out_shape)
        except SpecError as error:
            raise error.inside(name) from None
    for index in layer.outputs:
        if index >= len(values):
            raise SpecError("", f"reads value {index}, but there are only {len(values)}")
    return (*values, _stacked([values[index] for index in layer.outputs]))


@lru_cache(maxsize=16384)
def _node_spans(layer: Dag, inputs: tuple[Shape, ...]) -> tuple[Span, ...]:
    """The spans of a graph's nodes: what they see together depends on what the inputs do."""
    values = graph_shapes(layer, inputs)[:-1]
    found = []
    for count, node in enumerate(layer.nodes, layer.num_inputs):
        found.append(node_tally(node, list(values[:count])).span)
    return tuple(found)


@lru_cache(maxsize=16384)
def graph_counts(layer: Dag, maps: tuple[Shape, ...], reads: tuple[int, ...], keeps: tuple[bool, ...]) -> Tally:
    """As `dag_tally` of the graph `layer`, without the span: `POINT` stands for it.

    `maps` are the shapes of all outputs so far, `reads` the places among them of what the graph takes, and `keeps`
    says of each of `maps` whether it is needed behind the graph.
    """
    shapes = graph_shapes(layer, tuple(maps[index] for index in reads))
    place = [*reads, *range(len(maps), len(maps) + len(layer.nodes))]
    sizes = [num_values(each) for each in maps] + [0] * len(layer.nodes)
    left = _reads_left(layer, place, keeps)
    alive = sum(size for size, count in zip(sizes, left, strict=True) if count)
    params = macs = activations = peak = 0
    for made, node in enumerate(layer.nodes, len(maps)):
        inputs = node.inputs
        number = made - len(maps) + layer.num_inputs
        out = shapes[number]
        size = sizes[made] = out[0] * out[1] * out[2]
        if len(inputs) == 1 and node.shifted_like is None:
            source = place[inputs[0]]
            left[source] -= 1
            kept = left[source] > 0
            part = _layer_tally(node.layer, shapes[inputs[0]], kept)
            freed = 0 if kept else sizes[source]
            most = alive - sizes[source] + part.peak
        else:
            sources = [place[index] for index in inputs]
            for source in sources:
                left[source] -= 1
            freed = sum([sizes[source] for source in set(sources) if not left[source]])
            part = node_tally(node, shapes[:number])
            if running(node).is_shifted:
                most = alive + part.peak
            elif len(inputs) == 1:
                alone = node_tally(node, shapes[:number], left[sources[0]] > 0)
                most = alive - sizes[sources[0]] + alone.peak
            else:
                in_place = freed > 0 and node.join != "concat"
                joined_size = num_values(joined_shape(node, shapes[:number]))
                most = max(alive + (0 if in_place else joined_size), alive - freed + part.peak)
        if most > peak:
            peak = most
        params, macs, activations = params + part.params, macs + part.macs, activations + part.activations
        alive += (size if left[made] else 0) - freed
    if len(layer.outputs) > 1:
        peak = max(peak, alive + num_values(shapes[-1]))
    return Tally(shapes[-1], params, macs, activations, peak, POINT)


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


def node_tally(node: Node, values: Shapes, keep: bool = False) -> Tally:
    """Count the layer of `node` on the values that it reads, `values` being the shapes of all before it.

    The peak counts the joined map and what the layer makes of it; `keep` says that the joined map is needed afterwards.
    Raises `SpecError` where the values cannot be joined or the layer does not fit them.
    """
    if node.shifted_like is None:
        return _layer_tally(node.layer, _joined(node, values), keep)
    shape = joined_shape(node, values)
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


def _shift(node: Node, values: Shapes) -> HeightWidth:
    """Whether rows and columns are shifted."""
    assert node.shifted_like is not None
    _, height, width = values[node.shifted_like]
    return 1 - height % 2, 1 - width % 2


def _nothing_left(node: Node, values: Shapes) -> SpecError:
    rule = "no shifted window starts on a map of {} x {}; the input is too small for the strides before it"
    return SpecError("", rule.format(*_joined(node, values)[1:]))


def _reads_left(layer: Dag, place: list[int], keeps: tuple[bool, ...]) -> list[int]:
    """How often each map and each node's output is read, by the nodes, as an output, or afterwards."""
    left = [int(keep) for keep in keeps] + [0] * len(layer.nodes)
    for index in (*(index for node in layer.nodes for index in node.inputs), *layer.outputs):
        left[place[index]] += 1
    return left


def joined_shape(node: Node, values: Shapes) -> Shape:
    """The shape of the map on which `running(node).layer` runs, `values` being the shapes of all values before it.

    A shifted node's map has the zeros around it. Raises `SpecError` for a value that is not there yet, and for maps
    that cannot be joined: sums need equal shapes, stacks equal sides.
    """
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


def _joined(node: Node, values: Shapes) -> Shape:
    try:
        shapes = [values[index] for index in node.inputs]
    except IndexError:
        rule = f"reads value {max(node.inputs)}, but only {len(values)} come before it"
        raise SpecError("", rule) from None
    if len(shapes) == 1:
        return shapes[0]
    if node.join == "concat":
        return _stacked(shapes)
    if shapes.count(shapes[0]) < len(shapes):
        raise SpecError("", f"cannot {node.join} maps of {' and '.join(map(str, shapes))}")
    return shapes[0]


def _stacked(shapes: list[Shape]) -> Shape:
    if len({shape[1:] for shape in shapes}) > 1:
        raise SpecError("", f"cannot stack maps of {' and '.join(map(str, shapes))}")
    return (sum([shape[0] for shape in shapes]), *shapes[0][1:])


declare(
    Dag,
    Declaration(
        count=_count_dag,
        parts=lambda layer: tuple(zip(layer.names, (node.layer for node in layer.nodes), strict=True)),
        words=lambda layer: f"graph of {counted(len(layer.nodes), 'node')}",
    ),
)
