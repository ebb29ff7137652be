"""Counting a plan: one fold that gives every layer's output shape, parameters, multiply-accumulates, activations and
peak memory as exact integers.

Conventions. `macs` are multiply-accumulates of convolution and linear layers, bias not counted. `activations` are
output elements of convolutions (Radosavovic et al. 2020, arXiv 2003.13678). `peak` is the largest number of values
alive at once in an inference forward of one image: a layer's input and output while it runs, whatever waits for a
join, elementwise layers in place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from naslab.arch.plan import (
    Act,
    ChannelLinear,
    ChannelPad,
    ChannelScale,
    Concat,
    Conv,
    Dropout,
    Flatten,
    Gate,
    GlobalPool,
    Identity,
    Layer,
    Linear,
    LocalResponseNorm,
    Norm,
    Pool,
    Residual,
    Sequence,
    Shape,
    layer_kind,
)
from naslab.errors import SpecError


class Tally(NamedTuple):
    """What a plan does to a map: its output shape and exact counts; `peak` in values, not bytes."""

    out_shape: Shape
    params: int
    macs: int
    activations: int
    peak: int


def tally(layer: Layer, shape: Shape, keep: bool = False) -> Tally:
    """Count `layer` on one map of `shape`; `keep` says that something else still needs the input afterwards.

    >>> tally(Conv(3, 16, (3, 3), padding=(1, 1)), (3, 8, 8))
    Tally(out_shape=(16, 8, 8), params=432, macs=27648, activations=1024, peak=1216)
    """
    count = _COUNTERS.get(type(layer))
    if count is None:
        raise SpecError("", f"the cost model does not know the layer {layer_kind(layer)}")
    return count(layer, shape, keep)


def _conv(layer: Conv, shape: Shape, keep: bool) -> Tally:
    channels, height, width = shape
    kernel_h, kernel_w = layer.kernel
    if channels != layer.in_channels:
        raise SpecError("", f"takes {layer.in_channels} channels, got {channels}")
    if layer.dilation == (1, 1):
        out_h = (height + 2 * layer.padding[0] - kernel_h) // layer.stride[0] + 1
        out_w = (width + 2 * layer.padding[1] - kernel_w) // layer.stride[1] + 1
    else:
        span_h = layer.dilation[0] * (kernel_h - 1) + 1
        span_w = layer.dilation[1] * (kernel_w - 1) + 1
        out_h = (height + 2 * layer.padding[0] - span_h) // layer.stride[0] + 1
        out_w = (width + 2 * layer.padding[1] - span_w) // layer.stride[1] + 1
    if out_h < 1 or out_w < 1:
        raise _vanished(layer.kernel, shape)
    out = layer.out_channels
    weights = channels * kernel_h * kernel_w // layer.groups * out
    area = out_h * out_w
    values = out * area
    extra = (out if layer.bias else 0) + (out if layer.standardized else 0)
    return Tally((out, out_h, out_w), weights + extra, weights * area, values, channels * height * width + values)


def _norm(layer: Norm, shape: Shape, keep: bool) -> Tally:
    channels, height, width = shape
    if channels != layer.channels:
        raise SpecError("", f"normalises {layer.channels} channels, got {channels}")
    size = channels * height * width
    return Tally(shape, 2 * channels, 0, 0, size + size if keep else size)


def _local_response_norm(layer: LocalResponseNorm, shape: Shape, keep: bool) -> Tally:
    return Tally(shape, 0, 0, 0, 2 * _values(shape))


def _channel_scale(layer: ChannelScale, shape: Shape, keep: bool) -> Tally:
    if shape[0] != layer.channels:
        raise SpecError("", f"scales {layer.channels} channels, got {shape[0]}")
    size = _values(shape)
    return Tally(shape, layer.channels, 0, 0, size + size if keep else size)


def _elementwise(layer: Layer, shape: Shape, keep: bool) -> Tally:
    size = shape[0] * shape[1] * shape[2]
    return Tally(shape, 0, 0, 0, size + size if keep else size)


def _identity(layer: Layer, shape: Shape, keep: bool) -> Tally:
    return Tally(shape, 0, 0, 0, shape[0] * shape[1] * shape[2])


def _flatten(layer: Flatten, shape: Shape, keep: bool) -> Tally:
    size = shape[0] * shape[1] * shape[2]
    return Tally((size, 1, 1), 0, 0, 0, size)


def _pool(layer: Pool, shape: Shape, keep: bool) -> Tally:
    channels, height, width = shape
    out_h = _pooled(height, layer.kernel[0], layer.stride[0], layer.padding[0], layer.ceil)
    out_w = _pooled(width, layer.kernel[1], layer.stride[1], layer.padding[1], layer.ceil)
    if out_h < 1 or out_w < 1:
        raise _vanished(layer.kernel, shape)
    return Tally((channels, out_h, out_w), 0, 0, 0, channels * (height * width + out_h * out_w))


def _pooled(size: int, kernel: int, stride: int, padding: int, ceil: bool) -> int:
    """Positions of a pooling window; rounded up, the last one must still start inside the map or its padding."""
    room = size + 2 * padding - kernel
    if not ceil:
        return room // stride + 1
    out = -(-room // stride) + 1
    return out - 1 if (out - 1) * stride >= size + padding else out


def _global_pool(layer: GlobalPool, shape: Shape, keep: bool) -> Tally:
    channels, height, width = shape
    out_h, out_w = layer.size
    return Tally((channels, out_h, out_w), 0, 0, 0, channels * (height * width + out_h * out_w))


def _linear(layer: Linear, shape: Shape, keep: bool) -> Tally:
    features = shape[0]
    if shape != (layer.in_features, 1, 1):
        raise SpecError("", f"takes a vector of {layer.in_features}, got a map of {shape}")
    out = layer.out_features
    weights = features * out
    return Tally((out, 1, 1), weights + (out if layer.bias else 0), weights, 0, features + out)


def _channel_linear(layer: ChannelLinear, shape: Shape, keep: bool) -> Tally:
    channels, height, width = shape
    if channels != layer.in_features:
        raise SpecError("", f"takes {layer.in_features} channels, got {channels}")
    out = layer.out_features
    weights = channels * out
    area = height * width
    return Tally((out, height, width), weights + (out if layer.bias else 0), weights * area, 0, (channels + out) * area)


def _channel_pad(layer: ChannelPad, shape: Shape, keep: bool) -> Tally:
    channels, height, width = shape
    area = height * width
    return Tally((channels + layer.channels, height, width), 0, 0, 0, (2 * channels + layer.channels) * area)


def _sequence(layer: Sequence, shape: Shape, keep: bool) -> Tally:
    params = macs = activations = peak = held = 0
    kept = shape[0] * shape[1] * shape[2] if keep else 0
    index = 0
    try:
        for index, each in enumerate(layer.layers):  # noqa: B007  (the error names it)
            shape, more_params, more_macs, more_activations, more_peak = _COUNTERS[type(each)](each, shape, keep)
            params += more_params
            macs += more_macs
            activations += more_activations
            if held + more_peak > peak:
                peak = held + more_peak
            keep = False
            held = kept
    except SpecError as error:
        raise error.inside(layer.names[index]) from None
    except KeyError:
        raise SpecError(
            layer.names[index], f"the cost model does not know the layer {layer_kind(layer.layers[index])}"
        ) from None
    return Tally(shape, params, macs, activations, peak or shape[0] * shape[1] * shape[2])


def _residual(layer: Residual, shape: Shape, keep: bool) -> Tally:
    body = _named("body", layer.body, shape, True)
    size = _values(body.out_shape)
    if type(layer.shortcut) is Identity:
        if body.out_shape != shape:
            raise SpecError("", f"the body makes {body.out_shape} of {shape}; an identity shortcut cannot be added")
        return body._replace(peak=max(body.peak, 2 * size))
    way = _named("shortcut", layer.shortcut, shape, keep)
    if way.out_shape != body.out_shape:
        raise SpecError("", f"the body makes {body.out_shape}, the shortcut {way.out_shape}")
    return Tally(
        body.out_shape,
        body.params + way.params,
        body.macs + way.macs,
        body.activations + way.activations,
        max(body.peak, size + way.peak),
    )


def _gate(layer: Gate, shape: Shape, keep: bool) -> Tally:
    body = _named("gate", layer.body, shape, True)
    if body.out_shape[0] != shape[0]:
        raise SpecError("", f"the gate makes {body.out_shape[0]} channels for {shape[0]}")
    size = _values(shape)
    product = size * (2 if keep else 1) + _values(body.out_shape)
    return body._replace(out_shape=shape, peak=max(body.peak, product))


def _concat(layer: Concat, shape: Shape, keep: bool) -> Tally:
    params = macs = activations = peak = channels = done = 0
    place: tuple[int, int] | None = None
    last = len(layer.branches) - 1
    for index, (name, branch) in enumerate(zip(layer.names, layer.branches, strict=True)):
        part = _named(name, branch, shape, keep or index < last)
        if place is None:
            place = part.out_shape[1:]
        elif place != part.out_shape[1:]:
            raise SpecError(name, f"makes a map of {part.out_shape[1:]}, the branches before it make {place}")
        params += part.params
        macs += part.macs
        activations += part.activations
        peak = max(peak, done + part.peak)
        done += _values(part.out_shape)
        channels += part.out_shape[0]
    assert place is not None
    peak = max(peak, 2 * done + (_values(shape) if keep else 0))
    return Tally((channels, *place), params, macs, activations, peak)


def _named(name: str, layer: Layer, shape: Shape, keep: bool) -> Tally:
    """Count a part, naming it in any error."""
    try:
        return tally(layer, shape, keep)
    except SpecError as error:
        raise error.inside(name) from None


def _values(shape: Shape) -> int:
    return shape[0] * shape[1] * shape[2]


def _vanished(kernel: tuple[int, int], shape: Shape) -> SpecError:
    return SpecError(
        "",
        f"a {kernel[0]} x {kernel[1]} window does not fit a map of {shape[1]} x {shape[2]}; "
        "the input is too small for the strides before it",
    )


_COUNTERS: dict[type[Layer], Callable[[Any, Shape, bool], Tally]] = {
    Conv: _conv,
    Norm: _norm,
    LocalResponseNorm: _local_response_norm,
    ChannelScale: _channel_scale,
    Act: _elementwise,
    Dropout: _elementwise,
    Identity: _identity,
    Flatten: _flatten,
    Pool: _pool,
    GlobalPool: _global_pool,
    Linear: _linear,
    ChannelLinear: _channel_linear,
    ChannelPad: _channel_pad,
    Sequence: _sequence,
    Residual: _residual,
    Gate: _gate,
    Concat: _concat,
}
