"""The maps within a network at some of its strides: what detection and segmentation are built on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import torch
from torch import Tensor, nn

from naslab.arch import ArchSpec, graphs
from naslab.arch.build import build
from naslab.arch.lower import part_name, placed_blocks
from naslab.errors import SpecError
from naslab.training.checkpoint import Checkpoint

LARGE = 1024
"""The side of the image that strides are taken of."""
BORDERS = 0.08
"""The share of a side that borders may take."""
LEVELS = (4, 8, 16, 32)
"""The strides of the maps that a feature pyramid stands on (arXiv 1612.03144)."""
BODY = "body"
"""What the maps of a network are called within a detector's backbone, and within a segmenter."""


class Level(NamedTuple):
    """A map within a network: behind the part `module`, of `channels`, its positions `reduction` pixels apart."""

    module: str
    channels: int
    reduction: int


def levels_of(arch: ArchSpec) -> tuple[Level, ...]:
    """The last map at every stride of a network, before its head, in order.

    Strides are those of a large image, so that borders which unpadded windows leave out count for little; maps whose
    sides are reduced differently, or by no whole number, are left out.

    >>> from naslab.zoo import model
    >>> [(level.reduction, level.channels) for level in levels_of(model("mobilenet_v2"))]
    [(2, 16), (4, 24), (8, 32), (16, 96), (32, 320)]
    """
    found: dict[int, Level] = {}
    large = msgspec.structs.replace(arch, input=(arch.input[0], LARGE, LARGE))
    for block in placed_blocks(large):
        channels, height, width = block.out_shape
        reduction = stride_of(height)
        if reduction is not None and height == width:
            found[reduction] = Level(part_name(block.place), channels, reduction)
    return tuple(found[reduction] for reduction in sorted(found))


def stride_of(side: int) -> int | None:
    """How many pixels apart the positions of a map with a `side` are in an image of 1024; `None` for no whole number.

    >>> [stride_of(side) for side in (512, 509, 30, 341, 700)]
    [2, 2, 32, 3, None]
    """
    exact = LARGE / side
    power = 1 << round(math.log2(exact))
    if abs(exact / power - 1) < BORDERS:
        return power
    return round(exact) if abs(exact - round(exact)) < 0.01 * exact else None


def chosen_levels(arch: ArchSpec, levels: Sequence[int], name: str = "the network") -> tuple[Level, ...]:
    """The maps of `arch` at the strides `levels`. Raises `SpecError` where it, called `name`, lacks one."""
    there = {level.reduction: level for level in levels_of(arch)}
    if not levels or sorted(set(levels)) != list(levels):
        raise SpecError("levels", f"must be strides in ascending order, as 4, 8, 16, 32, got {listed(levels)}")
    if missing := [each for each in levels if each not in there]:
        rule = f"{name} has maps at strides {listed(list(there))}, none at {listed(missing)}: name levels among these"
        raise SpecError("levels", rule)
    return tuple(there[each] for each in levels)


def listed(strides: Sequence[int]) -> str:
    """Strides in a row of text."""
    return ", ".join(map(str, strides)) or "none"


class FeatureMaps(nn.Module):
    """The maps of a network at the strides of `levels`, a list, of images of shape (batch, channels, height, width).

    The maps have shapes of (batch, channels, height / reduction, width / reduction), rounded up. Parts keep the names
    that they have in the network, so its weights load here; parts behind the last level are left out.
    """

    def __init__(self, network: nn.Module, levels: Sequence[Level]) -> None:
        super().__init__()
        self.levels = tuple(levels)
        self._memory = graphs.longest_memory(network)
        last = levels[-1].module
        for name, part in network.named_children():
            self.add_module(name, part)
            if name == last:
                break
        graphs.share_paths(self)

    @property
    def channels(self) -> list[int]:
        """The channels of each map."""
        return [level.channels for level in self.levels]

    @property
    def reduction(self) -> list[int]:
        """How many pixels apart the positions of each map are."""
        return [level.reduction for level in self.levels]

    @property
    def feature_info(self) -> list[dict[str, int | str]]:
        """The same in the words of timm: `num_chs`, `reduction` and `module` of each map."""
        return [
            {"num_chs": level.channels, "reduction": level.reduction, "module": level.module} for level in self.levels
        ]

    def forward(self, x: Tensor) -> list[Tensor]:
        wanted = {level.module for level in self.levels}
        trail, maps = [x], []
        for name, part in self.named_children():
            trail = graphs.advance(part, trail, self._memory)
            if name in wanted:
                maps.append(trail[-1])
        return maps


def feature_maps(
    arch: ArchSpec, levels: Sequence[int] = LEVELS, name: str = "the network", seed: int = 0
) -> FeatureMaps:
    """The maps of `arch`, called `name`, at the strides `levels`, with weights drawn from `seed`.

    Raises `SpecError` for strides that it does not have.
    """
    chosen = chosen_levels(arch, levels, name)
    return FeatureMaps(build(arch, seed), chosen)


def load_features(maps: FeatureMaps, weights: dict[str, Tensor]) -> None:
    """Give maps the tensors of a network by its names, of the shapes there; those that are missing stay."""
    own = maps.state_dict()
    with torch.no_grad():
        maps.load_state_dict(own | {name: value for name, value in weights.items() if name in own})


def name_in_network(name: str) -> str:
    """What a tensor of a detector or segmenter is called in the network that it stands on; empty for one of heads.

    >>> name_in_network("backbone.body.stage0.0.conv.weight"), name_in_network("rpn.head.conv.0.0.weight")
    ('stage0.0.conv.weight', '')
    """
    parts = name.split(".")
    return ".".join(parts[parts.index(BODY) + 1 :]) if BODY in parts[:2] else ""


def is_under_heads(checkpoint: Checkpoint) -> bool:
    """Whether a `checkpoint` is one of a detector or segmenter, whose network is a part of it."""
    return any(map(name_in_network, checkpoint.weights()))


def network_weights(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """The tensors of the network that a `checkpoint` holds, by its names, also where heads stand on it.

    Those behind the last map that heads read are then those of an initialisation.
    """
    weights = checkpoint.weights()
    if not is_under_heads(checkpoint):
        return weights
    return network_tensors(checkpoint.origin.arch, weights, checkpoint.origin.seed)


def network_tensors(arch: ArchSpec, tensors: Mapping[str, Tensor], seed: int = 0) -> dict[str, Tensor]:
    """The tensors of the network `arch` among the `tensors` of heads on it, by its names; missing ones by `seed`."""
    own = build(arch, seed).state_dict()
    named = {name_in_network(name): value for name, value in tensors.items()}
    return own | {name: value for name, value in named.items() if name in own}
