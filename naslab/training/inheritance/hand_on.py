"""Handing on: one fold over two plans at once, the flow of channels going through both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

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
    FractionalPool,
    Gate,
    GlobalPool,
    Identity,
    Layer,
    Linear,
    LocalResponseNorm,
    Norm,
    Pool,
    Residual,
    Sequence,
    Subsample,
    layer_kind,
)
from naslab.errors import SpecError
from naslab.training.inheritance.channels import (
    channels_after,
    chooses_outputs,
    chosen_outputs,
    weighted_layers,
)
from naslab.training.inheritance.flow import (
    NEW,
    SCALING,
    Channels,
    Flow,
    activated,
    shuffled,
    spread,
    stacked,
)
from naslab.training.inheritance.handover import Handover
from naslab.training.inheritance.insert import insert
from naslab.training.inheritance.weighted import hand_on_conv, hand_on_linear, hand_on_norm, hand_on_scale
from naslab.training.inheritance.wishes import wish_behind


class LayerPair(NamedTuple):
    """A layer of the parent and the one of the child at the same place, each with its path in the built module."""

    old_path: str
    old: Layer
    new_path: str
    new: Layer

    def part(self, old_name: str, old: Layer, new_name: str, new: Layer) -> LayerPair:
        """A pair of parts of these two."""
        return LayerPair(joined(self.old_path, old_name), old, joined(self.new_path, new_name), new)

    @property
    def paths(self) -> tuple[str, str]:
        """The parent's path and the child's."""
        return self.old_path, self.new_path


def joined(path: str, name: str) -> str:
    """The path of a part; of the layer itself where it has no name."""
    return f"{path}.{name}" if path and name else path or name


def hand_on(hand: Handover, pair: LayerPair, flow: Flow, wish: Channels | None = None) -> Flow:
    """Initialise the child's layer from the parent's; the flow behind both.

    `wish` are the channels that the output should carry, where weights are free to choose them.
    """
    old, new = pair.old, pair.new
    if type(old) is type(new):
        do = _PAIRS.get(type(new))
        if do is None:
            raise SpecError("", f"inheritance does not know the layer {layer_kind(new)}")
        return do(hand, pair, flow, wish)
    if isinstance(old, Identity):
        return insert(hand, pair.new_path, new, flow, wish)
    if isinstance(new, Identity):
        return remove(hand, pair.old_path, old, flow)
    if isinstance(new, Residual) and isinstance(old, Sequence):
        hand.break_at(pair.new_path, "a shortcut here, none in the parent")
        return hand_on(hand, pair.part("", old, "body", new.body), flow._replace(norm=None), wish)
    if isinstance(old, Residual) and isinstance(new, Sequence):
        hand.break_at(pair.new_path, "no shortcut here, one in the parent")
        return hand_on(hand, pair.part("body", old.body, "", new), flow, wish)
    return leave_fresh(hand, pair, flow)


def leave_fresh(hand: Handover, pair: LayerPair, flow: Flow) -> Flow:
    """A layer of another kind than the parent's: initialised anew, what follows takes its channels in turn."""
    hand.fresh += [joined(pair.new_path, name) for name, _ in weighted_layers(pair.new)]
    hand.break_at(pair.new_path, "a layer of another kind than the parent's")
    width = channels_after(pair.old, flow.width)
    return Flow(spread(width, channels_after(pair.new, len(flow.channels))), width, positions=flow.positions)


def remove(hand: Handover, path: str, layer: Layer, flow: Flow) -> Flow:
    """Leave a layer of the parent out; the child's channels stand for those behind it in turn."""
    if isinstance(layer, Dropout | DropPath | Identity):
        return flow
    hand.break_at(path, "a layer of the parent's that is not here")
    width = channels_after(layer, flow.width)
    if width == flow.width:
        return Flow(flow.channels, width, scale=flow.scale, positions=flow.positions)
    return Flow(spread(width, len(flow.channels)), width, positions=flow.positions)


def _sequence(hand: Handover, pair: LayerPair, flow: Flow, wish: Channels | None) -> Flow:
    old, new = pair.old, pair.new
    assert isinstance(old, Sequence)
    assert isinstance(new, Sequence)
    if _is_other_kind(old, new):
        return leave_fresh(hand, pair, flow)
    chosen = chosen_outputs(new)
    parts = dict(zip(old.names, old.layers, strict=True))
    left = list(old.names)
    for index, (name, each) in enumerate(zip(new.names, new.layers, strict=True)):
        hope = wish if index == chosen else None
        if name not in left:
            flow = insert(hand, joined(pair.new_path, name), each, flow, hope)
            continue
        while left[0] != name:
            first = left.pop(0)
            flow = remove(hand, joined(pair.old_path, first), parts[first], flow)
        left.pop(0)
        if hope is None:
            hope = wish_behind(hand, pair.old_path, old, new, index)
        flow = hand_on(hand, pair.part(name, parts[name], name, each), flow, hope)
    for name in left:
        flow = remove(hand, joined(pair.old_path, name), parts[name], flow)
    return flow


