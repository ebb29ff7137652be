"""Flow: which channels of the parent's map a map of the child carries. It goes through the layers as a map does."""

from __future__ import annotations

import math
from collections import Counter
from typing import NamedTuple, TypeAlias

from naslab.arch.declaration import NEW
from naslab.arch.plan import Act

Channels: TypeAlias = tuple[int, ...]
"""For each channel of the child, the channel of the parent that it carries; `NEW` for one that no parent's is."""


class Flow(NamedTuple):
    """What a map of the child carries of the parent's map of `width` channels at the same place.

    Channel c of the child is `scale` times channel `channels[c]` of the parent. All values of the parent's map lie
    between `low` and `high`. `norm` names the child's last norm whose scale and shift, multiplied, multiply this map.
    `positions` are those of a pooled map that becomes a vector, the parent's and the child's.

    >>> Flow((0, 1, 0), 2).is_whole, Flow((0, 2), 3).is_whole
    (True, False)
    """

    channels: Channels
    width: int
    low: float = -math.inf
    high: float = math.inf
    scale: float = 1.0
    norm: str | None = None
    positions: tuple[int, int] = (1, 1)

    @property
    def is_whole(self) -> bool:
        """Whether every channel of the parent is carried."""
        return set(self.channels) - {NEW} == set(range(self.width))

    @property
    def is_same(self) -> bool:
        """Whether the child's map is the parent's, channel for channel."""
        return self.scale == 1.0 and self.channels == tuple(range(self.width))

    def made(self, channels: Channels, width: int) -> Flow:
        """The flow behind a layer with a new map of the parent's `width` channels: not scaled, its values unbounded."""
        return Flow(channels, width, positions=self.positions)

    def carrying(self, channels: Channels, width: int) -> Flow:
        """The flow of the same values in other channels: bounds and scale stay."""
        return Flow(channels, width, self.low, self.high, self.scale)

    def flattened(self) -> Flow:
        """The flow of the vector that the map becomes, all positions of a channel together.

        >>> Flow((1, 0), 2, positions=(2, 2)).flattened().channels
        (2, 3, 0, 1)
        """
        old, new = self.positions
        channels = tuple(
            NEW if channel == NEW else channel * old + place * old // new
            for channel in self.channels
            for place in range(new)
        )
        return self.carrying(channels, self.width * old)


def spread(width: int, wide: int) -> Channels:
    """What a map of `wide` channels carries of one of `width`: each in turn, or where there are fewer the first ones.

    The choice follows from the two widths alone, so both sides of a sum make the same one.

    >>> spread(3, 5), spread(3, 2)
    ((0, 1, 2, 0, 1), (0, 1))
    """
    return tuple(channel % width for channel in range(wide))


def spread_in_groups(width: int, wide: int, groups: int) -> Channels:
    """`spread` within each of `groups` groups, where both widths hold them; else over all.

    >>> spread_in_groups(4, 6, 2)
    (0, 1, 0, 2, 3, 2)
    """
    if width % groups or wide % groups:
        return spread(width, wide)
    share, wide_share = width // groups, wide // groups
    return tuple(group * share + channel for group in range(groups) for channel in spread(share, wide_share))


def stacked(flows: list[Flow], widths: list[int]) -> Flow:
    """The flow of maps stacked along the channels; `widths` are the channels of the parent's maps, one by one."""
    channels: list[int] = []
    offset = 0
    for flow, width in zip(flows, widths, strict=True):
        channels += [NEW if channel == NEW else channel + offset for channel in flow.channels]
        offset += width
    low, high = min(flow.low for flow in flows), max(flow.high for flow in flows)
    return Flow(tuple(channels), offset, low, high, flows[0].scale)


def covers_groups(flow: Flow, child_groups: int, parent_groups: int) -> bool:
    """Whether each of the child's groups holds a whole group of the parent, every channel equally often.

    Then its mean and variance are those of the parent's group (group and layer normalisation).
    """
    if len(flow.channels) % child_groups or flow.width % parent_groups:
        return False
    share, parent_share = len(flow.channels) // child_groups, flow.width // parent_groups
    for start in range(0, len(flow.channels), share):
        counts = Counter(flow.channels[start : start + share])
        first = min(counts) // parent_share * parent_share
        if set(counts) != set(range(first, first + parent_share)) or len(set(counts.values())) > 1:
            return False
    return True


RANGES: dict[str, tuple[float, float]] = {
    "relu": (0.0, math.inf),
    "relu6": (0.0, 6.0),
    "sigmoid": (0.0, 1.0),
    "hardsigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
}
"""Between what the outputs of an activation lie, where that says something."""

SCALING = ("relu", "leaky_relu")
"""Activations that pass on a positive factor of their input."""

_IDLE_ABOVE_ZERO = ("relu", "leaky_relu", "elu")


def activated(flow: Flow, act: Act) -> Flow:
    """The flow behind an activation that both networks have: its values lie where those of the activation do."""
    low, high = RANGES.get(act.kind, (-math.inf, math.inf))
    keeps = act.kind in SCALING
    scale = flow.scale if keeps else 1.0
    norm = flow.norm if keeps else None
    return Flow(flow.channels, flow.width, low * act.gain, high * act.gain, scale, norm, flow.positions)


def is_idle(act: Act, flow: Flow) -> bool:
    """Whether an activation changes nothing of a map with these bounds.

    >>> is_idle(Act("relu"), Flow((0,), 1, low=0.0)), is_idle(Act("silu"), Flow((0,), 1, low=0.0))
    (True, False)
    """
    if act.gain != 1.0 or flow.low < 0:
        return False
    return act.kind in _IDLE_ABOVE_ZERO or (act.kind == "relu6" and flow.high * flow.scale <= 6)
