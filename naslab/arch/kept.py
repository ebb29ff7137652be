"""What a training step keeps of a network's maps until their gradients are computed: one more fold over plans.

A map is counted once however many layers keep it, and one that an activation overwrites is no second one. The rules
are those of torch's gradients: a convolution or linear layer keeps its input, a norm its input, ReLU its output, SiLU
its input, a sum nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from naslab.arch.in_place import overwrites
from naslab.arch.plan import (
    Act,
    ChannelLinear,
    ChannelPad,
    ChannelScale,
    ChannelShuffle,
    ChannelSlice,
    Concat,
    Conv,
    Dag,
    Dropout,
    DropPath,
    Flatten,
    FractionalPool,
    Gate,
    GlobalPool,
    History,
    Identity,
    Layer,
    Linear,
    LocalResponseNorm,
    Node,
    Norm,
    Pool,
    Residual,
    Sequence,
    Shape,
    Subsample,
    Supervised,
    layer_kind,
)
from naslab.arch.primitives import num_values
from naslab.arch.tally import history_steps, node_tally, step_reads, tally
from naslab.errors import SpecError

KEEPS_OUTPUT = frozenset({"relu", "leaky_relu", "elu", "tanh", "sigmoid"})
"""Activations whose gradient follows from their output; that of the others needs their input."""
INDEX_VALUES = 2
"""A place that max pooling remembers takes as many bytes as two float32 values."""


class Kept(NamedTuple):
    """Values of one image's maps: those kept until the backward pass, and the most alive at once in it.

    `peak` counts what is kept up to a layer with the gradients of its input and its output, where that is largest.
    """

    total: int
    peak: int


class Value(NamedTuple):
    """A map: its shape, and the memory it lies in."""

    shape: Shape
    place: int


class LiveMaps:
    """Which memory a forward pass has made so far, and what of it is kept."""

    def __init__(self) -> None:
        self._kept: set[int] = set()
        self._num_places = 0
        self.total = 0
        self.peak = 0

    def new(self, shape: Shape) -> Value:
        """A map in memory of its own."""
        self._num_places += 1
        return Value(shape, self._num_places)

    def keep(self, value: Value) -> None:
        """A map's memory stays until the backward pass; it was kept before, perhaps."""
        if value.place not in self._kept:
            self._kept.add(value.place)
            self.total += num_values(value.shape)

    def pass_through(self, before: Value, after: Value) -> Value:
        """A layer ran: in the backward pass the gradients of both maps are there with what is kept up to here."""
        self.peak = max(self.peak, self.total + num_values(before.shape) + num_values(after.shape))
        return after


def kept_values(plan: Layer, shape: Shape) -> Kept:
    """What a training step keeps of one image's maps on its way through a plan.

    >>> kept_values(Sequence(("conv", "norm", "act"), (Conv(3, 8), Norm(8), Act("relu"))), (3, 4, 4))
    Kept(total=304, peak=560)
    """
    ledger = LiveMaps()
    _run(plan, ledger.new(shape), ledger)
    return Kept(ledger.total, ledger.peak)


def _run(layer: Layer, value: Value, ledger: LiveMaps) -> Value:
    run = _RULES.get(type(layer))
    if run is None:
        raise SpecError("", f"the memory model does not know the layer {layer_kind(layer)}")
    return ledger.pass_through(value, run(layer, value, ledger))


def _shape_after(layer: Layer, value: Value) -> Shape:
    return tally(layer, value.shape).out_shape


def _keeps_input(layer: Layer, value: Value, ledger: LiveMaps) -> Value:
    ledger.keep(value)
    return ledger.new(_shape_after(layer, value))


def _keeps_nothing(layer: Layer, value: Value, ledger: LiveMaps) -> Value:
    return ledger.new(_shape_after(layer, value))


def _looks_at(layer: Layer, value: Value, ledger: LiveMaps) -> Value:
    """Another view of the same memory."""
    return Value(_shape_after(layer, value), value.place)


def _local_response_norm(layer: LocalResponseNorm, value: Value, ledger: LiveMaps) -> Value:
    ledger.keep(value)
    for _ in range(2):  # the sum of squares, and what the map is divided by
        ledger.keep(ledger.new(value.shape))
    return ledger.new(value.shape)


def _act(layer: Act, value: Value, ledger: LiveMaps) -> Value:
    return _act_behind(layer, value, ledger, Identity())


def _act_behind(layer: Act, value: Value, ledger: LiveMaps, before: Layer) -> Value:
    in_place = overwrites(layer, before)
    out = value if in_place else ledger.new(value.shape)
    if layer.kind in KEEPS_OUTPUT:
        ledger.keep(out)
    else:
        ledger.keep(ledger.new(value.shape) if in_place else value)  # a copy of what it overwrites
    return out if layer.gain == 1.0 else ledger.new(value.shape)


