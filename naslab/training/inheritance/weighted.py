"""Layers with weights that both networks have: convolutions, linear layers, norms and scales."""

from __future__ import annotations

import math

from naslab.arch.plan import ChannelLinear, ChannelScale, Conv, Linear, Norm
from naslab.training.inheritance.flow import (
    Channels,
    Flow,
    covers_groups,
    spread,
    spread_in_groups,
)
from naslab.training.inheritance.handover import (
    Handover,
    fitted_kernel,
    is_cut,
    is_grown,
    mixing_weight,
    rows_of,
)


def hand_on_conv(
    hand: Handover, paths: tuple[str, str], parent: Conv, child: Conv, flow: Flow, wish: Channels | None
) -> Flow:
    """A convolution's weights; the flow behind it, in the channels of `wish` where it may choose."""
    old, new = paths
    outputs = conv_channels(parent, child, flow, wish)
    weight = fitted_kernel(hand.parent[f"{old}.weight"], child.kernel)
    own = hand.child[f"{new}.weight"]
    if is_depthwise(parent) and is_depthwise(child):
        made, is_whole = rows_of(weight, own, outputs), True
    else:
        groups = (parent.groups, child.groups)
        made, is_whole = mixing_weight(weight, own, flow.channels, outputs, groups, hand.generator)
    hand.put(f"{new}.weight", made / flow.scale)
    _hand_on_bias(hand, paths, parent.bias, child.bias, outputs)
    if child.standardized and parent.standardized:
        hand.gather(f"{old}.gain", f"{new}.gain", outputs)
    shrinks = child.kernel[0] < parent.kernel[0] or child.kernel[1] < parent.kernel[1]
    grows = not shrinks and child.kernel != parent.kernel
    cut = shrinks or is_cut(flow, outputs, parent.out_channels)
    hand.note(new, cut, grows or is_grown(flow, outputs, parent.out_channels))
    _check_conv(hand, new, parent, child, flow, is_whole)
    return flow.made(outputs, parent.out_channels)


def conv_channels(parent: Conv, child: Conv, flow: Flow, wish: Channels | None) -> Channels:
    """The parent's channels that a convolution's outputs are to carry."""
    if is_depthwise(parent) and is_depthwise(child):
        return flow.channels
    if wish is not None and len(wish) == child.out_channels and max(wish) < parent.out_channels:
        return wish
    if child.groups > 1 and child.groups == parent.groups:
        return spread_in_groups(parent.out_channels, child.out_channels, child.groups)
    return spread(parent.out_channels, child.out_channels)


def is_depthwise(conv: Conv) -> bool:
    """Whether every channel is filtered by itself."""
    return conv.groups == conv.in_channels == conv.out_channels


def _check_conv(hand: Handover, path: str, parent: Conv, child: Conv, flow: Flow, is_whole: bool) -> None:
    if not is_whole:
        hand.break_at(path, "not every channel that the parent's filter reads is there")
    placed = all(
        new_kernel >= old_kernel
        and (new_kernel - old_kernel) % 2 == 0
        and new_pad - old_pad == dilation * (new_kernel - old_kernel) // 2
        for new_kernel, old_kernel, new_pad, old_pad, dilation in zip(
            child.kernel, parent.kernel, child.padding, parent.padding, child.dilation, strict=True
        )
    )
    is_dilated_alike = child.dilation == parent.dilation or child.kernel == parent.kernel == (1, 1)
    if not placed or child.stride != parent.stride or not is_dilated_alike:
        hand.break_at(path, "its windows lie elsewhere or are smaller than the parent's")
    if parent.standardized != child.standardized:
        hand.break_at(path, "one of the two has standardised weights")
    elif child.standardized and not (flow.is_same and child.kernel == parent.kernel):
        hand.break_at(path, "standardised weights depend on all of a filter, which has another size here")


