"""Layers that the parent lacks, made to change nothing: deepening (Chen et al. 2015, arXiv 1511.05641, equation 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

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
)
from naslab.training.inheritance.channels import channels_after, chosen_outputs, weighted_layers
from naslab.training.inheritance.flow import NEW, Channels, Flow, is_idle, shuffle_order
from naslab.training.inheritance.handover import Handover

GATES_AT_ZERO = {"sigmoid": 0.5, "hardsigmoid": 0.5}
"""What a gate multiplies by whose last convolution is all zero."""


def insert(hand: Handover, path: str, layer: Layer, flow: Flow, wish: Channels | None = None) -> Flow:
    """Initialise a layer that the parent lacks so that it passes on what it reads, as far as its kind can.

    The flow behind it is still in channels of the parent's map before it.
    """
    do = _INSERTERS.get(type(layer))
    if do is None:
        return _not_idle(hand, path, layer, flow)
    return do(hand, path, layer, flow, wish)


def _not_idle(hand: Handover, path: str, layer: Layer, flow: Flow) -> Flow:
    """A layer that no weights make an identity: left as it was initialised."""
    hand.fresh += [f"{path}.{name}" if name else path for name, _ in weighted_layers(layer)]
    hand.break_at(path, "no weights let it pass its input on")
    wide = channels_after(layer, len(flow.channels))
    return flow.made(tuple(flow.channels[channel % len(flow.channels)] for channel in range(wide)), flow.width)


def _sequence(hand: Handover, path: str, layer: Sequence, flow: Flow, wish: Channels | None) -> Flow:
    chosen = chosen_outputs(layer)
    for index, (name, each) in enumerate(zip(layer.names, layer.layers, strict=True)):
        flow = insert(hand, f"{path}.{name}", each, flow, wish if index == chosen else None)
    return flow


def _conv(hand: Handover, path: str, layer: Conv, flow: Flow, wish: Channels | None) -> Flow:
    keeps_place = layer.stride == (1, 1) and all(
        kernel % 2 == 1 and pad == dilation * (kernel // 2)
        for kernel, pad, dilation in zip(layer.kernel, layer.padding, layer.dilation, strict=True)
    )
    if not keeps_place or layer.standardized:
        return _not_idle(hand, path, layer, flow)
    picks, channels = _picks(flow.channels, layer.out_channels, layer.groups, wish)
    if picks is None:
        return _not_idle(hand, path, layer, flow)
    weight = torch.zeros_like(hand.child[f"{path}.weight"])
    for out, pick in enumerate(picks):
        weight[out, pick, layer.kernel[0] // 2, layer.kernel[1] // 2] = 1.0
    hand.put(f"{path}.weight", weight)
    if layer.bias:
        hand.fill(f"{path}.bias", 0.0)
    hand.deepened.append(path)
    return flow.carrying(channels, flow.width)


def _picks(channels: Channels, num_out: int, groups: int, wish: Channels | None) -> tuple[list[int] | None, Channels]:
    """For each output the place within its group of the input that it passes on, and what the outputs then carry."""
    if wish is None or len(wish) != num_out:
        wish = tuple(channels[out % len(channels)] for out in range(num_out))
    num_in, share = len(channels) // groups, num_out // groups
    picks = []
    for out, channel in enumerate(wish):
        start = out // share * num_in
        own = [place for place in range(num_in) if channels[start + place] == channel != NEW]
        if not own:
            return None, wish
        same = out % share % num_in
        picks.append(same if same in own else own[0])
    return picks, wish


def _linear(hand: Handover, path: str, layer: Linear | ChannelLinear, flow: Flow, wish: Channels | None) -> Flow:
    picks, channels = _picks(flow.channels, layer.out_features, 1, wish)
    if picks is None:
        return _not_idle(hand, path, layer, flow)
    weight = torch.zeros_like(hand.child[f"{path}.weight"])
    weight[torch.arange(len(picks)), torch.tensor(picks)] = 1.0
    hand.put(f"{path}.weight", weight)
    if layer.bias:
        hand.fill(f"{path}.bias", 0.0)
    hand.deepened.append(path)
    return flow.carrying(channels, flow.width)


def _norm(hand: Handover, path: str, layer: Norm, flow: Flow, wish: Channels | None) -> Flow:
    if layer.kind != "batch":
        return _not_idle(hand, path, layer, flow)
    hand.fill(f"{path}.running_mean", 0.0)
    hand.fill(f"{path}.running_var", 1.0)
    hand.fill(f"{path}.weight", (1 + layer.eps) ** 0.5)
    hand.fill(f"{path}.bias", 0.0)
    hand.deepened.append(path)
    return flow._replace(norm=path)


def _act(hand: Handover, path: str, layer: Act, flow: Flow, wish: Channels | None) -> Flow:
    if not is_idle(layer, flow):
        hand.break_at(path, f"{layer.kind} changes what it reads, and the parent has none here")
    return flow


def _gate(hand: Handover, path: str, layer: Gate, flow: Flow, wish: Channels | None) -> Flow:
    """A gate of one constant: its last layer is zero, and what it takes away is made up before or behind it."""
    inner = weighted_layers(layer.body)
    last = layer.body.layers[-1] if isinstance(layer.body, Sequence) else None
    if not inner or not isinstance(last, Act) or last.kind not in GATES_AT_ZERO:
        return _not_idle(hand, path, layer, flow)
    name, conv = inner[-1]
    hand.fill(f"{path}.body.{name}.weight", 0.0)
    if isinstance(conv, Conv) and conv.bias:
        hand.fill(f"{path}.body.{name}.bias", 0.0)
    hand.deepened += [f"{path}.body.{each}" for each, _ in inner]
    factor = GATES_AT_ZERO[last.kind] * last.gain
    if flow.norm is None:
        return flow._replace(scale=flow.scale * factor)
    hand.multiply_norm(flow.norm, 1 / factor)
    return flow._replace(norm=None)


def _residual(hand: Handover, path: str, layer: Residual, flow: Flow, wish: Channels | None) -> Flow:
    """A body of zeros beside a shortcut that passes its input on."""
    way = insert(hand, f"{path}.shortcut", layer.shortcut, flow._replace(norm=None), wish)
    inner = weighted_layers(layer.body)
    last = next(((name, each) for name, each in reversed(inner) if not _is_in_gate(name, layer.body)), None)
    if last is None:
        return _not_idle(hand, path, layer, flow)
    hand.deepened += [f"{path}.body.{name}" if name else f"{path}.body" for name, _ in inner]
    name, each = last
    where = f"{path}.body.{name}" if name else f"{path}.body"
    for part in ("scale",) if isinstance(each, ChannelScale) else ("weight", "bias"):
        if f"{where}.{part}" in hand.child:
            hand.fill(f"{where}.{part}", 0.0)
    if not _ends_at_zero(layer.body):
        hand.break_at(path, "its body is not zero whatever its weights are")
    return way


def _is_in_gate(name: str, body: Layer) -> bool:
    """Whether a weighted layer only multiplies the body's map."""
    if isinstance(body, Gate):
        return True
    if isinstance(body, Sequence) and name:
        head, _, rest = name.partition(".")
        return _is_in_gate(rest, body.layers[body.names.index(head)])
    return False