def _is_other_kind(old: Sequence, new: Sequence) -> bool:
    """Whether two sequences have weights and share no name of a layer that does."""
    ours = {name for name, each in zip(new.names, new.layers, strict=True) if weighted_layers(each)}
    theirs = {name for name, each in zip(old.names, old.layers, strict=True) if weighted_layers(each)}
    return bool(ours) and bool(theirs) and not ours & theirs


def _residual(hand: Handover, pair: LayerPair, flow: Flow, wish: Channels | None) -> Flow:
    """Both sides of the sum in the same channels: the side that is free takes those of the one that is not."""
    old, new = pair.old, pair.new
    assert isinstance(old, Residual)
    assert isinstance(new, Residual)
    flow = flow._replace(norm=None)
    body = pair.part("body", old.body, "body", new.body)
    way = pair.part("shortcut", old.shortcut, "shortcut", new.shortcut)
    if not chooses_outputs(new.shortcut):
        other = hand_on(hand, way, flow)
        made = hand_on(hand, body, flow, other.channels)
    elif not chooses_outputs(new.body):
        made = hand_on(hand, body, flow)
        other = hand_on(hand, way, flow, made.channels)
    else:
        width = channels_after(old.body, flow.width)
        wish = wish or spread(width, channels_after(new.body, len(flow.channels)))
        made, other = hand_on(hand, body, flow, wish), hand_on(hand, way, flow, wish)
    if made.channels != other.channels or made.scale != other.scale:
        hand.break_at(pair.new_path, "the two sides of the sum carry the parent's channels in different places")
    if old.scale != new.scale:
        hand.break_at(pair.new_path, f"the body counts {new.scale:g} times here, {old.scale:g} times in the parent")
    return Flow(other.channels, other.width, scale=other.scale)


def _gate(hand: Handover, pair: LayerPair, flow: Flow, wish: Channels | None) -> Flow:
    old, new = pair.old, pair.new
    assert isinstance(old, Gate)
    assert isinstance(new, Gate)
    flow = flow._replace(norm=None)
    made = hand_on(hand, pair.part("body", old.body, "body", new.body), flow, flow.channels)
    if made.channels != flow.channels or made.scale != 1.0:
        hand.break_at(pair.new_path, "the gate's channels are not those that it gates")
    is_shrinking = made.low >= 0 and made.high <= 1
    keeps = is_shrinking and flow.low >= 0
    return flow._replace(low=0.0 if keeps else -float("inf"), high=flow.high if keeps else float("inf"))


def _concat(hand: Handover, pair: LayerPair, flow: Flow, wish: Channels | None) -> Flow:
    old, new = pair.old, pair.new
    assert isinstance(old, Concat)
    assert isinstance(new, Concat)
    if old.names != new.names:
        return leave_fresh(hand, pair, flow)
    flow = flow._replace(norm=None)
    flows = [
        hand_on(hand, pair.part(name, was, name, each), flow)
        for name, was, each in zip(new.names, old.branches, new.branches, strict=True)
    ]
    if len({each.scale for each in flows}) > 1:
        hand.break_at(pair.new_path, "its branches are scaled differently")
    return stacked(flows, [channels_after(branch, flow.width) for branch in old.branches])


def _dag(hand: Handover, pair: LayerPair, flow: Flow, wish: Channels | None) -> Flow:
    new = pair.new
    assert isinstance(new, Dag)
    return hand_on_graph(hand, pair, [flow] * new.num_inputs)


def hand_on_graph(hand: Handover, pair: LayerPair, flows: list[Flow]) -> Flow:
    """A graph's layers, node by node, given the flows of its inputs."""
    old, new = pair.old, pair.new
    assert isinstance(old, Dag)
    assert isinstance(new, Dag)
    if not _is_same_graph(old, new):
        return leave_fresh(hand, pair, flows[-1])
    values = [flow._replace(norm=None) for flow in flows]
    for name, was, node in zip(new.names, old.nodes, new.nodes, strict=True):
        read = [values[index] for index in node.inputs]
        flow = read[0]
        if node.join == "concat":
            flow = stacked(read, [each.width for each in read])
        elif len(read) > 1:
            if any((each.channels, each.scale) != (flow.channels, flow.scale) for each in read):
                hand.break_at(joined(pair.new_path, name), "the maps joined here carry different channels")
            flow = Flow(flow.channels, flow.width, scale=flow.scale)
        values.append(hand_on(hand, pair.part(name, was.layer, name, node.layer), flow))
    made = [values[index] for index in new.outputs]
    return stacked(made, [each.width for each in made]) if len(made) > 1 else made[0]._replace(norm=None)


