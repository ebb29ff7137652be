"""Insertion: a fold over layers that the parent lacks, initialised to pass on what they read as far as they can.

This is Net2DeeperNet (Chen et al. 2016, arXiv 1511.05641): a convolution becomes an identity. What is done with a
primitive layer is its rule, or what its declaration says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from naslab.arch.declaration import declaration_of, keeps_zero
from naslab.arch.plan import Act, Concat, Dag, Gate, Layer, Residual, Sequence
from naslab.training.inheritance import weighted_layers  # noqa: F401 - declares their rules
from naslab.training.inheritance.channels import channels_after, chosen_outputs, layers_with_weights
from naslab.training.inheritance.flow import Channels, Flow
from naslab.training.inheritance.plain_layers import insert_as_declared
from naslab.training.inheritance.rules import insert_afresh, path_of, rule_of
from naslab.training.inheritance.weight_transfer import WeightTransfer

GATES_AT_ZERO = {"sigmoid": 0.5, "hardsigmoid": 0.5}
"""What a gate multiplies by whose last convolution is all zero."""


def insert_layer(transfer: WeightTransfer, path: str, layer: Layer, flow: Flow, wanted: Channels | None = None) -> Flow:
    """Initialise a `layer` that the parent lacks as an identity, as far as its kind can be one (Net2DeeperNet).

    `transfer` holds both networks' tensors and takes notes, `path` is the layer's place in the child's module, `flow`
    what the map before it carries of the parent's, `wanted` the channels that its output should carry where weights are
    free to choose. The flow behind it, which is returned, is still in channels of the parent's map before it.
    """
    insert = _FOLDS.get(type(layer)) or rule_of(layer).insert
    if insert is None:
        return insert_as_declared(transfer, path, layer, flow)
    return insert(transfer, path, layer, flow, wanted)


def _sequence(transfer: WeightTransfer, path: str, layer: Sequence, flow: Flow, wanted: Channels | None) -> Flow:
    chosen = chosen_outputs(layer)
    for index, (name, each) in enumerate(zip(layer.names, layer.layers, strict=True)):
        flow = insert_layer(transfer, f"{path}.{name}", each, flow, wanted if index == chosen else None)
    return flow


def _gate(transfer: WeightTransfer, path: str, layer: Gate, flow: Flow, wanted: Channels | None) -> Flow:
    """A gate of one constant: the last weights of its body are zero, so that its sigmoid is 0.5 times its gain.

    The norm before it, where there is one, is multiplied by 1 over that; else the flow is scaled, and what reads it
    divides by the scale.
    """
    inner = layers_with_weights(layer.body)
    last = layer.body.layers[-1] if isinstance(layer.body, Sequence) else None
    if not isinstance(last, Act) or last.kind not in GATES_AT_ZERO or not inner:
        return insert_afresh(transfer, path, layer, flow)
    body = f"{path}.body"
    name, weighted = inner[-1]
    if not _make_zero(transfer, path_of(body, name), weighted):
        return insert_afresh(transfer, path, layer, flow)
    transfer.deepened += transfer.owners(body)
    factor = GATES_AT_ZERO[last.kind] * last.gain
    if flow.norm is None:
        return flow._replace(scale=flow.scale * factor)
    transfer.multiply_norm(flow.norm, 1 / factor)
    return flow._replace(norm=None)


def _make_zero(transfer: WeightTransfer, path: str, layer: Layer) -> bool:
    """Give a layer weights that make its output zero; whether there are such."""
    row = declaration_of(layer)
    if row is None or not row.zeroed_by:
        return False
    for name in row.zeroed_by:
        if f"{path}.{name}" in transfer.child:
            transfer.fill(f"{path}.{name}", 0.0)
    return True


def _residual(transfer: WeightTransfer, path: str, layer: Residual, flow: Flow, wanted: Channels | None) -> Flow:
    """A body of zeros beside a shortcut that passes its input on."""
    body = f"{path}.body"
    inner = layers_with_weights(layer.body)
    last = next(((name, each) for name, each in reversed(inner) if not _is_in_gate(name, layer.body)), None)
    if last is None or not _make_zero(transfer, path_of(body, last[0]), last[1]):
        return insert_afresh(transfer, path, layer, flow)
    way = insert_layer(transfer, f"{path}.shortcut", layer.shortcut, flow._replace(norm=None), wanted)
    transfer.deepened += transfer.owners(body)
    if not _ends_at_zero(layer.body):
        transfer.break_at(path, "its body is not zero whatever its weights are")
    return way


def _is_in_gate(name: str, body: Layer) -> bool:
    """Whether a weighted layer only multiplies the body's map."""
    if isinstance(body, Gate):
        return True
    if isinstance(body, Sequence) and name:
        head, _, rest = name.partition(".")
        return _is_in_gate(rest, body.layers[body.names.index(head)])
    return False


def _ends_at_zero(body: Layer) -> bool:
    """Whether a body is zero once its last layer with weights (outside gates) is."""
    row = declaration_of(body)
    if row is not None and row.zeroed_by:
        return True
    if not isinstance(body, Sequence):
        return False
    for each in reversed(body.layers):
        if not keeps_zero(each):
            return _ends_at_zero(each)
    return False


def _concat(transfer: WeightTransfer, path: str, layer: Concat, flow: Flow, wanted: Channels | None) -> Flow:
    """Branches that each pass some of the channels on."""
    num_in = len(flow.channels)
    widths = [channels_after(branch, num_in, flow.positions[1]) for branch in layer.branches]
    total = sum(widths)
    if wanted is None or len(wanted) != total:
        wanted = tuple(flow.channels[channel % num_in] for channel in range(total))
    made: list[int] = []
    flows = []
    for name, branch, width in zip(layer.names, layer.branches, widths, strict=True):
        part = wanted[len(made) : len(made) + width]
        flows.append(insert_layer(transfer, f"{path}.{name}", branch, flow._replace(norm=None), part))
        made += flows[-1].channels
    scales = {each.scale for each in flows}
    if len(scales) > 1:
        transfer.break_at(path, "its branches are scaled differently")
    low, high = min(each.low for each in flows), max(each.high for each in flows)
    return Flow(tuple(made), flow.width, low, high, flows[0].scale)


def _graph(transfer: WeightTransfer, path: str, layer: Dag, flow: Flow, wanted: Channels | None) -> Flow:
    return insert_afresh(transfer, path, layer, flow)


_FOLDS: dict[type[Layer], Callable[[WeightTransfer, str, Any, Flow, Channels | None], Flow]] = {
    Sequence: _sequence,
    Gate: _gate,
    Residual: _residual,
    Concat: _concat,
    Dag: _graph,
}
