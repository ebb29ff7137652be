"""LiveMaps: which maps a training step has made so far, and which of them it keeps for the gradients.

A rule of memory is a function `(layer, value, maps)` that gives the map behind a layer: it says what is kept
(`maps.keep`) and whether the output lies in memory of its own (`maps.new`). A map is counted once however many layers
keep it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from naslab.arch.declaration import Layer, Shape
from naslab.arch.tally import counts, num_values


class Value(NamedTuple):
    """A map: its shape, and the memory it lies in."""

    shape: Shape
    place: int


class LiveMaps:
    """Which memory a forward pass has made so far, and what of it is kept, in values of one image's maps."""

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


MemoryRule: TypeAlias = Callable[[Any, Value, LiveMaps], Value]


def keeps_input(layer: Layer, value: Value, maps: LiveMaps) -> Value:
    """The gradient needs the input: convolutions, norms, linear layers."""
    maps.keep(value)
    return maps.new(shape_after(layer, value))


def keeps_nothing(layer: Layer, value: Value, maps: LiveMaps) -> Value:
    """The gradient needs no map, and the output is one of its own."""
    return maps.new(shape_after(layer, value))


def views_input(layer: Layer, value: Value, maps: LiveMaps) -> Value:
    """The output is another view of the input's memory."""
    return Value(shape_after(layer, value), value.place)


def shape_after(layer: Layer, value: Value) -> Shape:
    """The shape behind a layer."""
    return counts(layer, value.shape)[0]
