"""Channels sorted by importance, so that a narrower child, which keeps the first ones, keeps those that count most.

The importance of a channel is the sum of the absolute weights that read it (L1), as once-for-all networks sort theirs
(Cai et al. 2020, arXiv 1908.09791, section 3.3). Channels that are added to each other, or pass a depthwise filter, are
sorted together; those of the input and of the classes, and those whose places count (grouped filters, shuffles, padded
shortcuts, response norms), stay where they are. The network computes the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from naslab.arch.declaration import Keeps, Moves, channel_effect, weights_of
from naslab.arch.layers.convolution import is_depthwise
from naslab.arch.lower import lower
from naslab.arch.plan import (
    ChannelLinear,
    ChannelScale,
    Concat,
    Conv,
    Dag,
    Flatten,
    Gate,
    History,
    Layer,
    Linear,
    LocalResponseNorm,
    Norm,
    Residual,
    Sequence,
    named_parts,
)
from naslab.arch.spec import ArchSpec
from naslab.training.inheritance.channels import channels_after
from naslab.training.inheritance.rules import path_of


class Channel(NamedTuple):
    """A channel of a map: number `place` of those that the layer of an `axis` makes."""

    axis: int
    place: int


class Use(NamedTuple):
    """A tensor `name` whose dimension `dim` runs over `channels`, which it `reads` where it weighs them."""

    name: str
    dim: int
    channels: tuple[Channel, ...]
    reads: bool = False


def sorted_by_importance(arch: ArchSpec, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors `weights` of the network `arch` by name, its channels in the order of their importance.

    >>> from naslab.arch import ConvBlock, Stage
    >>> from naslab.arch.build import build
    >>> stages = (Stage(block=ConvBlock(), width=4), Stage(block=ConvBlock(), width=2))
    >>> net = ArchSpec(input=(3, 8, 8), stages=stages, num_classes=2)
    >>> made = sorted_by_importance(net, build(net).state_dict())
    >>> size = made["stage1.0.conv.weight"].abs().sum((0, 2, 3))
    >>> bool((size[:-1] >= size[1:]).all())
    True
    """
    axes = Axes()
    axes.fix(axes.behind(lower(arch), "", axes.made(arch.input[0], is_fixed=True)))
    orders = axes.orders(weights)
    made = dict(weights)
    for use in axes.uses:
        made[use.name] = made[use.name].index_select(use.dim, places(use.channels, orders))
    return made


def places(channels: tuple[Channel, ...], orders: Mapping[int, list[int]]) -> Tensor:
    """Where along a dimension over `channels` stands what is to come to each place, int64 of shape (channels,).

    `orders` gives for axes the old place of what comes to each place; others stay. A channel that is there several
    times, as the positions of a flattened map, keeps their order.

    >>> places((Channel(0, 0), Channel(0, 0), Channel(0, 1), Channel(0, 1)), {0: [1, 0]}).tolist()
    [2, 3, 0, 1]
    """
    there: dict[Channel, list[int]] = {}
    for index, channel in enumerate(channels):
        there.setdefault(channel, []).append(index)
    seen: dict[Channel, int] = {}
    found = []
    for axis, place in channels:
        source = Channel(axis, orders[axis][place] if axis in orders else place)
        found.append(there[source][seen.get(source, 0)])
        seen[source] = seen.get(source, 0) + 1
    return torch.tensor(found, dtype=torch.int64)


def remembered(layer: History, path: str) -> Iterator[tuple[str, Layer]]:
    """The layers of a history at `path`, with those of the histories inside it as its own, each with its path."""
    for name, part in named_parts(layer):
        place = path_of(path, name)
        if isinstance(part, History):
            yield from remembered(part, place)
        else:
            yield place, part


