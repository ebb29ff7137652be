"""Counting primitive layers: output shape, parameters, multiply-accumulates, activations, peak, span of each kind."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple, TypeAlias

from naslab.arch.plan import (
    Act,
    ChannelLinear,
    ChannelPad,
    ChannelScale,
    ChannelShuffle,
    ChannelSlice,
    Conv,
    Dropout,
    DropPath,
    Flatten,
    FractionalPool,
    GlobalPool,
    Identity,
    Layer,
    Linear,
    LocalResponseNorm,
    Norm,
    Pool,
    Shape,
    Subsample,
)
from naslab.arch.span import POINT, WEIGHTED, Span
from naslab.errors import SpecError

Counts: TypeAlias = tuple[Shape, int, int, int, int, Span]
"""The fields of a `Tally`, as a plain tuple: making named tuples would take a third of the fold's time."""


class Tally(NamedTuple):
    """What a plan does to a map: its output shape and exact counts; `peak` in values, not bytes.

    `span` is how deep it is and how far it sees (`naslab.arch.span`).
    """

    out_shape: Shape
    params: int
    macs: int
    activations: int
    peak: int
    span: Span


def _conv(layer: Conv, shape: Shape, keep: bool) -> Counts:
    channels, height, width = shape
    if channels != layer.in_channels:
        raise SpecError("", f"takes {layer.in_channels} channels, got {channels}")
    kernel_h, kernel_w = layer.kernel
    stride_h, stride_w = layer.stride
    padding_h, padding_w = layer.padding
    dilation_h, dilation_w = layer.dilation
    growth_h = dilation_h * (kernel_h - 1)
    growth_w = dilation_w * (kernel_w - 1)
    out_h = (height + 2 * padding_h - growth_h - 1) // stride_h + 1
    out_w = (width + 2 * padding_w - growth_w - 1) // stride_w + 1
    if out_h < 1 or out_w < 1:
        raise _vanished(layer.kernel, shape)
    out = layer.out_channels
    params = weights = channels * kernel_h * kernel_w // layer.groups * out
    if layer.bias:
        params += out
    if layer.standardized:
        params += out
    area = out_h * out_w
    values = out * area
    peak = channels * height * width + values
    return (out, out_h, out_w), params, weights * area, values, peak, (1, growth_h, growth_w, stride_h, stride_w)


def _norm(layer: Norm, shape: Shape, keep: bool) -> Counts:
    channels, height, width = shape
    if channels != layer.channels:
        raise SpecError("", f"normalises {layer.channels} channels, got {channels}")
    size = channels * height * width
    return shape, 2 * channels, 0, 0, size + size if keep else size, POINT


def _local_response_norm(layer: LocalResponseNorm, shape: Shape, keep: bool) -> Counts:
    return shape, 0, 0, 0, 2 * num_values(shape), POINT


def _channel_scale(layer: ChannelScale, shape: Shape, keep: bool) -> Counts:
    if layer.channels not in (1, shape[0]):
        raise SpecError("", f"scales {layer.channels} channels, got {shape[0]}")
    size = num_values(shape)
    return shape, layer.channels, 0, 0, size + size if keep else size, POINT


def _elementwise(layer: Layer, shape: Shape, keep: bool) -> Counts:
    size = shape[0] * shape[1] * shape[2]
    return shape, 0, 0, 0, size + size if keep else size, POINT


def _identity(layer: Layer, shape: Shape, keep: bool) -> Counts:
    return shape, 0, 0, 0, shape[0] * shape[1] * shape[2], POINT


def _flatten(layer: Flatten, shape: Shape, keep: bool) -> Counts:
    size = shape[0] * shape[1] * shape[2]
    return (size, 1, 1), 0, 0, 0, size, POINT


def _pool(layer: Pool, shape: Shape, keep: bool) -> Counts:
    channels, height, width = shape
    out_h = _pooled(height, layer.kernel[0], layer.stride[0], layer.padding[0], layer.ceil)
    out_w = _pooled(width, layer.kernel[1], layer.stride[1], layer.padding[1], layer.ceil)
    if out_h < 1 or out_w < 1:
        raise _vanished(layer.kernel, shape)
    span = (0, layer.kernel[0] - 1, layer.kernel[1] - 1, *layer.stride)
    return (channels, out_h, out_w), 0, 0, 0, channels * (height * width + out_h * out_w), span


