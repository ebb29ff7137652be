"""The rules of layers with weights: convolutions, linear layers, norms and scales.

Each is transferred from a layer of its kind (widened by Net2WiderNet, or sliced), and inserted as an identity where its
kind can be one (Net2DeeperNet; Chen et al. 2016, arXiv 1511.05641). Weights are of shape (out, in / groups, rows,
columns), those of linear layers (out, in); notation and arithmetic stand in
`naslab.training.inheritance.weight_transfer`.
"""

from __future__ import annotations

import math

import torch

from naslab.arch.declaration import NEW
from naslab.arch.layers.convolution import is_depthwise
from naslab.arch.plan import ChannelLinear, ChannelScale, Conv, Linear, Norm
from naslab.training.inheritance.flow import (
    Channels,
    Flow,
    covers_groups,
    spread,
    spread_in_groups,
)
from naslab.training.inheritance.rules import LayerPair, TransferRule, declare_transfer, insert_afresh
from naslab.training.inheritance.weight_transfer import (
    WeightTransfer,
    fitted_kernel,
    is_cut,
    is_grown,
    mixing_weight,
    rows_of,
)


def transfer_conv(transfer: WeightTransfer, pair: LayerPair, flow: Flow, wanted: Channels | None) -> Flow:
    """A `pair` of convolutions: the child's weights from the parent's, between the channels of `flow` and its own.

    Its outputs are those of `conv_channels`, the `wanted` ones where it is free to choose. Larger kernels have zeros
    around, smaller ones keep the middle. `transfer` notes what was done, and a break where windows lie elsewhere, a
    channel that is read is missing, or standardised weights would be scaled otherwise.
    """
    parent, child = pair.old, pair.new
    assert isinstance(parent, Conv)
    assert isinstance(child, Conv)
    old, new = pair.paths
    outputs = conv_channels(parent, child, flow, wanted)
    weight = fitted_kernel(transfer.parent[f"{old}.weight"], child.kernel)
    own = transfer.child[f"{new}.weight"]
    if is_depthwise(parent) and is_depthwise(child):
        made, is_whole = rows_of(weight, own, outputs), True
    else:
        groups = (parent.groups, child.groups)
        made, is_whole = mixing_weight(weight, own, flow.channels, outputs, groups, transfer.generator)
    transfer.put(f"{new}.weight", made / flow.scale)
    _transfer_bias(transfer, pair.paths, parent.bias, child.bias, outputs)
    if child.standardized and parent.standardized:
        transfer.gather(f"{old}.gain", f"{new}.gain", outputs)
    shrinks = child.kernel[0] < parent.kernel[0] or child.kernel[1] < parent.kernel[1]
    grows = not shrinks and child.kernel != parent.kernel
    cut = shrinks or is_cut(flow, outputs, parent.out_channels)
    transfer.note(new, cut, grows or is_grown(flow, outputs, parent.out_channels))
    _check_conv(transfer, new, parent, child, flow, is_whole)
    return flow.made(outputs, parent.out_channels)


def conv_channels(parent: Conv, child: Conv, flow: Flow, wanted: Channels | None) -> Channels:
    """The channels of `parent`'s output that the outputs of `child` are to carry.

    A depthwise convolution keeps those of `flow`; else they are the `wanted` ones where these fit, else the parent's in
    turn, within groups where both have as many.
    """
    if is_depthwise(parent) and is_depthwise(child):
        return flow.channels
    if wanted is not None and len(wanted) == child.out_channels and max(wanted) < parent.out_channels:
        return wanted
    if child.groups > 1 and child.groups == parent.groups:
        return spread_in_groups(parent.out_channels, child.out_channels, child.groups)
    return spread(parent.out_channels, child.out_channels)


def _check_conv(transfer: WeightTransfer, path: str, parent: Conv, child: Conv, flow: Flow, is_whole: bool) -> None:
    if not is_whole:
        transfer.break_at(path, "not every channel that the parent's filter reads is there")
    placed = all(
        new_kernel >= old_kernel
        and (new_kernel - old_kernel) % 2 == 0
        and new_pad - old_pad == dilation * (new_kernel - old_kernel) // 2
        for new_kernel, old_kernel, new_pad, old_pad, dilation in zip(
            child.kernel, parent.kernel, child.padding, parent.padding, child.dilation, strict=True
        )
    )
    is_dilated_alike = all(
        old_kernel == 1 or new_dilation == old_dilation  # nothing is read beside a single position
        for old_kernel, new_dilation, old_dilation in zip(parent.kernel, child.dilation, parent.dilation, strict=True)
    )
    if not placed or child.stride != parent.stride or child.same != parent.same or not is_dilated_alike:
        transfer.break_at(path, "its windows lie elsewhere or are smaller than the parent's")
    if parent.standardized != child.standardized:
        transfer.break_at(path, "one of the two has standardised weights")
    elif child.standardized and not (flow.is_same and child.kernel == parent.kernel):
        transfer.break_at(path, "standardised weights depend on all of a filter, which has another size here")


