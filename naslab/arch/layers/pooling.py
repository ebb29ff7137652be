"""Layers that make maps smaller without weights: pooling, and taking some positions alone."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

from naslab.arch.declaration import (
    Counts,
    Declaration,
    HeightWidth,
    Layer,
    Shape,
    always,
    declare,
    keeps_channels,
    no_weights,
)
from naslab.arch.layers.words import sides, window
from naslab.arch.live_maps import LiveMaps, Value, shape_after, views_input
from naslab.arch.span import POINT
from naslab.arch.tally import no_room, num_values

INDEX_VALUES = 2
"""A place that max pooling remembers takes as many bytes as two float32 values."""


class Pool(Layer, frozen=True, gc=False):
    """Pooling of a `kind`, max or average, with windows of `kernel` at `stride`, the map padded by `padding`.

    All three are (height, width) in positions. `ceil` rounds the number of windows up instead of down; the last one
    must still start inside the map or its padding. An average counts padding as zeros only with `count_padding`.
    """

    kind: Literal["max", "avg"]
    kernel: HeightWidth
    stride: HeightWidth
    padding: HeightWidth = (0, 0)
    ceil: bool = False
    count_padding: bool = False


class FractionalPool(Layer, frozen=True, gc=False):
    """Max pooling with windows of `kernel` that leaves `ratio` of each side (Graham 2014, arXiv 1412.6071).

    Its windows are not evenly spaced, some overlap; an output side is int(side * ratio).
    """

    kernel: HeightWidth
    ratio: float


class GlobalPool(Layer, frozen=True, gc=False):
    """Pooling of a `kind`, max or average, of the whole map to `size` (height, width), by default one position."""

    kind: Literal["max", "avg"] = "avg"
    size: HeightWidth = (1, 1)


class Subsample(Layer, frozen=True, gc=False):
    """Every `stride`-th position from `offset` on, both (height, width): ceil(side / stride) of them along a side.

    Positions that `offset` moves beyond the map are zeros.
    """

    stride: HeightWidth
    offset: HeightWidth = (0, 0)


def _count_pool(layer: Pool, shape: Shape, keep: bool) -> Counts:
    channels, height, width = shape
    out_h = _pooled(height, layer.kernel[0], layer.stride[0], layer.padding[0], layer.ceil)
    out_w = _pooled(width, layer.kernel[1], layer.stride[1], layer.padding[1], layer.ceil)
    if out_h < 1 or out_w < 1:
        raise no_room(layer.kernel, shape)
    span = (0, layer.kernel[0] - 1, layer.kernel[1] - 1, *layer.stride)
    return (channels, out_h, out_w), 0, 0, 0, channels * (height * width + out_h * out_w), span


def _pooled(size: int, kernel: int, stride: int, padding: int, ceil: bool) -> int:
    """Positions of a pooling window; rounded up, the last one must still start inside the map or its padding."""
    room = size + 2 * padding - kernel
    if not ceil:
        return room // stride + 1
    out = -(-room // stride) + 1
    return out - 1 if (out - 1) * stride >= size + padding else out


def _pool_memory(layer: Pool, value: Value, maps: LiveMaps) -> Value:
    out = _with_places(value, layer, maps) if layer.kind == "max" else maps.new(shape_after(layer, value))
    maps.keep(value)
    return out


def _with_places(value: Value, layer: Layer, maps: LiveMaps) -> Value:
    """The output of max pooling, and the places of its maxima, which are kept."""
    out = maps.new(shape_after(layer, value))
    for _ in range(INDEX_VALUES):
        maps.keep(maps.new(out.shape))
    return out


_POOLS = {"avg": "average", "max": "max"}

declare(
    Pool,
    Declaration(
        count=_count_pool,
        memory=_pool_memory,
        makes_new_map=always,
        words=lambda layer: f"{_POOLS[layer.kind]} pool {window(layer.kernel, layer.stride)}",
        channels=keeps_channels,
        weights=no_weights,
        keeps_zero=always,
    ),
)


def _count_fractional_pool(layer: FractionalPool, shape: Shape, keep: bool) -> Counts:
    channels, height, width = shape
    out_h, out_w = int(height * layer.ratio), int(width * layer.ratio)
    # The windows start between the first and the last place where one fits, so one more must fit than there are.
    if out_h < 1 or out_w < 1 or out_h + layer.kernel[0] - 1 > height or out_w + layer.kernel[1] - 1 > width:
        raise no_room(layer.kernel, shape)
    span = (0, layer.kernel[0] - 1, layer.kernel[1] - 1, Fraction(height, out_h), Fraction(width, out_w))
    return (channels, out_h, out_w), 0, 0, 0, channels * (height * width + out_h * out_w), span


def _fractional_pool_memory(layer: FractionalPool, value: Value, maps: LiveMaps) -> Value:
    maps.keep(value)
    return _with_places(value, layer, maps)


declare(
    FractionalPool,
    Declaration(
        count=_count_fractional_pool,
        memory=_fractional_pool_memory,
        makes_new_map=always,
        words=lambda layer: f"fractional max pool {sides(layer.kernel)} to {layer.ratio:g} of each side",
        channels=keeps_channels,
        weights=no_weights,
        keeps_zero=always,
    ),
)


def _count_global_pool(layer: GlobalPool, shape: Shape, keep: bool) -> Counts:
    channels, height, width = shape
    out_h, out_w = layer.size
    return (channels, out_h, out_w), 0, 0, 0, channels * (height * width + out_h * out_w), POINT


def _global_pool_memory(layer: GlobalPool, value: Value, maps: LiveMaps) -> Value:
    if layer.kind == "avg":
        return maps.new(shape_after(layer, value))
    maps.keep(value)
    return _with_places(value, layer, maps)


def _global_pool_words(layer: GlobalPool) -> str:
    return f"global {_POOLS[layer.kind]} pool" + (f" to {sides(layer.size)}" if layer.size != (1, 1) else "")


declare(
    GlobalPool,
    Declaration(
        count=_count_global_pool,
        memory=_global_pool_memory,
        makes_new_map=always,
        words=_global_pool_words,
        channels=keeps_channels,
        weights=no_weights,
    ),
)


def _count_subsample(layer: Subsample, shape: Shape, keep: bool) -> Counts:
    channels, height, width = shape
    out = (channels, -(-height // layer.stride[0]), -(-width // layer.stride[1]))
    return out, 0, 0, 0, num_values(shape) + num_values(out), (0, 0, 0, *layer.stride)


declare(
    Subsample,
    Declaration(
        count=_count_subsample,
        memory=views_input,
        words=lambda layer: f"every {sides(layer.stride)} position from {sides(layer.offset)}",
        channels=keeps_channels,
        weights=no_weights,
        keeps_zero=always,
    ),
)