def _is_same_graph(old: Dag, new: Dag) -> bool:
    if old.names != new.names or old.outputs != new.outputs or old.num_inputs != new.num_inputs:
        return False
    return all(
        (was.inputs, was.join, was.shifted_like) == (node.inputs, node.join, node.shifted_like)
        for was, node in zip(old.nodes, new.nodes, strict=True)
    )


def _act(hand: Handover, pair: LayerPair, flow: Flow, wish: Channels | None) -> Flow:
    old, new = pair.old, pair.new
    assert isinstance(old, Act)
    assert isinstance(new, Act)
    if old != new:
        hand.break_at(pair.new_path, f"{new.kind} here, {old.kind} in the parent")
    elif flow.scale != 1.0 and new.kind not in SCALING:
        hand.break_at(pair.new_path, f"{new.kind} does not pass a factor on")
    return activated(flow, new)


def _same_values(hand: Handover, pair: LayerPair, flow: Flow, wish: Channels | None) -> Flow:
    """A layer without weights that treats every channel alike."""
    if pair.old != pair.new:
        hand.break_at(pair.new_path, "it is set otherwise in the parent")
    return flow._replace(norm=None)


def _neighbouring(hand: Handover, pair: LayerPair, flow: Flow, wish: Channels | None) -> Flow:
    """A layer that looks at neighbouring channels."""
    if pair.old != pair.new or not flow.is_same:
        hand.break_at(pair.new_path, "its channels have other neighbours than in the parent")
    return flow.made(flow.channels, flow.width)


def _pad(hand: Handover, pair: LayerPair, flow: Flow, wish: Channels | None) -> Flow:
    """Zeros behind the channels stand for the parent's zeros, or for nothing."""
    old, new = pair.old, pair.new
    assert isinstance(old, ChannelPad)
    assert isinstance(new, ChannelPad)
    zeros = [flow.width + place % old.channels if old.channels else NEW for place in range(new.channels)]
    low, high = min(flow.low, 0.0), max(flow.high, 0.0)
    return Flow((*flow.channels, *zeros), flow.width + old.channels, low, high, flow.scale)


def _slice(hand: Handover, pair: LayerPair, flow: Flow, wish: Channels | None) -> Flow:
    old, new = pair.old, pair.new
    assert isinstance(old, ChannelSlice)
    assert isinstance(new, ChannelSlice)
    kept = range(old.start, old.stop)
    channels = tuple(each - old.start if each in kept else NEW for each in flow.channels[new.start : new.stop])
    return flow.carrying(channels, len(kept))


def _shuffle(hand: Handover, pair: LayerPair, flow: Flow, wish: Channels | None) -> Flow:
    old, new = pair.old, pair.new
    assert isinstance(old, ChannelShuffle)
    assert isinstance(new, ChannelShuffle)
    return flow.carrying(shuffled(flow.channels, flow.width, new.groups, old.groups), flow.width)


def _flatten(hand: Handover, pair: LayerPair, flow: Flow, wish: Channels | None) -> Flow:
    return flow.flattened()


def _global_pool(hand: Handover, pair: LayerPair, flow: Flow, wish: Channels | None) -> Flow:
    old, new = pair.old, pair.new
    assert isinstance(old, GlobalPool)
    assert isinstance(new, GlobalPool)
    if old != new:
        hand.break_at(pair.new_path, "it is set otherwise in the parent")
    positions = (old.size[0] * old.size[1], new.size[0] * new.size[1])
    return flow._replace(norm=None, positions=positions)


def _passing(hand: Handover, pair: LayerPair, flow: Flow, wish: Channels | None) -> Flow:
    return flow


def _weighted(
    do: Callable[[Handover, tuple[str, str], Any, Any, Flow, Channels | None], Flow],
) -> Callable[[Handover, LayerPair, Flow, Channels | None], Flow]:
    return lambda hand, pair, flow, wish: do(hand, pair.paths, pair.old, pair.new, flow, wish)


_PAIRS: dict[type[Layer], Callable[[Handover, LayerPair, Flow, Channels | None], Flow]] = {
    Sequence: _sequence,
    Residual: _residual,
    Gate: _gate,
    Concat: _concat,
    Dag: _dag,
    Conv: _weighted(hand_on_conv),
    Linear: _weighted(hand_on_linear),
    ChannelLinear: _weighted(hand_on_linear),
    Norm: lambda hand, pair, flow, wish: hand_on_norm(hand, pair.paths, pair.old, pair.new, flow),  # type: ignore[arg-type]
    ChannelScale: lambda hand, pair, flow, wish: hand_on_scale(hand, pair.paths, pair.old, pair.new, flow),  # type: ignore[arg-type]
    Act: _act,
    Pool: _same_values,
    FractionalPool: _same_values,
    GlobalPool: _global_pool,
    Subsample: _same_values,
    LocalResponseNorm: _neighbouring,
    ChannelPad: _pad,
    ChannelSlice: _slice,
    ChannelShuffle: _shuffle,
    Flatten: _flatten,
    Identity: _passing,
    Dropout: _passing,
    DropPath: _passing,
}
