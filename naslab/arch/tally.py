"""Counting a plan: one fold that gives every layer's output shape, parameters, multiply-accumulates, activations,
peak memory, depth and receptive field as exact integers.

Conventions. `macs` are multiply-accumulates of convolution and linear layers, bias not counted. `activations` are
output elements of convolutions (Radosavovic et al. 2020, arXiv 2003.13678). `peak` is the largest number of values
alive at once in an inference forward of one image: a layer's input and output while it runs, whatever waits for a
join, elementwise layers in place. Depth and receptive field are a `naslab.arch.span`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from operator import length_hint
from typing import Any

from naslab.arch.plan import (
    Act,
    Concat,
    Dag,
    Flatten,
    Gate,
    History,
    Identity,
    Layer,
    Node,
    Residual,
    Sequence,
    Shape,
    Supervised,
    layer_kind,
)
from naslab.arch.primitives import PRIMITIVES, Counts, Tally, num_values
from naslab.arch.span import POINT, Span, joined, then
from naslab.errors import SpecError


def tally(layer: Layer, shape: Shape, keep: bool = False) -> Tally:
    """Count `layer` on one map of `shape`; `keep` says that something else still needs the input afterwards.

    >>> from naslab.arch.plan import Conv
    >>> tally(Conv(3, 16, (3, 3), padding=(1, 1)), (3, 8, 8))
    Tally(out_shape=(16, 8, 8), params=432, macs=27648, activations=1024, peak=1216, span=(1, 2, 2, 1, 1))
    """
    return Tally(*counts(layer, shape, keep))


def counts(layer: Layer, shape: Shape, keep: bool = False) -> Counts:
    """What `tally` counts, bare."""
    return _named("", layer, shape, keep)


def _sequence(layer: Sequence, shape: Shape, keep: bool) -> Counts:
    params = macs = activations = peak = held = 0
    span = POINT
    kept = shape[0] * shape[1] * shape[2] if keep else 0
    rest = iter(layer.layers)
    try:
        for each in rest:
            if type(each) is Act and not keep:
                continue  # in place and without weights: no more than what is before it
            shape, more_params, more_macs, more_activations, more_peak, more = _COUNTERS[type(each)](each, shape, keep)
            params += more_params
            macs += more_macs
            activations += more_activations
            if more_peak > peak:
                peak = more_peak
            if more is not POINT:
                span = more if span is POINT else then(span, more)
            if keep and more_peak > kept:  # it made a map of its own: from here on the input is held beside `peak`
                keep = False
                held = kept
                peak -= kept
    except (SpecError, KeyError) as error:
        raise _inside(layer.names[-1 - length_hint(rest)], each, error) from None
    return shape, params, macs, activations, held + peak or shape[0] * shape[1] * shape[2], span


def _residual(layer: Residual, shape: Shape, keep: bool) -> Counts:
    out, params, macs, activations, peak, span = _named("body", layer.body, shape, True)
    size = out[0] * out[1] * out[2]
    if type(layer.shortcut) is Identity:
        if out != shape:
            raise SpecError("", f"the body makes {out} of {shape}; an identity shortcut cannot be added")
        return out, params, macs, activations, max(peak, 2 * size), span
    way, more_params, more_macs, more_activations, more_peak, more = _named("shortcut", layer.shortcut, shape, keep)
    if way != out:
        raise SpecError("", f"the body makes {out}, the shortcut {way}")
    peak = max(peak, size + more_peak)
    return out, params + more_params, macs + more_macs, activations + more_activations, peak, joined((span, more))


def _gate(layer: Gate, shape: Shape, keep: bool) -> Counts:
    out, params, macs, activations, peak, _ = _named("gate", layer.body, shape, True)
    channels, height, width = shape
    if out[0] != channels:
        raise SpecError("", f"the gate makes {out[0]} channels for {channels}")
    size = channels * height * width
    product = (size + size if keep else size) + out[0] * out[1] * out[2]
    return shape, params, macs, activations, product if product > peak else peak, POINT


def _concat(layer: Concat, shape: Shape, keep: bool) -> Counts:
    params = macs = activations = peak = channels = made = 0
    place: tuple[int, int] | None = None
    spans: list[Span] = []
    last = len(layer.branches) - 1
    passing = [passes_on(branch) for branch in layer.branches]
    held = keep or True in passing
    for index, branch in enumerate(layer.branches):
        if type(branch) is Identity:
            out = shape  # no map of its own: the sum at the end counts it
        else:
            out, more_params, more_macs, more_activations, more_peak, span = _named(
                layer.names[index], branch, shape, held or index < last
            )
            params += more_params
            macs += more_macs
            activations += more_activations
            if made + more_peak > peak:
                peak = made + more_peak
            if not passing[index]:
                made += out[0] * out[1] * out[2]
            spans.append(span)
        if place is None:
            place = out[1:]
        elif place != out[1:]:
            raise SpecError(layer.names[index], f"makes a map of {out[1:]}, the branches before it make {place}")
        channels += out[0]
    assert place is not None
    alive = made
    if held:
        alive += shape[0] * shape[1] * shape[2]
    if last:
        alive += channels * place[0] * place[1]
    stack = (channels, *place)
    return stack, params, macs, activations, max(peak, alive), joined(spans)


def passes_on(layer: Layer) -> bool:
    """Whether a layer's output is its input, no map of its own."""
    kind = type(layer)
    if kind is Sequence:
        return all(map(passes_on, layer.layers))  # type: ignore[attr-defined]
    return kind is Identity or kind is Flatten


