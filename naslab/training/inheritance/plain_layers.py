"""Layers without weights: what follows from their declarations, and the rules of those that need more."""

from __future__ import annotations

from naslab.arch.declaration import NEW, ZERO, Keeps, Moves, channel_effect, passes_on, weights_of
from naslab.arch.plan import Act, Flatten, GlobalPool, Layer, LocalResponseNorm, Pool
from naslab.training.inheritance.flow import SCALING, Channels, Flow, activated, is_idle
from naslab.training.inheritance.rules import (
    LayerPair,
    TransferRule,
    declare_transfer,
    insert_afresh,
    no_rule,
    start_afresh,
)
from naslab.training.inheritance.weight_transfer import WeightTransfer


def transfer_as_declared(transfer: WeightTransfer, pair: LayerPair, flow: Flow) -> Flow:
    """The flow behind a pair of layers of a kind without a rule, as their channels are declared.

    Layers that have weights, or do not say what they do to channels, start afresh. `transfer` notes that, and a break
    where two that keep channels are set differently.
    """
    if passes_on(pair.new):
        return flow
    effects = channel_effect(pair.old), channel_effect(pair.new)
    has_no_weights = weights_of(pair.old) == weights_of(pair.new) == ()
    if has_no_weights and all(isinstance(each, Keeps) for each in effects):
        if pair.old != pair.new:
            transfer.break_at(pair.new_path, "it is set otherwise in the parent")
        return flow._replace(norm=None)
    old, new = effects
    if has_no_weights and isinstance(old, Moves) and isinstance(new, Moves):
        return moved(flow, old, new)
    return start_afresh(transfer, pair, flow, no_rule(pair.new))


def moved(flow: Flow, old: Moves, new: Moves) -> Flow:
    """The flow behind layers that move channels: `old` those of the parent, `new` those of the child.

    Channels of zeros in the child stand for those of the parent, in turn.

    >>> reverse = Moves(lambda channels: channels[::-1])
    >>> moved(Flow((0, 1, 1), 2), reverse, reverse).channels
    (0, 0, 1)
    """
    before = old.order(tuple(range(flow.width)))
    places = {channel: place for place, channel in enumerate(before) if channel != ZERO}
    zeros = [place for place, channel in enumerate(before) if channel == ZERO]
    channels: list[int] = []
    num_zeros = 0
    for channel in new.order(flow.channels):
        if channel == ZERO:
            channels.append(zeros[num_zeros % len(zeros)] if zeros else NEW)
            num_zeros += 1
        else:
            channels.append(places.get(channel, NEW))
    behind = flow.carrying(tuple(channels), len(before))
    if not zeros and not num_zeros:
        return behind
    return behind._replace(low=min(flow.low, 0.0), high=max(flow.high, 0.0))


def insert_as_declared(transfer: WeightTransfer, path: str, layer: Layer, flow: Flow) -> Flow:
    """Insert a `layer` of a kind without a rule at `path`, and return the flow behind it.

    Nothing is to be done for one that passes its input on; one without weights that keeps or moves channels takes
    `flow` with it; any other starts afresh. `transfer` notes where the function changes.
    """
    if passes_on(layer):
        return flow
    effect = channel_effect(layer)
    if weights_of(layer) == () and isinstance(effect, Moves):
        channels = effect.order(flow.channels)
        return flow.carrying(tuple(NEW if each == ZERO else each for each in channels), flow.width)
    if weights_of(layer) == () and isinstance(effect, Keeps):
        return _has_no_like(transfer, path, layer, flow, None)
    return insert_afresh(transfer, path, layer, flow)


def _has_no_like(transfer: WeightTransfer, path: str, layer: Layer, flow: Flow, wanted: Channels | None) -> Flow:
    transfer.break_at(path, "the parent has nothing like it here")
    return flow


def transfer_act(transfer: WeightTransfer, pair: LayerPair, flow: Flow, wanted: Channels | None) -> Flow:
    """A `pair` of activations: channels stay as in `flow`, whatever is `wanted`; values lie within the activation's.

    `transfer` notes a break where the two differ, and where the child's map is scaled and the activation does not pass
    a factor on.
    """
    old, new = pair.old, pair.new
    assert isinstance(old, Act)
    assert isinstance(new, Act)
    if old != new:
        transfer.break_at(pair.new_path, f"{new.kind} here, {old.kind} in the parent")
    elif flow.scale != 1.0 and new.kind not in SCALING:
        transfer.break_at(pair.new_path, f"{new.kind} does not pass a factor on")
    return activated(flow, new)


def insert_act(transfer: WeightTransfer, path: str, layer: Act, flow: Flow, wanted: Channels | None) -> Flow:
    """An activation `layer` at `path` that the parent lacks; `flow` stays as it is, whatever is `wanted`.

    `transfer` notes a break unless the activation changes nothing of the map, as a ReLU behind a ReLU.
    """
    if not is_idle(layer, flow):
        transfer.break_at(path, f"{layer.kind} changes what it reads, and the parent has none here")
    return flow


def insert_pool(transfer: WeightTransfer, path: str, layer: Pool, flow: Flow, wanted: Channels | None) -> Flow:
    """A pooling `layer` at `path` that the parent lacks; `flow` stays as it is, whatever is `wanted`.

    `transfer` notes a break unless its kernel and stride are 1.
    """
    if layer.kernel == layer.stride == (1, 1):
        return flow
    transfer.break_at(path, "the parent pools nothing here")
    return flow


def transfer_global_pool(transfer: WeightTransfer, pair: LayerPair, flow: Flow, wanted: Channels | None) -> Flow:
    """A `pair` of global poolings: channels stay as in `flow`, whatever is `wanted`; positions are those pooled to.

    `transfer` notes a break where the two differ.
    """
    old, new = pair.old, pair.new
    assert isinstance(old, GlobalPool)
    assert isinstance(new, GlobalPool)
    if old != new:
        transfer.break_at(pair.new_path, "it is set otherwise in the parent")
    positions = (old.size[0] * old.size[1], new.size[0] * new.size[1])
    return flow._replace(norm=None, positions=positions)


def transfer_neighbouring(transfer: WeightTransfer, pair: LayerPair, flow: Flow, wanted: Channels | None) -> Flow:
    """A `pair` of layers that look at neighbouring channels; they stay as in `flow`, whatever is `wanted`.

    `transfer` notes a break unless both are equal and the child's map is the parent's, channel for channel.
    """
    if pair.old != pair.new or not flow.is_same:
        transfer.break_at(pair.new_path, "its channels have other neighbours than in the parent")
    return flow.made(flow.channels, flow.width)


def transfer_flatten(transfer: WeightTransfer, pair: LayerPair, flow: Flow, wanted: Channels | None) -> Flow:
    """A `pair` of layers that make a vector of a map: the values of `flow`, all positions of a channel together.

    There is nothing to initialise or to note in `transfer`, and the order is fixed, whatever is `wanted`.
    """
    return flow.flattened()


declare_transfer(Act, TransferRule(transfer_act, insert_act))
declare_transfer(Pool, TransferRule(insert=insert_pool))
declare_transfer(GlobalPool, TransferRule(transfer=transfer_global_pool))
declare_transfer(LocalResponseNorm, TransferRule(transfer=transfer_neighbouring))
declare_transfer(Flatten, TransferRule(transfer_flatten, _has_no_like))
