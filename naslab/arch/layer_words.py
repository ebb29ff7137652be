"""Primitive layers in words: one short phrase a layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
    HeightWidth,
    Layer,
    Linear,
    LocalResponseNorm,
    Norm,
    Pool,
    Subsample,
)


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun.

    >>> counted(1, "part"), counted(3, "branch", "branches")
    ('1 part', '3 branches')
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def _sides(pair: HeightWidth) -> str:
    return f"{pair[0]} x {pair[1]}"


def _window(kernel: HeightWidth, stride: HeightWidth) -> str:
    """A window's sides, and its steps where it skips positions."""
    step = f" stride {stride[0] if stride[0] == stride[1] else _sides(stride)}" if stride != (1, 1) else ""
    return _sides(kernel) + step


def _conv(layer: Conv) -> str:
    is_depthwise = layer.groups == layer.in_channels == layer.out_channels and layer.groups > 1
    words = [f"{'depthwise' if is_depthwise else 'conv'} {_window(layer.kernel, layer.stride)}"]
    words.append(f"of {layer.groups}" if is_depthwise else f"{layer.in_channels} to {layer.out_channels}")
    if layer.groups > 1 and not is_depthwise:
        words.append(f"in {layer.groups} groups")
    if layer.dilation != (1, 1):
        words.append(f"dilated {_sides(layer.dilation)}")
    return " ".join(words + ["standardized"] * layer.standardized)


def _global_pool(layer: GlobalPool) -> str:
    return f"global {_POOLS[layer.kind]} pool" + (f" to {_sides(layer.size)}" if layer.size != (1, 1) else "")


_POOLS = {"avg": "average", "max": "max"}

WORDS: dict[type[Layer], Callable[[Any], str]] = {
    Conv: _conv,
    Norm: lambda layer: f"{layer.kind} norm" + (f" in {layer.groups} groups" if layer.kind == "group" else ""),
    LocalResponseNorm: lambda layer: f"local response norm over {layer.size}",
    Act: lambda layer: layer.kind.replace("_", " "),
    Pool: lambda layer: f"{_POOLS[layer.kind]} pool {_window(layer.kernel, layer.stride)}",
    FractionalPool: lambda layer: f"fractional max pool {_sides(layer.kernel)} to {layer.ratio:g} of each side",
    GlobalPool: _global_pool,
    Flatten: lambda layer: "flatten",
    Linear: lambda layer: f"linear {layer.in_features} to {layer.out_features}",
    ChannelLinear: lambda layer: f"linear over channels {layer.in_features} to {layer.out_features}",
    ChannelScale: lambda layer: f"learned scale of {counted(layer.channels, 'channel')}",
    Dropout: lambda layer: f"dropout {layer.rate:g}" + (" of whole channels" if layer.channelwise else ""),
    DropPath: lambda layer: f"drop path {layer.rate:g}",
    ChannelPad: lambda layer: f"{counted(layer.channels, 'channel')} of zeros",
    ChannelSlice: lambda layer: f"channels {layer.start} to {layer.stop - 1}",
    ChannelShuffle: lambda layer: f"channel shuffle in {layer.groups} groups",
    Subsample: lambda layer: f"every {_sides(layer.stride)} position from {_sides(layer.offset)}",
}
"""Every primitive layer but `Identity`, which is nothing to speak of."""
