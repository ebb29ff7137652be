"""Layers that do something in training only: dropout of values, of channels and of whole maps."""

from __future__ import annotations

from naslab.arch.declaration import Declaration, Layer, always, declare, keeps_channels, no_weights
from naslab.arch.layers.activation import count_elementwise
from naslab.arch.live_maps import LiveMaps, Value, keeps_nothing


class Dropout(Layer, frozen=True, gc=False):
    """Zeroes values (`channelwise`: whole feature maps) with probability `rate` in training."""

    rate: float
    channelwise: bool = False


class DropPath(Layer, frozen=True, gc=False):
    """Zeroes an image's whole map with probability `rate` in training, and makes up for it where it is kept."""

    rate: float


def _dropout_memory(layer: Dropout, value: Value, maps: LiveMaps) -> Value:
    if layer.rate == 0:
        return value
    maps.keep(maps.new(value.shape))
    return maps.new(value.shape)


declare(
    Dropout,
    Declaration(
        count=count_elementwise,
        memory=_dropout_memory,
        words=lambda layer: f"dropout {layer.rate:g}" + (" of whole channels" if layer.channelwise else ""),
        channels=keeps_channels,
        weights=no_weights,
        keeps_zero=always,
        passes_on=True,
    ),
)
declare(
    DropPath,
    Declaration(
        count=count_elementwise,
        memory=keeps_nothing,
        words=lambda layer: f"drop path {layer.rate:g}",
        channels=keeps_channels,
        weights=no_weights,
        keeps_zero=always,
        passes_on=True,
    ),
)