def hand_on_linear(
    hand: Handover,
    paths: tuple[str, str],
    parent: Linear | ChannelLinear,
    child: Linear | ChannelLinear,
    flow: Flow,
    wish: Channels | None,
) -> Flow:
    """A linear layer's weights."""
    old, new = paths
    outputs = spread(parent.out_features, child.out_features)
    if wish is not None and len(wish) == child.out_features and max(wish) < parent.out_features:
        outputs = wish
    own = hand.child[f"{new}.weight"]
    weight = hand.parent[f"{old}.weight"]
    made, is_whole = mixing_weight(weight, own, flow.channels, outputs, (1, 1), hand.generator)
    hand.put(f"{new}.weight", made / flow.scale)
    _hand_on_bias(hand, paths, parent.bias, child.bias, outputs)
    cut = is_cut(flow, outputs, parent.out_features)
    hand.note(new, cut, is_grown(flow, outputs, parent.out_features))
    if not is_whole:
        hand.break_at(new, "not every value that the parent's layer reads is there")
    return flow.made(outputs, parent.out_features)


def _hand_on_bias(hand: Handover, paths: tuple[str, str], is_there: bool, is_here: bool, outputs: Channels) -> None:
    old, new = paths
    if is_here and is_there:
        hand.gather(f"{old}.bias", f"{new}.bias", outputs)
    elif is_here:
        hand.fill(f"{new}.bias", 0.0)
    elif is_there and bool(hand.parent[f"{old}.bias"].any()):
        hand.break_at(new, "the parent has a bias here")


_NORM_PARTS = ("weight", "bias", "running_mean", "running_var")


def hand_on_norm(hand: Handover, paths: tuple[str, str], parent: Norm, child: Norm, flow: Flow) -> Flow:
    """A norm's scale and shift, and batch norm's running statistics."""
    old, new = paths
    if parent.kind != child.kind:
        hand.fresh.append(new)
        hand.break_at(new, f"a {child.kind} norm here, a {parent.kind} norm in the parent")
        return flow.made(flow.channels, flow.width)
    for part in _NORM_PARTS:
        if f"{new}.{part}" in hand.child:
            hand.gather(f"{old}.{part}", f"{new}.{part}", flow.channels)
    if child.kind == "batch":
        hand.put(f"{new}.num_batches_tracked", hand.parent[f"{old}.num_batches_tracked"])
        if flow.scale != 1.0:
            _take_scale(hand, new, child, flow.scale)
    elif flow.scale != 1.0 or not covers_groups(flow, child.groups, parent.groups):
        hand.break_at(new, f"the {child.kind} norm is over other channels than the parent's")
    if not math.isclose(parent.eps, child.eps):
        hand.break_at(new, f"its epsilon is {child.eps:g}, the parent's {parent.eps:g}")
    hand.note(new, not flow.is_whole, len(flow.channels) > flow.width)
    return flow.made(flow.channels, flow.width)._replace(norm=new if child.kind == "batch" else None)


def _take_scale(hand: Handover, path: str, norm: Norm, scale: float) -> None:
    """Let a batch norm of a scaled map put out what it would of the map itself."""
    variance = hand.child[f"{path}.running_var"]
    grown = variance * scale**2
    weight = hand.child[f"{path}.weight"] * ((grown + norm.eps) / (variance + norm.eps)).sqrt() / scale
    hand.put(f"{path}.running_mean", hand.child[f"{path}.running_mean"] * scale)
    hand.put(f"{path}.running_var", grown)
    hand.put(f"{path}.weight", weight)


def hand_on_scale(
    hand: Handover, paths: tuple[str, str], parent: ChannelScale, child: ChannelScale, flow: Flow
) -> Flow:
    """Learned factors of channels."""
    old, new = paths
    if child.channels == 1 and parent.channels > 1:
        hand.fresh.append(new)
        hand.break_at(new, "one factor for all channels here, one for each in the parent")
    else:
        channels = (0,) * child.channels if parent.channels == 1 else flow.channels
        hand.gather(f"{old}.scale", f"{new}.scale", channels)
        hand.note(new, not flow.is_whole, len(flow.channels) > flow.width)
    return flow.made(flow.channels, flow.width)._replace(scale=flow.scale)
