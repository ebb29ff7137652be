"""What layers do to channels, as their declarations tell: how many they make, and which of them weights may choose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from naslab.arch.declaration import Keeps, Mixes, Moves, channel_effect, weights_of
from naslab.arch.plan import (
    Concat,
    Dag,
    Flatten,
    GlobalPool,
    Layer,
    Residual,
    Sequence,
    layer_kind,
    named_parts,
)
from naslab.arch.tally import counts
from naslab.errors import SpecError

PROBED_SIDES = (1, 720_720, 1_441_440)
"""Sides of maps on which a layer is counted to learn how many channels it makes: a vector's, and two that every number
up to 16 divides."""


def keeps_channels(layer: Layer) -> bool:
    """Whether a layer leaves every channel in its place, as norms, activations and poolings do."""
    if isinstance(layer, Sequence):
        return all(map(keeps_channels, layer.layers))
    return isinstance(channel_effect(layer), Keeps)


def chosen_outputs(layer: Sequence) -> int | None:
    """The index of the layer of a sequence whose weights decide what its output channels are; `None` without one."""
    for index in reversed(range(len(layer.layers))):
        each = layer.layers[index]
        if chooses_outputs(each):
            return index
        if not keeps_channels(each):
            return None
    return None


def chooses_outputs(layer: Layer) -> bool:
    """Whether some weights decide what each output channel of a layer is."""
    if isinstance(layer, Sequence):
        return chosen_outputs(layer) is not None
    if isinstance(layer, Residual):
        return chooses_outputs(layer.body) and chooses_outputs(layer.shortcut)
    effect = channel_effect(layer)
    return isinstance(effect, Mixes) and effect.groups == 1


def channels_after(layer: Layer, channels: int, positions: int = 1) -> int:
    """How many channels a layer makes of `channels`; `positions` are those of the map where a vector is made of it.

    A layer that does not declare what it does to channels is counted. Raises `SpecError` where that depends on the
    sides of the map.

    >>> from naslab.arch.plan import Conv, Identity, concat
    >>> channels_after(concat(one=Conv(8, 4), two=Identity()), 8)
    12
    """
    match channel_effect(layer):
        case Keeps():
            return channels
        case Mixes(made=made):
            return made
        case Moves(order=order):
            return len(order(tuple(range(channels))))
    fold = _FOLDS.get(type(layer))
    return counted_channels(layer, channels) if fold is None else fold(layer, channels, positions)


def counted_channels(layer: Layer, channels: int) -> int:
    """How many channels a layer makes of `channels`, by counting it on maps of several sides.

    Raises `SpecError` where they differ between sides, and where the layer fits no map.
    """
    made: set[int] = set()
    for side in PROBED_SIDES:
        try:
            made.add(counts(layer, (channels, side, side))[0][0])
        except SpecError:
            continue  # it does not fit such a map
    if len(made) != 1:
        kind = layer_kind(layer)
        raise SpecError(
            "", f"how many channels {kind} makes of {channels} follows from no count: give Declaration(channels=...)"
        )
    return made.pop()


def _after_sequence(layer: Sequence, channels: int, positions: int) -> int:
    for each in layer.layers:
        channels = channels_after(each, channels, positions)
        if isinstance(each, GlobalPool):
            positions = each.size[0] * each.size[1]
    return channels


def graph_channels(graph: Dag, inputs: list[int]) -> list[int]:
    """The channels of each value of a `graph` whose `inputs` have so many: those of the inputs, then of each node."""
    values = list(inputs)
    for node in graph.nodes:
        read = [values[index] for index in node.inputs]
        values.append(channels_after(node.layer, sum(read) if node.join == "concat" else read[0]))
    return values


def _after_graph(layer: Dag, channels: int, positions: int) -> int:
    values = graph_channels(layer, [channels] * layer.num_inputs)
    return sum(values[index] for index in layer.outputs)


_FOLDS: dict[type[Layer], Callable[[Any, int, int], int]] = {
    Sequence: _after_sequence,
    Residual: lambda layer, channels, positions: channels_after(layer.body, channels, positions),
    Concat: lambda layer, channels, positions: sum(
        channels_after(branch, channels, positions) for branch in layer.branches
    ),
    Dag: _after_graph,
    Flatten: lambda layer, channels, positions: channels * positions,
}


def layers_with_weights(layer: Layer, path: str = "") -> list[tuple[str, Layer]]:
    """Every layer with weights, or with none declared, as (path in the built module, layer), from `path` on."""
    if weights_of(layer) != ():
        return [(path, layer)]
    found: list[tuple[str, Layer]] = []
    for name, part in named_parts(layer):
        found += layers_with_weights(part, f"{path}.{name}" if path else name)
    return found