def _dag(layer: Dag, shape: Shape, keep: bool) -> Counts:
    return dag_tally(layer, (shape,), (0,) * layer.num_inputs, (keep,))


def dag_tally(
    layer: Dag, maps: tuple[Shape, ...], reads: tuple[int, ...], keeps: tuple[bool, ...], spans: tuple[Span, ...] = ()
) -> Tally:
    """Count a graph whose input i is `maps[reads[i]]`; `keeps` says which maps are needed afterwards.

    `spans` lead to the maps; without them the graph starts at each of them.
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
            alone = len(sources) == 1 and node.shifted_like is None
            part = node_tally(node, values, alone and left[sources[0]] > 0)
            if node.shifted_like is not None:
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


def node_tally(node: Node, values: list[Shape], keep: bool = False) -> Tally:
    """Count the layer of a graph's node behind the values before it."""
    part = tally(node.layer, joined_shape(node, values), keep)
    if node.shifted_like is None:
        return part
    top, left = _shift(values[node.shifted_like])
    channels, height, width = part.out_shape
    return part._replace(out_shape=(channels, height - top, width - left))


def _shift(like: Shape) -> tuple[int, int]:
    return 1 - like[1] % 2, 1 - like[2] % 2


def _reads_left(layer: Dag, place: list[int], keeps: tuple[bool, ...]) -> list[int]:
    """How often each map and each node's output is read, by the nodes, as an output, or afterwards."""
    left = [int(keep) for keep in keeps] + [0] * len(layer.nodes)
    for index in (*(index for node in layer.nodes for index in node.inputs), *layer.outputs):
        if index >= len(place):
            raise SpecError("", f"reads value {index}, but there are only {len(place)}")
        left[place[index]] += 1
    return left


def joined_shape(node: Node, values: list[Shape]) -> Shape:
    """The shape on which a node's layer runs, given the values before it."""
    if max(node.inputs) >= len(values):
        raise SpecError("", f"reads value {max(node.inputs)}, but only {len(values)} come before it")
    channels, height, width = _joined(node, values)
    top, left = (0, 0) if node.shifted_like is None else _shift(values[node.shifted_like])
    return channels, height + top, width + left


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


def _history(layer: History, shape: Shape, keep: bool) -> Counts:
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
    """The layers of a history in order, those of inner histories among them, each with its path."""
    steps: list[tuple[str, Layer]] = []
    for name, each in zip(layer.names, layer.layers, strict=True):
        if isinstance(each, History):
            steps.extend((f"{name}.{inner}", part) for inner, part in history_steps(each))
        else:
            steps.append((name, each))
    return steps


def step_reads(index: int, layer: Layer) -> tuple[int, ...]:
    """The values that step `index` of a history reads, oldest first; value 0 is the input, value i step i's."""
    count = layer.num_inputs if isinstance(layer, Dag) else 1
    return tuple(max(0, index + 1 - count + each) for each in range(count))


def inputs_read(layer: Layer) -> set[int]:
    """The inputs of a layer that it does read: a graph may leave some of its own out."""
    if not isinstance(layer, Dag):
        return {0}
    used = {index for node in layer.nodes for index in node.inputs} | set(layer.outputs)
    return {index for index in used if index < layer.num_inputs}


def _supervised(layer: Supervised, shape: Shape, keep: bool) -> Counts:
    return counts(layer.body, shape, keep)


def _named(name: str, layer: Layer, shape: Shape, keep: bool) -> Counts:
    """Count a part, naming it in any error."""
    try:
        return _COUNTERS[type(layer)](layer, shape, keep)
    except (SpecError, KeyError) as error:
        raise _inside(name, layer, error) from None


def _inside(name: str, layer: Layer, error: SpecError | KeyError) -> SpecError:
    """What went wrong with a part: a rule that it breaks, or that nothing counts its kind."""
    if isinstance(error, KeyError):
        return SpecError(name, f"the cost model does not know the layer {layer_kind(layer)}")
    return error.inside(name)


_COUNTERS: dict[type[Layer], Callable[[Any, Shape, bool], Counts]] = {
    **PRIMITIVES,
    Sequence: _sequence,
    Residual: _residual,
    Gate: _gate,
    Concat: _concat,
    Dag: _dag,
    History: _history,
    Supervised: _supervised,
}
