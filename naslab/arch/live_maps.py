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
    """A map: its `shape`, and the number of the memory it lies in, `place`; views of one memory share the number."""

    shape: Shape
    place: int


class LiveMaps:
    """The memory that a forward pass has made so far, and what of it is kept, in values of one image's maps.

    `total` is what is kept for the backward pass. `peak` is the most that is alive at once in it: what is kept up to a
    layer with the gradients of its input and its output.
    """

    def __init__(self) -> None:
        self._kept: set[int] = set()
        self._num_places = 0
        self.total = 0
        self.peak = 0

    def new(self, shape: Shape) -> Value:
        """A map of `shape` in memory of its own."""
        self._num_places += 1
        return Value(shape, self._num_places)

    def keep(self, value: Value) -> None:
        """Keep the memory of `value` until the backward pass; it is counted once, however many layers keep it."""
        if value.place not in self._kept:
            self._kept.add(value.place)
            self.total += num_values(value.shape)

    def pass_through(self, before: Value, after: Value) -> Value:
        """Note that a layer made `after` of `before`; returns `after`.

        In the backward pass the gradients of both maps are alive with all that is kept up to here.
        """
        self.peak = max(self.peak, self.total + num_values(before.shape) + num_values(after.shape))
        return after


MemoryRule: TypeAlias = Callable[[Any, Value, LiveMaps], Value]


def keeps_input(layer: Layer, value: Value, maps: LiveMaps) -> Value:
    """The memory rule of layers whose gradient needs their input: convolutions, norms, linear layers."""
    maps.keep(value)
    return maps.new(shape_after(layer, value))


def keeps_nothing(layer: Layer, value: Value, maps: LiveMaps) -> Value:
    """The memory rule of layers whose gradient needs no map, and whose output lies in memory of its own."""
    return maps.new(shape_after(layer, value))


def views_input(layer: Layer, value: Value, maps: LiveMaps) -> Value:
    """The memory rule of layers whose output is another view of their input's memory: slices, flattening."""
    return Value(shape_after(layer, value), value.place)


def shape_after(layer: Layer, value: Value) -> Shape:
    """The shape behind `layer` on the map `value`; raises `SpecError` where it does not fit."""
    return counts(layer, value.shape)[0]
