"""Activations, and the identity that passes its input on."""

from __future__ import annotations

from typing import Literal

from naslab.arch.declaration import (
    Counts,
    Declaration,
    Layer,
    Shape,
    always,
    declare,
    keeps_channels,
    makes_new_map,
    no_weights,
)
from naslab.arch.live_maps import LiveMaps, Value, views_input
from naslab.arch.span import POINT

Activation = Literal[
    "relu", "relu6", "silu", "hardswish", "gelu", "leaky_relu", "elu", "tanh", "sigmoid", "hardsigmoid"
]

IN_PLACE = ("relu", "relu6", "silu", "hardswish", "leaky_relu", "elu", "hardsigmoid")
"""Activations that torch can compute in the memory of their input."""
KEEPS_OUTPUT = frozenset({"relu", "leaky_relu", "elu", "tanh", "sigmoid"})
"""Activations whose gradient follows from their output; that of the others needs their input."""


class Identity(Layer, frozen=True, gc=False):
    """Passes its input on."""


class Act(Layer, frozen=True, gc=False):
    """An elementwise nonlinearity of the `kind`; `gain` multiplies its output (NFNet's variance correction)."""

    kind: Activation
    gain: float = 1.0


def overwrites(layer: Act, before: Layer = Identity()) -> bool:  # noqa: B008 - immutable
    """Whether an activation works in place behind the layer `before` it: where nothing else can read its input.

    >>> from naslab.arch.plan import Norm
    >>> overwrites(Act("relu"), Norm(8)), overwrites(Act("relu")), overwrites(Act("gelu"), Norm(8))
    (True, False, False)
    """
    return layer.kind in IN_PLACE and makes_new_map(before)


def act_memory(layer: Act, value: Value, maps: LiveMaps, before: Layer = Identity()) -> Value:  # noqa: B008
    """The memory rule of an activation: keep in `maps` what its gradient needs, and give the map behind it.

    `layer` is the activation, `value` the map that it reads, `before` the layer that made this map: where `layer` may
    work in place behind it, the output lies in the memory of `value`. Kinds of `KEEPS_OUTPUT` keep their output, the
    others their input, or a copy of it where it is written over.
    """
    in_place = overwrites(layer, before)
    out = value if in_place else maps.new(value.shape)
    if layer.kind in KEEPS_OUTPUT:
        maps.keep(out)
    else:
        maps.keep(maps.new(value.shape) if in_place else value)  # a copy of what it overwrites
    return out if layer.gain == 1.0 else maps.new(value.shape)


def count_elementwise(layer: Layer, shape: Shape, keep: bool) -> Counts:
    """Count a layer without weights that changes each value by itself: it writes over its input unless `keep`.

    `layer` is not read; the output has the `shape` of the input. Given to `Declaration.count`.
    """
    size = shape[0] * shape[1] * shape[2]
    return shape, 0, 0, 0, size + size if keep else size, POINT


def _count_identity(layer: Layer, shape: Shape, keep: bool) -> Counts:
    return shape, 0, 0, 0, shape[0] * shape[1] * shape[2], POINT


declare(
    Act,
    Declaration(
        count=count_elementwise,
        memory=act_memory,
        words=lambda layer: layer.kind.replace("_", " "),
        channels=keeps_channels,
        weights=no_weights,
        keeps_zero=lambda layer: "sigmoid" not in layer.kind,
    ),
)
declare(
    Identity,
    Declaration(
        count=_count_identity,
        memory=views_input,
        words=lambda layer: "identity",
        channels=keeps_channels,
        weights=no_weights,
        keeps_zero=always,
        passes_on=True,
    ),
)
