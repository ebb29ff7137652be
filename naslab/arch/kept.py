"""What a training step keeps of a network's maps until their gradients are computed: one more fold over plans.

A map is counted once however many layers keep it, and one that an activation overwrites is no second one. The rules
are those of torch's gradients: a convolution or linear layer keeps its input, a norm its input, ReLU its output, SiLU
its input, a sum nothing. A layer's own rule is in its declaration; where one declares none, nothing is known of the
whole network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from naslab.arch.declaration import declaration_of
from naslab.arch.layers.activation import act_memory
from naslab.arch.layers.graph import joined_shape, node_tally, running
from naslab.arch.layers.history import history_steps, step_reads
from naslab.arch.live_maps import LiveMaps, Value
from naslab.arch.plan import (
    Act,
    Concat,
    Dag,
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
    named_parts,
)
from naslab.arch.tally import counts


class Kept(NamedTuple):
    """Values of one image's maps: `total`, kept until the backward pass, and `peak`, the most alive at once in it.

    `peak` counts what is kept up to a layer with the gradients of its input and its output, where that is largest.
    """

    total: int
    peak: int


def kept_values(plan: Layer, shape: Shape) -> Kept | None:
    """What a training step keeps of one image's maps on its way through a plan; `None` where that is not known.

    `shape` is the image's. It is not known where a layer declares no memory: `unknown_memory` names those. Raises
    `SpecError` where a layer does not fit its input.

    In the example the convolution keeps the image, 48 values, and the norm its input, 8 * 16 = 128; the ReLU works in
    place on the norm's output and keeps it, 128 more. The peak adds the gradients of the ReLU's input and output.

    >>> from naslab.arch.plan import Conv, Norm
    >>> kept_values(Sequence(("conv", "norm", "act"), (Conv(3, 8), Norm(8), Act("relu"))), (3, 4, 4))
    Kept(total=304, peak=560)
    """
    if unknown_memory(plan):
        return None
    maps = LiveMaps()
    _run(plan, maps.new(shape), maps)
    return Kept(maps.total, maps.peak)


def unknown_memory(plan: Layer) -> tuple[str, ...]:
    """The kinds of layers of a plan that do not declare which maps they keep, by name."""
    return tuple(sorted(set(_unknown_kinds(plan))))


def _unknown_kinds(layer: Layer) -> Iterator[str]:
    if type(layer) in _FOLDS:
        heads = [head for _, head, _ in layer.taps] if isinstance(layer, Supervised) else []
        for part in (*(part for _, part in named_parts(layer)), *heads):
            yield from _unknown_kinds(part)
        return
    row = declaration_of(layer)
    if row is None or row.memory is None:
        yield layer_kind(layer)


def _run(layer: Layer, value: Value, maps: LiveMaps) -> Value:
    fold = _FOLDS.get(type(layer))
    if fold is not None:
        return maps.pass_through(value, fold(layer, value, maps))
    row = declaration_of(layer)
    assert row is not None and row.memory is not None, layer  # noqa: PT018 - `kept_values` has asked
    return maps.pass_through(value, row.memory(layer, value, maps))


def _sequence(layer: Sequence, value: Value, maps: LiveMaps) -> Value:
    before: Layer = Identity()
    for each in layer.layers:
        if isinstance(each, Act):
            value = maps.pass_through(value, act_memory(each, value, maps, before))
        else:
            value = _run(each, value, maps)
        before = each
    return value


def _residual(layer: Residual, value: Value, maps: LiveMaps) -> Value:
    out = _run(layer.body, value, maps)
    _run(layer.shortcut, value, maps)
    return maps.new(out.shape)


def _gate(layer: Gate, value: Value, maps: LiveMaps) -> Value:
    factors = _run(layer.body, value, maps)
    maps.keep(value)
    maps.keep(factors)
    return maps.new(value.shape)


def _concat(layer: Concat, value: Value, maps: LiveMaps) -> Value:
    return _stacked([_run(branch, value, maps) for branch in layer.branches], maps)


def _stacked(values: list[Value], maps: LiveMaps) -> Value:
    if len(values) == 1:
        return values[0]
    return maps.new((sum(each.shape[0] for each in values), *values[0].shape[1:]))


def _dag(layer: Dag, value: Value, maps: LiveMaps) -> Value:
    return _graph(layer, [value] * layer.num_inputs, maps)


def _graph(layer: Dag, inputs: list[Value], maps: LiveMaps) -> Value:
    values = list(inputs)
    for node in layer.nodes:
        values.append(_node(node, values, maps))
    return _stacked([values[index] for index in layer.outputs], maps)


def _node(node: Node, values: list[Value], maps: LiveMaps) -> Value:
    parts = [values[index] for index in node.inputs]
    is_stacked = node.join == "concat" or len(parts) == 1
    joined = _stacked(parts, maps) if is_stacked else maps.new(parts[0].shape)
    shapes = [each.shape for each in values]
    run = running(node)
    out = _run(run.layer, maps.new(joined_shape(node, shapes)) if run.is_shifted else joined, maps)
    return Value(node_tally(node, shapes).out_shape, out.place)


def _history(layer: History, value: Value, maps: LiveMaps) -> Value:
    trail = [value]
    for index, (_, each) in enumerate(history_steps(layer)):
        if isinstance(each, Dag):
            out = _graph(each, [trail[place] for place in step_reads(index, each)], maps)
            trail.append(maps.pass_through(trail[-1], out))
        else:
            trail.append(_run(each, trail[-1], maps))
    return trail[-1]


def _supervised(layer: Supervised, value: Value, maps: LiveMaps) -> Value:
    """The network with its auxiliary heads; each reads the output of a named part."""
    heads = {name: head for name, head, _ in layer.taps}
    if isinstance(layer.body, History):
        for name, head in heads.items():
            part = dict(zip(layer.body.names, layer.body.layers, strict=True))[name]
            _run(head, maps.new(_history_shape(layer.body, part, value.shape)), maps)
        return _history(layer.body, value, maps)
    for name, part in zip(layer.body.names, layer.body.layers, strict=True):
        value = _run(part, value, maps)
        if name in heads:
            _run(heads[name], value, maps)
    return value


def _history_shape(body: History, part: Layer, shape: Shape) -> Shape:
    """The shape behind a part of a history."""
    index = body.layers.index(part)
    return counts(History(body.names[: index + 1], body.layers[: index + 1]), shape)[0]


_FOLDS: dict[type[Layer], Callable[[Any, Value, LiveMaps], Value]] = {
    Sequence: _sequence,
    Residual: _residual,
    Gate: _gate,
    Concat: _concat,
    Dag: _dag,
    History: _history,
    Supervised: _supervised,
}
"""What combinators keep is what their parts keep, and what joins them."""