def transfer_linear(transfer: WeightTransfer, pair: LayerPair, flow: Flow, wanted: Channels | None) -> Flow:
    """A `pair` of linear layers: the child's weights from the parent's, between the values of `flow` and its own.

    Its outputs are the `wanted` ones where these fit, else the parent's in turn. `transfer` notes what was done, and a
    break where a value that is read is missing.
    """
    parent, child = pair.old, pair.new
    assert isinstance(parent, Linear | ChannelLinear)
    assert isinstance(child, Linear | ChannelLinear)
    old, new = pair.paths
    outputs = spread(parent.out_features, child.out_features)
    if wanted is not None and len(wanted) == child.out_features and max(wanted) < parent.out_features:
        outputs = wanted
    own = transfer.child[f"{new}.weight"]
    weight = transfer.parent[f"{old}.weight"]
    made, is_whole = mixing_weight(weight, own, flow.channels, outputs, (1, 1), transfer.generator)
    transfer.put(f"{new}.weight", made / flow.scale)
    _transfer_bias(transfer, pair.paths, parent.bias, child.bias, outputs)
    cut = is_cut(flow, outputs, parent.out_features)
    transfer.note(new, cut, is_grown(flow, outputs, parent.out_features))
    if not is_whole:
        transfer.break_at(new, "not every value that the parent's layer reads is there")
    return flow.made(outputs, parent.out_features)


def _transfer_bias(
    transfer: WeightTransfer, paths: tuple[str, str], is_there: bool, is_here: bool, outputs: Channels
) -> None:
    old, new = paths
    if is_here and is_there:
        transfer.gather(f"{old}.bias", f"{new}.bias", outputs)
    elif is_here:
        transfer.fill(f"{new}.bias", 0.0)
    elif is_there and bool(transfer.parent[f"{old}.bias"].any()):
        transfer.break_at(new, "the parent has a bias here")


def transfer_norm(transfer: WeightTransfer, pair: LayerPair, flow: Flow, wanted: Channels | None) -> Flow:
    """A `pair` of norms: scale and shift, and batch norm's running statistics, by the channels of `flow`.

    Channels stay, whatever is `wanted`. Where the child's map is scaled, batch norm's statistics take that up. A norm
    of another kind starts afresh. `transfer` notes a break there, for another epsilon, and where layer or group norm
    averages over other channels than in the parent, or over a scaled map.
    """
    parent, child = pair.old, pair.new
    assert isinstance(parent, Norm)
    assert isinstance(child, Norm)
    old, new = pair.paths
    if parent.kind != child.kind:
        transfer.fresh.append(new)
        transfer.break_at(new, f"a {child.kind} norm here, a {parent.kind} norm in the parent")
        return flow.made(flow.channels, flow.width)
    for part in ("weight", "bias", "running_mean", "running_var"):
        if f"{new}.{part}" in transfer.child:
            transfer.gather(f"{old}.{part}", f"{new}.{part}", flow.channels)
    if child.kind == "batch":
        transfer.put(f"{new}.num_batches_tracked", transfer.parent[f"{old}.num_batches_tracked"])
        if flow.scale != 1.0:
            _take_scale(transfer, new, child, flow.scale)
    elif flow.scale != 1.0 or not covers_groups(flow, child.groups, parent.groups):
        transfer.break_at(new, f"the {child.kind} norm is over other channels than the parent's")
    if not math.isclose(parent.eps, child.eps):
        transfer.break_at(new, f"its epsilon is {child.eps:g}, the parent's {parent.eps:g}")
    transfer.note(new, not flow.is_whole, len(flow.channels) > flow.width)
    return flow.made(flow.channels, flow.width)._replace(norm=new if child.kind == "batch" else None)


def _take_scale(transfer: WeightTransfer, path: str, norm: Norm, scale: float) -> None:
    """Let a batch norm of a scaled map give what it would of the map itself.

    With mean m, variance v, weight w and scale c: m becomes c m, v becomes c^2 v, and w becomes
    w sqrt((c^2 v + eps) / (v + eps)) / c.
    """
    variance = transfer.child[f"{path}.running_var"]
    grown = variance * scale**2
    weight = transfer.child[f"{path}.weight"] * ((grown + norm.eps) / (variance + norm.eps)).sqrt() / scale
    transfer.put(f"{path}.running_mean", transfer.child[f"{path}.running_mean"] * scale)
    transfer.put(f"{path}.running_var", grown)
    transfer.put(f"{path}.weight", weight)


def transfer_scale(transfer: WeightTransfer, pair: LayerPair, flow: Flow, wanted: Channels | None) -> Flow:
    """A `pair` of learned factors, one a channel or one for all, by the channels of `flow`.

    Channels stay, whatever is `wanted`. One factor in place of many starts afresh, which `transfer` notes as a break.
    """
    parent, child = pair.old, pair.new
    assert isinstance(parent, ChannelScale)
    assert isinstance(child, ChannelScale)
    old, new = pair.paths
    if child.channels == 1 and parent.channels > 1:
        transfer.fresh.append(new)
        transfer.break_at(new, "one factor for all channels here, one for each in the parent")
    else:
        channels = (0,) * child.channels if parent.channels == 1 else flow.channels
        transfer.gather(f"{old}.scale", f"{new}.scale", channels)
        transfer.note(new, not flow.is_whole, len(flow.channels) > flow.width)
    return flow.made(flow.channels, flow.width)._replace(scale=flow.scale)