_ZERO_AT_ZERO = (
    Dropout,
    DropPath,
    FractionalPool,
    Identity,
    Pool,
    ChannelShuffle,
    ChannelSlice,
    ChannelPad,
    Gate,
    Subsample,
)


def _ends_at_zero(body: Layer) -> bool:
    """Whether a body is zero once its last layer with weights (outside gates) is."""
    if isinstance(body, Conv | ChannelScale | ChannelLinear | Linear):
        return True
    if isinstance(body, Norm):
        return True
    if not isinstance(body, Sequence):
        return False
    for each in reversed(body.layers):
        passes_zero = isinstance(each, _ZERO_AT_ZERO) or (isinstance(each, Act) and "sigmoid" not in each.kind)
        if not passes_zero:
            return _ends_at_zero(each)
    return False


def _concat(hand: Handover, path: str, layer: Concat, flow: Flow, wish: Channels | None) -> Flow:
    """Branches that each pass some of the channels on."""
    num_in = len(flow.channels)
    widths = [channels_after(branch, num_in) for branch in layer.branches]
    total = sum(widths)
    if wish is None or len(wish) != total:
        wish = tuple(flow.channels[channel % num_in] for channel in range(total))
    made: list[int] = []
    flows = []
    for name, branch, width in zip(layer.names, layer.branches, widths, strict=True):
        part = wish[len(made) : len(made) + width]
        flows.append(insert(hand, f"{path}.{name}", branch, flow._replace(norm=None), part))
        made += flows[-1].channels
    scales = {each.scale for each in flows}
    if len(scales) > 1:
        hand.break_at(path, "its branches are scaled differently")
    low, high = min(each.low for each in flows), max(each.high for each in flows)
    return Flow(tuple(made), flow.width, low, high, flows[0].scale)


def _pool(hand: Handover, path: str, layer: Pool, flow: Flow, wish: Channels | None) -> Flow:
    if layer.kernel == layer.stride == (1, 1):
        return flow
    hand.break_at(path, "the parent pools nothing here")
    return flow


def _changes(hand: Handover, path: str, layer: Layer, flow: Flow, wish: Channels | None) -> Flow:
    hand.break_at(path, "the parent has nothing like it here")
    return flow


def _scale(hand: Handover, path: str, layer: ChannelScale, flow: Flow, wish: Channels | None) -> Flow:
    hand.fill(f"{path}.scale", 1.0)
    hand.deepened.append(path)
    return flow._replace(norm=None)


_INSERTERS: dict[type[Layer], Callable[[Handover, str, Any, Flow, Channels | None], Flow]] = {
    Identity: lambda hand, path, layer, flow, wish: flow,
    Dropout: lambda hand, path, layer, flow, wish: flow,
    DropPath: lambda hand, path, layer, flow, wish: flow,
    Sequence: _sequence,
    Conv: _conv,
    Linear: _linear,
    ChannelLinear: _linear,
    Norm: _norm,
    Act: _act,
    Gate: _gate,
    Residual: _residual,
    Concat: _concat,
    Pool: _pool,
    FractionalPool: _changes,
    GlobalPool: _changes,
    LocalResponseNorm: _changes,
    Flatten: _changes,
    Subsample: _changes,
    ChannelScale: _scale,
    ChannelPad: lambda hand, path, layer, flow, wish: flow.carrying(
        (*flow.channels, *[NEW] * layer.channels), flow.width
    ),
    ChannelSlice: lambda hand, path, layer, flow, wish: flow.carrying(
        flow.channels[layer.start : layer.stop], flow.width
    ),
    ChannelShuffle: lambda hand, path, layer, flow, wish: flow.carrying(
        tuple(flow.channels[place] for place in shuffle_order(len(flow.channels), layer.groups)), flow.width
    ),
    Dag: lambda hand, path, layer, flow, wish: _not_idle(hand, path, layer, flow),
}
