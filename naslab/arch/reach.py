"""How deep a network is and how far it sees: a third reading of the plan, beside cost and module.

Depth is what papers print in a name: weighted layers on the longest way through, squeeze-excite gates not counted.
The receptive field is that of one position of the last map, in pixels; global pooling and what follows see it all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from naslab.arch.lower import lower
from naslab.arch.plan import (
    Act,
    ChannelLinear,
    ChannelPad,
    ChannelScale,
    ChannelShuffle,
    ChannelSlice,
    Concat,
    Conv,
    Dag,
    Dropout,
    DropPath,
    Flatten,
    Gate,
    GlobalPool,
    History,
    Identity,
    Layer,
    Linear,
    LocalResponseNorm,
    Norm,
    Pair,
    Pool,
    Residual,
    Sequence,
    Subsample,
    Supervised,
    layer_kind,
)
from naslab.arch.spec import ArchSpec
from naslab.arch.tally import history_steps, step_reads
from naslab.errors import SpecError

_PASSING = (
    *(Act, ChannelPad, ChannelScale, ChannelShuffle, ChannelSlice, Dropout, DropPath, Flatten),
    *(Gate, GlobalPool, Identity, LocalResponseNorm, Norm),
)
"""Layers without filters of their own, and gates and global pooling, which by convention see nothing more."""


class Reach(NamedTuple):
    """Weighted layers on the longest way, the (height, width) that a position sees, and pixels between positions."""

    depth: int
    field: Pair
    jump: Pair


def reach(arch: ArchSpec) -> Reach:
    """The depth of a network, the receptive field of its last feature map, and that map's stride.

    Araujo et al. 2019, "Computing Receptive Fields of Convolutional Neural Networks", equation 2.

    >>> from naslab.arch import ConvBlock, Stage
    >>> stages = (Stage(block=ConvBlock(), width=8, stride=2), Stage(block=ConvBlock(), width=8))
    >>> reach(ArchSpec(input=(3, 32, 32), stages=stages, num_classes=10))
    Reach(depth=3, field=(7, 7), jump=(2, 2))
    """
    return _through(lower(arch), Reach(0, (1, 1), (1, 1)))


def _through(layer: Layer, at: Reach) -> Reach:
    match layer:
        case Sequence():
            for each in layer.layers:
                at = _through(each, at)
            return at
        case Residual():
            return _joined((_through(layer.body, at), _through(layer.shortcut, at)))
        case Concat():
            return _joined(_through(branch, at) for branch in layer.branches)
        case Dag():
            return _graph(layer, [at] * layer.num_inputs)
        case History():
            return _history(layer, at)
        case Supervised():
            return _through(layer.body, at)
        case Conv():
            sides = [dilation * (side - 1) + 1 for side, dilation in zip(layer.kernel, layer.dilation, strict=True)]
            return _window(at, 1, (sides[0], sides[1]), layer.stride)
        case Pool():
            return _window(at, 0, layer.kernel, layer.stride)
        case Subsample():
            return _window(at, 0, (1, 1), layer.stride)
        case Linear() | ChannelLinear():
            return at._replace(depth=at.depth + 1)
    if isinstance(layer, _PASSING):
        return at
    raise SpecError("", f"the reach does not know the layer {layer_kind(layer)}")


def _window(at: Reach, weighted: int, kernel: Pair, stride: Pair) -> Reach:
    field = (at.field[0] + (kernel[0] - 1) * at.jump[0], at.field[1] + (kernel[1] - 1) * at.jump[1])
    return Reach(at.depth + weighted, field, (at.jump[0] * stride[0], at.jump[1] * stride[1]))


def _joined(ways: Iterable[Reach]) -> Reach:
    """Where ways meet, the deepest counts and the widest sees."""
    depths, fields, jumps = zip(*ways, strict=True)
    return Reach(
        max(depths),
        (max(field[0] for field in fields), max(field[1] for field in fields)),
        (max(jump[0] for jump in jumps), max(jump[1] for jump in jumps)),
    )


def _graph(layer: Dag, values: list[Reach]) -> Reach:
    for node in layer.nodes:
        values.append(_through(node.layer, _joined(values[index] for index in node.inputs)))
    return _joined(values[index] for index in layer.outputs)


def _history(layer: History, at: Reach) -> Reach:
    maps = [at]
    for index, (_, each) in enumerate(history_steps(layer)):
        wanted = [maps[value] for value in step_reads(index, each)]
        maps.append(_graph(each, wanted) if isinstance(each, Dag) else _through(each, maps[-1]))
    return maps[-1]