def _pooled(size: int, kernel: int, stride: int, padding: int, ceil: bool) -> int:
    """Positions of a pooling window; rounded up, the last one must still start inside the map or its padding."""
    room = size + 2 * padding - kernel
    if not ceil:
        return room // stride + 1
    out = -(-room // stride) + 1
    return out - 1 if (out - 1) * stride >= size + padding else out


def _fractional_pool(layer: FractionalPool, shape: Shape, keep: bool) -> Counts:
    channels, height, width = shape
    out_h, out_w = int(height * layer.ratio), int(width * layer.ratio)
    # The windows start between the first and the last place where one fits, so one more must fit than there are.
    if out_h < 1 or out_w < 1 or out_h + layer.kernel[0] - 1 > height or out_w + layer.kernel[1] - 1 > width:
        raise _vanished(layer.kernel, shape)
    span = (0, layer.kernel[0] - 1, layer.kernel[1] - 1, Fraction(height, out_h), Fraction(width, out_w))
    return (channels, out_h, out_w), 0, 0, 0, channels * (height * width + out_h * out_w), span


def _global_pool(layer: GlobalPool, shape: Shape, keep: bool) -> Counts:
    channels, height, width = shape
    out_h, out_w = layer.size
    return (channels, out_h, out_w), 0, 0, 0, channels * (height * width + out_h * out_w), POINT


def _linear(layer: Linear, shape: Shape, keep: bool) -> Counts:
    features = shape[0]
    if shape != (layer.in_features, 1, 1):
        raise SpecError("", f"takes a vector of {layer.in_features}, got a map of {shape}")
    out = layer.out_features
    weights = features * out
    return (out, 1, 1), weights + (out if layer.bias else 0), weights, 0, features + out, WEIGHTED


def _channel_linear(layer: ChannelLinear, shape: Shape, keep: bool) -> Counts:
    channels, height, width = shape
    if channels != layer.in_features:
        raise SpecError("", f"takes {layer.in_features} channels, got {channels}")
    out = layer.out_features
    weights = channels * out
    area = height * width
    params = weights + (out if layer.bias else 0)
    return (out, height, width), params, weights * area, 0, (channels + out) * area, WEIGHTED


def _channel_pad(layer: ChannelPad, shape: Shape, keep: bool) -> Counts:
    channels, height, width = shape
    area = height * width
    return (channels + layer.channels, height, width), 0, 0, 0, (2 * channels + layer.channels) * area, POINT


def _channel_slice(layer: ChannelSlice, shape: Shape, keep: bool) -> Counts:
    channels, height, width = shape
    if not 0 <= layer.start < layer.stop <= channels:
        raise SpecError("", f"takes channels {layer.start} to {layer.stop}, got {channels}")
    kept = layer.stop - layer.start
    return (kept, height, width), 0, 0, 0, (channels + kept) * height * width, POINT


def _channel_shuffle(layer: ChannelShuffle, shape: Shape, keep: bool) -> Counts:
    if shape[0] % layer.groups:
        raise SpecError("", f"{layer.groups} groups must divide {shape[0]} channels")
    return shape, 0, 0, 0, 2 * num_values(shape), POINT


def _subsample(layer: Subsample, shape: Shape, keep: bool) -> Counts:
    channels, height, width = shape
    out = (channels, -(-height // layer.stride[0]), -(-width // layer.stride[1]))
    return out, 0, 0, 0, num_values(shape) + num_values(out), (0, 0, 0, *layer.stride)


def num_values(shape: Shape) -> int:
    """How many values a map holds."""
    return shape[0] * shape[1] * shape[2]


def _vanished(kernel: tuple[int, int], shape: Shape) -> SpecError:
    return SpecError(
        "",
        f"a {kernel[0]} x {kernel[1]} window does not fit a map of {shape[1]} x {shape[2]}; "
        "the input is too small for the strides before it",
    )


PRIMITIVES: dict[type[Layer], Callable[[Any, Shape, bool], Counts]] = {
    Conv: _conv,
    Norm: _norm,
    LocalResponseNorm: _local_response_norm,
    ChannelScale: _channel_scale,
    Act: _elementwise,
    Dropout: _elementwise,
    DropPath: _elementwise,
    Identity: _identity,
    Flatten: _flatten,
    Pool: _pool,
    FractionalPool: _fractional_pool,
    GlobalPool: _global_pool,
    Linear: _linear,
    ChannelLinear: _channel_linear,
    ChannelPad: _channel_pad,
    ChannelSlice: _channel_slice,
    ChannelShuffle: _channel_shuffle,
    Subsample: _subsample,
}