def _pool(layer: Pool | FractionalPool | GlobalPool, value: Value, ledger: LiveMaps) -> Value:
    out = ledger.new(_shape_after(layer, value))
    is_max = isinstance(layer, FractionalPool) or layer.kind == "max"
    if is_max:
        for _ in range(INDEX_VALUES):
            ledger.keep(ledger.new(out.shape))
    if isinstance(layer, Pool) or is_max:
        ledger.keep(value)
    return out


def _dropout(layer: Dropout, value: Value, ledger: LiveMaps) -> Value:
    if layer.rate == 0:
        return value
    ledger.keep(ledger.new(value.shape))
    return ledger.new(value.shape)


def _sequence(layer: Sequence, value: Value, ledger: LiveMaps) -> Value:
    before: Layer = Identity()
    for each in layer.layers:
        if isinstance(each, Act):
            value = ledger.pass_through(value, _act_behind(each, value, ledger, before))
        else:
            value = _run(each, value, ledger)
        before = each
    return value


def _residual(layer: Residual, value: Value, ledger: LiveMaps) -> Value:
    out = _run(layer.body, value, ledger)
    _run(layer.shortcut, value, ledger)
    return ledger.new(out.shape)


def _gate(layer: Gate, value: Value, ledger: LiveMaps) -> Value:
    factors = _run(layer.body, value, ledger)
    ledger.keep(value)
    ledger.keep(factors)
    return ledger.new(value.shape)


def _concat(layer: Concat, value: Value, ledger: LiveMaps) -> Value:
    return _stacked([_run(branch, value, ledger) for branch in layer.branches], ledger)


def _stacked(values: list[Value], ledger: LiveMaps) -> Value:
    if len(values) == 1:
        return values[0]
    return ledger.new((sum(each.shape[0] for each in values), *values[0].shape[1:]))


def _dag(layer: Dag, value: Value, ledger: LiveMaps) -> Value:
    return _graph(layer, [value] * layer.num_inputs, ledger)


def _graph(layer: Dag, inputs: list[Value], ledger: LiveMaps) -> Value:
    values = list(inputs)
    for node in layer.nodes:
        values.append(_node(node, values, ledger))
    return _stacked([values[index] for index in layer.outputs], ledger)


def _node(node: Node, values: list[Value], ledger: LiveMaps) -> Value:
    parts = [values[index] for index in node.inputs]
    is_stacked = node.join == "concat" or len(parts) == 1
    joined = _stacked(parts, ledger) if is_stacked else ledger.new(parts[0].shape)
    out = _run(node.layer, joined, ledger)
    return Value(node_tally(node, [each.shape for each in values]).out_shape, out.place)


def _history(layer: History, value: Value, ledger: LiveMaps) -> Value:
    trail = [value]
    for index, (_, each) in enumerate(history_steps(layer)):
        if isinstance(each, Dag):
            out = _graph(each, [trail[place] for place in step_reads(index, each)], ledger)
            trail.append(ledger.pass_through(trail[-1], out))
        else:
            trail.append(_run(each, trail[-1], ledger))
    return trail[-1]


def _supervised(layer: Supervised, value: Value, ledger: LiveMaps) -> Value:
    """The network with its auxiliary heads; each reads the output of a named part."""
    heads = {name: head for name, head, _ in layer.taps}
    if isinstance(layer.body, History):
        for name, head in heads.items():
            part = dict(zip(layer.body.names, layer.body.layers, strict=True))[name]
            _run(head, ledger.new(_history_shape(layer.body, part, value.shape)), ledger)
        return _history(layer.body, value, ledger)
    for name, part in zip(layer.body.names, layer.body.layers, strict=True):
        value = _run(part, value, ledger)
        if name in heads:
            _run(heads[name], value, ledger)
    return value


def _history_shape(body: History, part: Layer, shape: Shape) -> Shape:
    """The shape behind a part of a history."""
    index = body.layers.index(part)
    return tally(History(body.names[: index + 1], body.layers[: index + 1]), shape).out_shape


_RULES: dict[type[Layer], Callable[[Any, Value, LiveMaps], Value]] = {
    Conv: _keeps_input,
    Norm: _keeps_input,
    Linear: _keeps_input,
    ChannelLinear: _keeps_input,
    ChannelScale: _keeps_input,
    LocalResponseNorm: _local_response_norm,
    Act: _act,
    Pool: _pool,
    FractionalPool: _pool,
    GlobalPool: _pool,
    Dropout: _dropout,
    DropPath: _keeps_nothing,
    ChannelPad: _keeps_nothing,
    ChannelShuffle: _keeps_nothing,
    ChannelSlice: _looks_at,
    Subsample: _looks_at,
    Flatten: _looks_at,
    Identity: _looks_at,
    Sequence: _sequence,
    Residual: _residual,
    Gate: _gate,
    Concat: _concat,
    Dag: _dag,
    History: _history,
    Supervised: _supervised,
}
