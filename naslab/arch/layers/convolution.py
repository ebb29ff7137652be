"""Layers whose weights mix channels: convolutions and fully connected layers."""

from __future__ import annotations

from naslab.arch.declaration import (
    ChannelEffect,
    Counts,
    Declaration,
    HeightWidth,
    Keeps,
    Layer,
    Mixes,
    Shape,
    Weight,
    always,
    declare,
)
from naslab.arch.layers.words import window
from naslab.arch.live_maps import keeps_input
from naslab.arch.span import WEIGHTED
from naslab.arch.tally import no_room
from naslab.errors import SpecError, counted


class Conv(Layer, frozen=True, gc=False):
    """Convolution of `in_channels` to `out_channels` with zero padding, in `groups` groups.

    `kernel`, `stride`, `padding` and `dilation` are (height, width) in positions, as in `torch.nn.Conv2d`. `bias` adds
    a learned value to each output channel. `standardized` weights as in NFNet (arXiv 2102.06171). Both sides are padded
    alike by `padding`, or, with `same`, by what TensorFlow's SAME adds to the map that comes: with a stride no more
    than is read, and what is uneven behind the map.
    """

    in_channels: int
    out_channels: int
    kernel: HeightWidth = (1, 1)
    stride: HeightWidth = (1, 1)
    padding: HeightWidth = (0, 0)
    groups: int = 1
    bias: bool = False
    dilation: HeightWidth = (1, 1)
    standardized: bool = False
    same: bool = False


class Linear(Layer, frozen=True, gc=False):
    """A fully connected layer on a flat vector, from `in_features` to `out_features`, with a `bias` or without."""

    in_features: int
    out_features: int
    bias: bool = True


class ChannelLinear(Layer, frozen=True, gc=False):
    """A fully connected layer over the channels of every position, from `in_features` to `out_features` (ConvNeXt).

    It computes what a 1x1 convolution does, with a learned `bias` or without. Its output elements are no `activations`,
    which are counted of convolutions alone.
    """

    in_features: int
    out_features: int
    bias: bool = True


def is_depthwise(conv: Conv) -> bool:
    """Whether a convolution filters every channel by itself.

    >>> is_depthwise(Conv(8, 8, (3, 3), groups=8)), is_depthwise(Conv(8, 16, (3, 3), groups=8))
    (True, False)
    """
    return conv.groups == conv.in_channels == conv.out_channels


def _count_conv(layer: Conv, shape: Shape, keep: bool) -> Counts:
    channels, height, width = shape
    if channels != layer.in_channels:
        raise SpecError("", f"takes {counted(layer.in_channels, 'channel')}, got {channels}")
    kernel_h, kernel_w = layer.kernel
    stride_h, stride_w = layer.stride
    padding_h, padding_w = layer.padding
    dilation_h, dilation_w = layer.dilation
    growth_h = dilation_h * (kernel_h - 1)
    growth_w = dilation_w * (kernel_w - 1)
    out_h = (height + 2 * padding_h - growth_h - 1) // stride_h + 1
    out_w = (width + 2 * padding_w - growth_w - 1) // stride_w + 1
    if out_h < 1 or out_w < 1:
        raise no_room(layer.kernel, shape)
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


def _conv_words(layer: Conv) -> str:
    depthwise = is_depthwise(layer) and layer.groups > 1
    words = [f"{'depthwise' if depthwise else 'conv'} {window(layer.kernel, layer.stride)}"]
    words.append(f"of {layer.groups}" if depthwise else f"{layer.in_channels} to {layer.out_channels}")
    if layer.groups > 1 and not depthwise:
        words.append(f"in {layer.groups} groups")
    if layer.dilation != (1, 1):
        words.append(f"dilated {layer.dilation[0]} x {layer.dilation[1]}")
    return " ".join(words + ["standardized"] * layer.standardized + ["padded as SAME"] * layer.same)


def _conv_channels(layer: Conv) -> ChannelEffect:
    return Keeps() if is_depthwise(layer) else Mixes(layer.out_channels, layer.groups)


def _conv_weights(layer: Conv) -> tuple[Weight, ...]:
    out = layer.out_channels
    weights = [Weight("weight", (out, layer.in_channels // layer.groups, *layer.kernel), "filter")]
    if layer.bias:
        weights.append(Weight("bias", (out,), 0.0))
    if layer.standardized:
        weights.append(Weight("gain", (out, 1, 1, 1), 1.0))
    return tuple(weights)


declare(
    Conv,
    Declaration(
        count=_count_conv,
        memory=keeps_input,
        makes_new_map=always,
        words=_conv_words,
        channels=_conv_channels,
        weights=_conv_weights,
        zeroed_by=("weight", "bias"),
    ),
)


def _count_linear(layer: Linear, shape: Shape, keep: bool) -> Counts:
    features = shape[0]
    if shape != (layer.in_features, 1, 1):
        raise SpecError("", f"takes a vector of {layer.in_features}, got a map of {shape}")
    out = layer.out_features
    weights = features * out
    return (out, 1, 1), weights + (out if layer.bias else 0), weights, 0, features + out, WEIGHTED


def _linear_channels(layer: Linear | ChannelLinear) -> ChannelEffect:
    return Mixes(layer.out_features)


def _linear_weights(layer: Linear | ChannelLinear) -> tuple[Weight, ...]:
    weight = Weight("weight", (layer.out_features, layer.in_features), "linear")
    return (weight, Weight("bias", (layer.out_features,), 0.0)) if layer.bias else (weight,)


declare(
    Linear,
    Declaration(
        count=_count_linear,
        memory=keeps_input,
        makes_new_map=always,
        words=lambda layer: f"linear {layer.in_features} to {layer.out_features}",
        channels=_linear_channels,
        weights=_linear_weights,
        zeroed_by=("weight", "bias"),
    ),
)


def _count_channel_linear(layer: ChannelLinear, shape: Shape, keep: bool) -> Counts:
    channels, height, width = shape
    if channels != layer.in_features:
        raise SpecError("", f"takes {counted(layer.in_features, 'channel')}, got {channels}")
    out = layer.out_features
    weights = channels * out
    area = height * width
    params = weights + (out if layer.bias else 0)
    return (out, height, width), params, weights * area, 0, (channels + out) * area, WEIGHTED


declare(
    ChannelLinear,
    Declaration(
        count=_count_channel_linear,
        memory=keeps_input,
        makes_new_map=always,
        words=lambda layer: f"linear over channels {layer.in_features} to {layer.out_features}",
        channels=_linear_channels,
        weights=_linear_weights,
        zeroed_by=("weight", "bias"),
    ),
)
