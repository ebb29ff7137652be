"""Plan: a network as a tree of primitive layers and combinators, which are layers made of layers.

Blocks lower themselves to plans; `cost`, `build` and `diagram` are folds over plans. A plan holds numbers of channels
but no sides of maps: those follow from the input (`naslab.arch.tally`). Each layer is declared in `naslab.arch.layers`;
this file gathers them.
"""

from __future__ import annotations

from itertools import compress

from naslab.arch.declaration import HeightWidth, Layer, Shape, layer_kind, named_parts
from naslab.arch.layers.activation import Act, Activation, Identity
from naslab.arch.layers.combinators import Concat, Gate, Residual, Sequence
from naslab.arch.layers.convolution import ChannelLinear, Conv, Linear
from naslab.arch.layers.graph import Dag, Node
from naslab.arch.layers.history import History, Supervised
from naslab.arch.layers.normalisation import ChannelScale, LocalResponseNorm, Norm
from naslab.arch.layers.pooling import FractionalPool, GlobalPool, Pool, Subsample
from naslab.arch.layers.rearrangement import ChannelPad, ChannelShuffle, ChannelSlice, Flatten
from naslab.arch.layers.regularisation import Dropout, DropPath
from naslab.arch.layers.zeros import Zeros

__all__ = [
    "Act",
    "Activation",
    "ChannelLinear",
    "ChannelPad",
    "ChannelScale",
    "ChannelShuffle",
    "ChannelSlice",
    "Concat",
    "Conv",
    "Dag",
    "DropPath",
    "Dropout",
    "Flatten",
    "FractionalPool",
    "Gate",
    "GlobalPool",
    "HeightWidth",
    "History",
    "Identity",
    "Layer",
    "Linear",
    "LocalResponseNorm",
    "Node",
    "Norm",
    "Pool",
    "Residual",
    "Sequence",
    "Shape",
    "Subsample",
    "Supervised",
    "Zeros",
    "chain",
    "concat",
    "layer_kind",
    "named_parts",
    "seq",
]


def seq(**layers: Layer | None) -> Sequence:
    """A `Sequence` from keywords, in their order; `None` leaves a layer out.

    >>> seq(conv=Conv(3, 8), act=Act("relu"), se=None).names
    ('conv', 'act')
    """
    values = layers.values()
    if all(values):
        return Sequence(tuple(layers), tuple(values))  # type: ignore[arg-type]  # none of them is None
    return Sequence(tuple(compress(layers, values)), tuple(filter(None, values)))


def chain(layers: list[Layer]) -> Sequence:
    """A `Sequence` whose layers are named by their position: `0`, `1`, ..."""
    return Sequence(tuple(map(str, range(len(layers)))), tuple(layers))


def concat(**branches: Layer) -> Concat:
    """A `Concat` from keywords, in their order."""
    return Concat(tuple(branches), tuple(branches.values()))