def insert_conv(transfer: WeightTransfer, path: str, layer: Conv, flow: Flow, wanted: Channels | None) -> Flow:
    """A convolution `layer` at `path` that the parent lacks: a 1 in the middle of each filter, at one input channel.

    Its outputs carry the `wanted` channels where their number fits, else those of `flow` in turn. Where its windows do
    not lie around each position, its weights are standardised, or a group lacks a channel it should pass on, it starts
    afresh, which `transfer` notes.
    """
    keeps_place = layer.stride == (1, 1) and all(
        kernel % 2 == 1 and pad == dilation * (kernel // 2)
        for kernel, pad, dilation in zip(layer.kernel, layer.padding, layer.dilation, strict=True)
    )
    if not keeps_place or layer.standardized:
        return insert_afresh(transfer, path, layer, flow)
    picks, channels = _picks(flow.channels, layer.out_channels, layer.groups, wanted)
    if picks is None:
        return insert_afresh(transfer, path, layer, flow)
    weight = torch.zeros_like(transfer.child[f"{path}.weight"])
    for out, pick in enumerate(picks):
        weight[out, pick, layer.kernel[0] // 2, layer.kernel[1] // 2] = 1.0
    transfer.put(f"{path}.weight", weight)
    if layer.bias:
        transfer.fill(f"{path}.bias", 0.0)
    transfer.deepened.append(path)
    return flow.carrying(channels, flow.width)


def _picks(channels: Channels, num_out: int, groups: int, wanted: Channels | None) -> tuple[list[int] | None, Channels]:
    """For each output the place within its group of the input that it passes on, and what the outputs then carry."""
    if wanted is None or len(wanted) != num_out:
        wanted = tuple(channels[out % len(channels)] for out in range(num_out))
    num_in, share = len(channels) // groups, num_out // groups
    picks = []
    for out, channel in enumerate(wanted):
        start = out // share * num_in
        own = [place for place in range(num_in) if channels[start + place] == channel != NEW]
        if not own:
            return None, wanted
        same = out % share % num_in
        picks.append(same if same in own else own[0])
    return picks, wanted


def insert_linear(
    transfer: WeightTransfer, path: str, layer: Linear | ChannelLinear, flow: Flow, wanted: Channels | None
) -> Flow:
    """A linear `layer` at `path` that the parent lacks: each output is one of its inputs.

    Its outputs carry the `wanted` values where their number fits, else those of `flow` in turn. It starts afresh, which
    `transfer` notes, where none of its inputs carries a value that it should pass on.
    """
    picks, channels = _picks(flow.channels, layer.out_features, 1, wanted)
    if picks is None:
        return insert_afresh(transfer, path, layer, flow)
    weight = torch.zeros_like(transfer.child[f"{path}.weight"])
    weight[torch.arange(len(picks)), torch.tensor(picks)] = 1.0
    transfer.put(f"{path}.weight", weight)
    if layer.bias:
        transfer.fill(f"{path}.bias", 0.0)
    transfer.deepened.append(path)
    return flow.carrying(channels, flow.width)


def insert_norm(transfer: WeightTransfer, path: str, layer: Norm, flow: Flow, wanted: Channels | None) -> Flow:
    """A norm `layer` at `path` that the parent lacks; channels stay as in `flow`, whatever is `wanted`.

    Batch norm is an identity in evaluation mode: mean 0, variance 1, weight sqrt(1 + eps), bias 0. Other kinds start
    afresh, which `transfer` notes.
    """
    if layer.kind != "batch":
        return insert_afresh(transfer, path, layer, flow)
    transfer.fill(f"{path}.running_mean", 0.0)
    transfer.fill(f"{path}.running_var", 1.0)
    transfer.fill(f"{path}.weight", (1 + layer.eps) ** 0.5)
    transfer.fill(f"{path}.bias", 0.0)
    transfer.deepened.append(path)
    return flow._replace(norm=path)


def insert_scale(transfer: WeightTransfer, path: str, layer: ChannelScale, flow: Flow, wanted: Channels | None) -> Flow:
    """Learned factors, a `layer` at `path` that the parent lacks, all 1; `flow` stays, whatever is `wanted`.

    `transfer` counts it as deepened.
    """
    transfer.fill(f"{path}.scale", 1.0)
    transfer.deepened.append(path)
    return flow._replace(norm=None)


declare_transfer(Conv, TransferRule(transfer_conv, insert_conv))
declare_transfer(Linear, TransferRule(transfer_linear, insert_linear))
declare_transfer(ChannelLinear, TransferRule(transfer_linear, insert_linear))
declare_transfer(Norm, TransferRule(transfer_norm, insert_norm))
declare_transfer(ChannelScale, TransferRule(transfer_scale, insert_scale))
