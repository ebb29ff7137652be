"""A map of zeros: the operation `none` of cell spaces."""

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
from naslab.arch.live_maps import keeps_nothing
from naslab.arch.span import POINT
from naslab.arch.tally import num_values
from naslab.errors import counted


class Zeros(Layer, frozen=True, gc=False):
    """Zeros in `channels` channels at every position of the input, whatever it holds."""

    channels: int


def _count_zeros(layer: Zeros, shape: Shape, keep: bool) -> Counts:
    out = (layer.channels, *shape[1:])
    return out, 0, 0, 0, num_values(shape) + num_values(out), POINT


declare(
    Zeros,
    Declaration(
        count=_count_zeros,
        memory=keeps_nothing,
        words=lambda layer: f"{counted(layer.channels, 'channel')} of zeros in place of the input",
        channels=moves(lambda layer, channels: (ZERO,) * layer.channels),
        weights=no_weights,
        keeps_zero=always,
    ),
)