class Axes:
    """The axes of a network's maps while its plan is walked: which must be in one order, which stay, what uses them."""

    def __init__(self) -> None:
        self.uses: list[Use] = []
        self._sizes: list[int] = []
        self._same: list[int] = []
        self._fixed: set[int] = set()

    def made(self, size: int, is_fixed: bool = False) -> tuple[Channel, ...]:
        """The channels of a new axis of a `size`, which stay where they are if `is_fixed`."""
        axis = len(self._sizes)
        self._sizes.append(size)
        self._same.append(axis)
        if is_fixed:
            self._fixed.add(axis)
        return tuple(Channel(axis, place) for place in range(size))

    def fix(self, channels: tuple[Channel, ...]) -> None:
        """Leave `channels`, and all that are in one order with them, where they are."""
        self._fixed |= {channel.axis for channel in channels}

    def tie(self, one: tuple[Channel, ...], other: tuple[Channel, ...]) -> None:
        """Keep the channels of two maps in one order: a channel of `one` meets that of `other` at its place."""
        if one == other:
            return
        if self._is_whole(one) and self._is_whole(other) and len(one) == len(other):
            roots = self._root(one[0].axis), self._root(other[0].axis)
            self._same[roots[1]] = roots[0]
        else:
            self.fix((*one, *other))

    def behind(self, layer: Layer, path: str, channels: tuple[Channel, ...]) -> tuple[Channel, ...]:
        """The channels behind a `layer` at `path` in the built module, given those before it."""
        match layer:
            case Sequence():
                for name, part in named_parts(layer):
                    channels = self.behind(part, path_of(path, name), channels)
                return channels
            case History():
                trail = [channels]
                for place, part in remembered(layer, path):
                    if isinstance(part, Dag) and part.num_inputs > 1:
                        count = part.num_inputs
                        read = [trail[0]] * (count - len(trail)) + trail[-count:]
                        trail.append(self.graph(part, place, read))
                    else:
                        trail.append(self.behind(part, place, trail[-1]))
                return trail[-1]
            case Residual():
                made = self.behind(layer.body, path_of(path, "body"), channels)
                self.tie(made, self.behind(layer.shortcut, path_of(path, "shortcut"), channels))
                return made
            case Gate():
                self.tie(self.behind(layer.body, path_of(path, "body"), channels), channels)
                return channels
            case Concat():
                branches = (self.behind(part, path_of(path, name), channels) for name, part in named_parts(layer))
                return tuple(channel for branch in branches for channel in branch)
            case Dag():
                return self.graph(layer, path, [channels] * layer.num_inputs)
            case Flatten():
                return channels  # how often each stands in the vector is told by the layer that reads it
            case Conv() if is_depthwise(layer) and layer.in_channels == layer.out_channels:
                self._over(path, ("weight", "bias") if layer.bias else ("weight",), channels)
                return channels
            case Conv(groups=1):
                return self._mixed(path, layer.in_channels, layer.out_channels, layer.bias, channels)
            case Linear() | ChannelLinear():
                return self._mixed(path, layer.in_features, layer.out_features, layer.bias, channels)
            case Norm():
                names = (
                    ("weight", "bias", "running_mean", "running_var") if layer.kind == "batch" else ("weight", "bias")
                )
                if layer.kind == "group" and layer.groups > 1:
                    self.fix(channels)
                self._over(path, names, spelled(channels, layer.channels))
                return channels
            case ChannelScale():
                if layer.channels > 1:
                    self._over(path, ("scale",), spelled(channels, layer.channels))
                return channels
        effect = channel_effect(layer)
        if isinstance(effect, Keeps) and weights_of(layer) == () and not isinstance(layer, LocalResponseNorm):
            return channels
        self.fix(channels)
        if isinstance(effect, Keeps):
            return channels
        if isinstance(effect, Moves):
            return self.made(len(effect.order(tuple(range(len(channels))))), is_fixed=True)
        return self.made(channels_after(layer, len(channels)), is_fixed=True)

    def graph(self, layer: Dag, path: str, read: list[tuple[Channel, ...]]) -> tuple[Channel, ...]:
        """The channels behind a graph `layer` at `path`, given those of each map that it reads."""
        values = list(read)
        for name, node in zip(layer.names, layer.nodes, strict=True):
            maps = [values[index] for index in node.inputs]
            joined = maps[0]
            if node.join == "concat":
                joined = tuple(channel for each in maps for channel in each)
            else:
                for each in maps[1:]:
                    self.tie(joined, each)
            values.append(self.behind(node.layer, path_of(path, name), joined))
        return tuple(channel for index in layer.outputs for channel in values[index])

    def orders(self, weights: Mapping[str, Tensor]) -> dict[int, list[int]]:
        """For each axis that is sorted the old place of what comes to each place, the most important first."""
        fixed = {self._root(axis) for axis in self._fixed}
        sizes = {self._root(axis): [0.0] * size for axis, size in enumerate(self._sizes)}
        for use in self.uses:
            if not use.reads:
                continue
            weight = weights[use.name]
            read = weight.abs().sum(dim=[dim for dim in range(weight.ndim) if dim != use.dim])
            for channel, value in zip(use.channels, read.tolist(), strict=True):
                sizes[self._root(channel.axis)][channel.place] += value
        best = {
            root: sorted(range(len(each)), key=each.__getitem__, reverse=True)
            for root, each in sizes.items()
            if root not in fixed
        }
        return {axis: best[self._root(axis)] for axis in range(len(self._sizes)) if self._root(axis) in best}

    def _mixed(
        self, path: str, num_in: int, num_out: int, has_bias: bool, channels: tuple[Channel, ...]
    ) -> tuple[Channel, ...]:
        self.uses.append(Use(f"{path}.weight", 1, spelled(channels, num_in), True))
        made = self.made(num_out)
        self._over(path, ("weight", "bias") if has_bias else ("weight",), made)
        return made

    def _over(self, path: str, names: tuple[str, ...], channels: tuple[Channel, ...]) -> None:
        self.uses += [Use(f"{path}.{name}", 0, channels) for name in names]

    def _root(self, axis: int) -> int:
        while self._same[axis] != axis:
            axis = self._same[axis]
        return axis

    def _is_whole(self, channels: tuple[Channel, ...]) -> bool:
        axis = channels[0].axis
        return channels == tuple(Channel(axis, place) for place in range(self._sizes[axis]))


def spelled(channels: tuple[Channel, ...], count: int) -> tuple[Channel, ...]:
    """The channels of a vector of `count` values that a map was flattened to: all positions of each together."""
    times = count // len(channels)
    return channels if times == 1 else tuple(channel for channel in channels for _ in range(times))
