"""Layers that put channels in other places: padding, slices, shuffles, and the vector of a map."""

from __future__ import annotations

from naslab.arch.declaration import (
    ZERO,
    Counts,
    Declaration,
    Layer,
    Shape,
    always,
    declare,
    moves,
    no_weights,
)
from naslab.arch.live_maps import keeps_nothing, views_input
from naslab.arch.span import POINT
from naslab.arch.tally import num_values
from naslab.errors import SpecError, counted


class ChannelPad(Layer, frozen=True, gc=False):
    """Zero channels behind the given ones (ResNet's option A shortcut)."""

    channels: int


class ChannelSlice(Layer, frozen=True, gc=False):
    """Channels `start` to `stop`, the latter not included: one side of a channel split (arXiv 1807.11164)."""

    start: int
    stop: int


class ChannelShuffle(Layer, frozen=True, gc=False):
    """Channels dealt out so that every group gets some of each of `groups` groups (arXiv 1707.01083, figure 1)."""

    groups: int


class Flatten(Layer, frozen=True, gc=False):
    """(channels, height, width) to (channels * height * width, 1, 1)."""


def _count_pad(layer: ChannelPad, shape: Shape, keep: bool) -> Counts:
    channels, height, width = shape
    area = height * width
    return (channels + layer.channels, height, width), 0, 0, 0, (2 * channels + layer.channels) * area, POINT


declare(
    ChannelPad,
    Declaration(
        count=_count_pad,
        memory=keeps_nothing,
        words=lambda layer: f"{counted(layer.channels, 'channel')} of zeros",
        channels=moves(lambda layer, channels: (*channels, *[ZERO] * layer.channels)),
        weights=no_weights,
        keeps_zero=always,
    ),
)


def _count_slice(layer: ChannelSlice, shape: Shape, keep: bool) -> Counts:
    channels, height, width = shape
    if not 0 <= layer.start < layer.stop <= channels:
        raise SpecError("", f"takes channels {layer.start} to {layer.stop}, got {channels}")
    kept = layer.stop - layer.start
    return (kept, height, width), 0, 0, 0, (channels + kept) * height * width, POINT


declare(
    ChannelSlice,
    Declaration(
        count=_count_slice,
        memory=views_input,
        words=lambda layer: f"channels {layer.start} to {layer.stop - 1}",
        channels=moves(lambda layer, channels: channels[layer.start : layer.stop]),
        weights=no_weights,
        keeps_zero=always,
    ),
)


def _count_shuffle(layer: ChannelShuffle, shape: Shape, keep: bool) -> Counts:
    if shape[0] % layer.groups:
        raise SpecError("", f"{layer.groups} groups must divide {counted(shape[0], 'channel')}")
    return shape, 0, 0, 0, 2 * num_values(shape), POINT


def _shuffled(layer: ChannelShuffle, channels: tuple[int, ...]) -> tuple[int, ...]:
    """The k-th channel of every group, for each k.

    >>> _shuffled(ChannelShuffle(2), (0, 1, 2, 3, 4, 5))
    (0, 3, 1, 4, 2, 5)
    """
    share = len(channels) // layer.groups
    return tuple(channels[group * share + place] for place in range(share) for group in range(layer.groups))


declare(
    ChannelShuffle,
    Declaration(
        count=_count_shuffle,
        memory=keeps_nothing,
        words=lambda layer: f"channel shuffle in {layer.groups} groups",
        channels=moves(_shuffled),
        weights=no_weights,
        keeps_zero=always,
    ),
)


def _count_flatten(layer: Flatten, shape: Shape, keep: bool) -> Counts:
    size = shape[0] * shape[1] * shape[2]
    return (size, 1, 1), 0, 0, 0, size, POINT


declare(
    Flatten,
    Declaration(
        count=_count_flatten,
        memory=views_input,
        words=lambda layer: "flatten",
        weights=no_weights,
    ),
)
