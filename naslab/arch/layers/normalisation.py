"""Normalisations, and learned factors of channels."""

from __future__ import annotations

from typing import Literal

from naslab.arch.declaration import (
    Counts,
    Declaration,
    Layer,
    Shape,
    Weight,
    always,
    declare,
    keeps_channels,
    no_weights,
)
from naslab.arch.live_maps import LiveMaps, Value, keeps_input
from naslab.arch.span import POINT
from naslab.arch.tally import num_values
from naslab.errors import SpecError, counted


class Norm(Layer, frozen=True, gc=False):
    """Normalisation of `channels` channels with a learned scale and shift, by the statistics of the `kind`.

    `batch`: of each channel over the batch, with running means of `momentum`; `group`: of each image over each of
    `groups` groups of channels; `layer`: of each position over its channels. `eps` is added to the variance.
    """

    channels: int
    kind: Literal["batch", "group", "layer"] = "batch"
    eps: float = 1e-5
    momentum: float = 0.1
    groups: int = 1


class LocalResponseNorm(Layer, frozen=True, gc=False):
    """Division by (`k` + `alpha` / `size` * s) ** `beta`, s the sum of the squares of `size` neighbouring channels.

    AlexNet's local response normalisation (Krizhevsky et al. 2012, section 3.3), with `alpha` as torch has it.
    """

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 2.0


class ChannelScale(Layer, frozen=True, gc=False):
    """A learned factor for every channel, or one for all, `initial` at first (LayerScale, arXiv 2103.17239)."""

    channels: int
    initial: float = 1.0


def _count_norm(layer: Norm, shape: Shape, keep: bool) -> Counts:
    channels, height, width = shape
    if channels != layer.channels:
        raise SpecError("", f"normalises {counted(layer.channels, 'channel')}, got {channels}")
    size = channels * height * width
    return shape, 2 * channels, 0, 0, size + size if keep else size, POINT


def _norm_weights(layer: Norm) -> tuple[Weight, ...]:
    shape = (layer.channels,)
    learned = Weight("weight", shape, 1.0), Weight("bias", shape, 0.0)
    if layer.kind != "batch":
        return learned
    mean, variance = Weight("running_mean", shape, 0.0, False), Weight("running_var", shape, 1.0, False)
    return *learned, mean, variance, Weight("num_batches_tracked", (), 0.0, False)


declare(
    Norm,
    Declaration(
        count=_count_norm,
        memory=keeps_input,
        makes_new_map=always,
        words=lambda layer: f"{layer.kind} norm" + (f" in {layer.groups} groups" if layer.kind == "group" else ""),
        channels=keeps_channels,
        weights=_norm_weights,
        zeroed_by=("weight", "bias"),
    ),
)


def _count_local_response_norm(layer: LocalResponseNorm, shape: Shape, keep: bool) -> Counts:
    return shape, 0, 0, 0, 2 * num_values(shape), POINT


def _local_response_norm_memory(layer: LocalResponseNorm, value: Value, maps: LiveMaps) -> Value:
    maps.keep(value)
    for _ in range(2):  # the sum of squares, and what the map is divided by
        maps.keep(maps.new(value.shape))
    return maps.new(value.shape)


declare(
    LocalResponseNorm,
    Declaration(
        count=_count_local_response_norm,
        memory=_local_response_norm_memory,
        words=lambda layer: f"local response norm over {layer.size}",
        channels=keeps_channels,
        weights=no_weights,
    ),
)


def _count_channel_scale(layer: ChannelScale, shape: Shape, keep: bool) -> Counts:
    if layer.channels not in (1, shape[0]):
        raise SpecError("", f"scales {counted(layer.channels, 'channel')}, got {shape[0]}")
    size = num_values(shape)
    return shape, layer.channels, 0, 0, size + size if keep else size, POINT


declare(
    ChannelScale,
    Declaration(
        count=_count_channel_scale,
        memory=keeps_input,
        words=lambda layer: f"learned scale of {counted(layer.channels, 'channel')}",
        channels=keeps_channels,
        weights=lambda layer: (Weight("scale", (layer.channels, 1, 1), layer.initial),),
        zeroed_by=("scale",),
    ),
)
