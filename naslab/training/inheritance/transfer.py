"""Transfer: one fold over the plans of parent and child at once; which channels correspond is carried along (`Flow`).

What is done with a pair of primitive layers is their rule, or what their declaration says.
"""

from __future__ import annotations

from naslab.arch.declaration import NEW, passes_on
from naslab.arch.plan import Concat, Dag, Gate, Identity, Layer, Node, Residual, Sequence
from naslab.training.inheritance.channels import (
    channels_after,
    chooses_outputs,
    chosen_outputs,
    graph_channels,
    layers_with_weights,
)
from naslab.training.inheritance.flow import Channels, Flow, spread, stacked
from naslab.training.inheritance.graph_matching import matched_nodes
from naslab.training.inheritance.insertion import insert_layer
from naslab.training.inheritance.plain_layers import transfer_as_declared
from naslab.training.inheritance.rules import LayerPair, TransferFunction, path_of, rule_of, start_afresh
from naslab.training.inheritance.wanted_channels import wanted_behind
from naslab.training.inheritance.weight_transfer import WeightTransfer


def transfer_layer(transfer: WeightTransfer, pair: LayerPair, flow: Flow, wanted: Channels | None = None) -> Flow:
    """Initialise the child's layer of a `pair` from the parent's; the flow behind both.

    `transfer` holds both networks' tensors and takes notes. `flow` is what the map before the child's layer carries of
    the parent's; `wanted` are the channels that the output should carry, where weights are free to choose them.
    """
    old, new = pair.old, pair.new
    if type(old) is type(new):
        do = _FOLDS.get(type(new)) or rule_of(new).transfer
        return transfer_as_declared(transfer, pair, flow) if do is None else do(transfer, pair, flow, wanted)
    if isinstance(old, Identity):
        return insert_layer(transfer, pair.new_path, new, flow, wanted)
    if isinstance(new, Identity):
        return remove_layer(transfer, pair.old_path, old, flow)
    if isinstance(new, Residual) and isinstance(old, Sequence):
        transfer.break_at(pair.new_path, "a shortcut here, none in the parent")
        transfer.fresh += transfer.owners(path_of(pair.new_path, "shortcut"))
        return transfer_layer(transfer, pair.part("", old, "body", new.body), flow._replace(norm=None), wanted)
    if isinstance(old, Residual) and isinstance(new, Sequence):
        transfer.break_at(pair.new_path, "no shortcut here, one in the parent")
        return transfer_layer(transfer, pair.part("body", old.body, "", new), flow, wanted)
    return start_afresh(transfer, pair, flow, OTHER_KIND)


OTHER_KIND = "a layer of another kind than the parent's"


def remove_layer(transfer: WeightTransfer, path: str, layer: Layer, flow: Flow) -> Flow:
    """Leave out a `layer` that the parent has at `path`, and note in `transfer` that the function changes by it.

    A layer that passes its input on changes nothing.
    The child's map before it stands for the parent's behind it: it carries the channels of `flow` where the layer keeps
    their number, else those behind the layer in turn.
    """
    if passes_on(layer):
        return flow
    transfer.break_at(path, "a layer of the parent's that is not here")
    width = channels_after(layer, flow.width, flow.positions[0])
    if width == flow.width:
        return Flow(flow.channels, width, scale=flow.scale, positions=flow.positions)
    return Flow(spread(width, len(flow.channels)), width, positions=flow.positions)


def _sequence(transfer: WeightTransfer, pair: LayerPair, flow: Flow, wanted: Channels | None) -> Flow:
    old, new = pair.old, pair.new
    assert isinstance(old, Sequence)
    assert isinstance(new, Sequence)
    if _is_other_kind(old, new):
        return start_afresh(transfer, pair, flow, OTHER_KIND)
    chosen = chosen_outputs(new)
    parts = dict(zip(old.names, old.layers, strict=True))
    left = list(old.names)
    for index, (name, each) in enumerate(zip(new.names, new.layers, strict=True)):
        wanted_here = wanted if index == chosen else None
        if name not in left:
            flow = insert_layer(transfer, path_of(pair.new_path, name), each, flow, wanted_here)
            continue
        while left[0] != name:
            first = left.pop(0)
            flow = remove_layer(transfer, path_of(pair.old_path, first), parts[first], flow)
        left.pop(0)
        if wanted_here is None:
            wanted_here = wanted_behind(transfer, pair.old_path, old, new, index)
        flow = transfer_layer(transfer, pair.part(name, parts[name], name, each), flow, wanted_here)
    for name in left:
        flow = remove_layer(transfer, path_of(pair.old_path, name), parts[name], flow)
    return flow


def _is_other_kind(old: Sequence, new: Sequence) -> bool:
    """Whether two sequences have weights and share no name of a layer that does."""
    ours = {name for name, each in zip(new.names, new.layers, strict=True) if layers_with_weights(each)}
    theirs = {name for name, each in zip(old.names, old.layers, strict=True) if layers_with_weights(each)}
    return bool(ours) and bool(theirs) and not ours & theirs


def _residual(transfer: WeightTransfer, pair: LayerPair, flow: Flow, wanted: Channels | None) -> Flow:
    """Both sides of the sum in the same channels: the side that is free takes those of the one that is not."""
    old, new = pair.old, pair.new
    assert isinstance(old, Residual)
    assert isinstance(new, Residual)
    flow = flow._replace(norm=None)
    body = pair.part("body", old.body, "body", new.body)
    way = pair.part("shortcut", old.shortcut, "shortcut", new.shortcut)
    if not chooses_outputs(new.shortcut):
        other = transfer_layer(transfer, way, flow)
        made = transfer_layer(transfer, body, flow, other.channels)
    elif not chooses_outputs(new.body):
        made = transfer_layer(transfer, body, flow)
        other = transfer_layer(transfer, way, flow, made.channels)
    else:
        width = channels_after(old.body, flow.width, flow.positions[0])
        wanted = wanted or spread(width, channels_after(new.body, len(flow.channels), flow.positions[1]))
        made, other = transfer_layer(transfer, body, flow, wanted), transfer_layer(transfer, way, flow, wanted)
    if made.channels != other.channels or made.scale != other.scale:
        transfer.break_at(pair.new_path, "the two sides of the sum carry the parent's channels in different places")
    if old.scale != new.scale:
        transfer.break_at(pair.new_path, f"the body counts {new.scale:g} times here, {old.scale:g} times in the parent")
    return Flow(other.channels, other.width, scale=other.scale)


def _gate(transfer: WeightTransfer, pair: LayerPair, flow: Flow, wanted: Channels | None) -> Flow:
    old, new = pair.old, pair.new
    assert isinstance(old, Gate)
    assert isinstance(new, Gate)
    flow = flow._replace(norm=None)
    made = transfer_layer(transfer, pair.part("body", old.body, "body", new.body), flow, flow.channels)
    if made.channels != flow.channels or made.scale != 1.0:
        transfer.break_at(pair.new_path, "the gate's channels are not those that it gates")
    is_shrinking = made.low >= 0 and made.high <= 1
    keeps = is_shrinking and flow.low >= 0
    return flow._replace(low=0.0 if keeps else -float("inf"), high=flow.high if keeps else float("inf"))


def _concat(transfer: WeightTransfer, pair: LayerPair, flow: Flow, wanted: Channels | None) -> Flow:
    old, new = pair.old, pair.new
    assert isinstance(old, Concat)
    assert isinstance(new, Concat)
    if old.names != new.names:
        return start_afresh(transfer, pair, flow, OTHER_KIND)
    flow = flow._replace(norm=None)
    flows = [
        transfer_layer(transfer, pair.part(name, was, name, each), flow)
        for name, was, each in zip(new.names, old.branches, new.branches, strict=True)
    ]
    if len({each.scale for each in flows}) > 1:
        transfer.break_at(pair.new_path, "its branches are scaled differently")
    return stacked(flows, [channels_after(branch, flow.width, flow.positions[0]) for branch in old.branches])


def _dag(transfer: WeightTransfer, pair: LayerPair, flow: Flow, wanted: Channels | None) -> Flow:
    new = pair.new
    assert isinstance(new, Dag)
    return transfer_graph(transfer, pair, [flow] * new.num_inputs)


def transfer_graph(transfer: WeightTransfer, pair: LayerPair, flows: list[Flow]) -> Flow:
    """The layers of a `pair` of graphs, node by node, given the `flows` of the inputs; the flow of the output.

    Of graphs of other nodes or connections those nodes are paired that stand for each other (`graph_matching`), the
    others start afresh. `transfer` notes that, and where joined maps carry different channels.
    """
    old, new = pair.old, pair.new
    assert isinstance(old, Dag)
    assert isinstance(new, Dag)
    if old.num_inputs != new.num_inputs:
        return start_afresh(transfer, pair, flows[-1], OTHER_KIND)
    is_same = _is_same_graph(old, new)
    matched = list(range(len(new.nodes))) if is_same else matched_nodes(old, new)
    values = [flow._replace(norm=None) for flow in flows]
    old_widths = graph_channels(old, [flow.width for flow in flows])
    for name, node, match in zip(new.names, new.nodes, matched, strict=True):
        path = path_of(pair.new_path, name)
        flow = _joined(transfer, path, node, values)
        if match is None:
            made = _new_node(transfer, path, node.layer, flow)
        else:
            was = old.nodes[match]
            read = [old_widths[index] for index in was.inputs]
            flow = _of_width(flow, sum(read) if was.join == "concat" else read[0])
            made = transfer_layer(transfer, pair.part(old.names[match], was.layer, name, node.layer), flow)
        values.append(made)
    if not is_same:
        transfer.break_at(pair.new_path, OTHER_GRAPH)
    out = [values[index] for index in new.outputs]
    flow = stacked(out, [each.width for each in out]) if len(out) > 1 else out[0]._replace(norm=None)
    return _of_width(flow, sum(old_widths[index] for index in old.outputs))


OTHER_GRAPH = "a graph of other nodes or connections than the parent's"


def _joined(transfer: WeightTransfer, path: str, node: Node, values: list[Flow]) -> Flow:
    """The flow of what a node reads of the `values` so far; where they differ, `transfer` notes a break at `path`."""
    read = [values[index] for index in node.inputs]
    if node.join == "concat":
        return stacked(read, [each.width for each in read])
    flow = read[0]
    if len(read) > 1:
        if any((each.channels, each.scale) != (flow.channels, flow.scale) for each in read):
            transfer.break_at(path, "the maps joined here carry different channels")
        return Flow(flow.channels, flow.width, scale=flow.scale)
    return flow


def _new_node(transfer: WeightTransfer, path: str, layer: Layer, flow: Flow) -> Flow:
    """A node of no counterpart in the parent's graph: its weights, where it has any, are its own."""
    if not layers_with_weights(layer):
        made = insert_layer(transfer, path, layer, flow)
        is_new = NEW in made.channels and len(made.channels) == len(flow.channels)
        return flow if is_new else made  # what reads zeros keeps its weights
    transfer.fresh += transfer.owners(path)
    count = channels_after(layer, len(flow.channels), flow.positions[1])
    channels = tuple(flow.channels[channel % len(flow.channels)] for channel in range(count))
    return flow.made(channels, flow.width)


def _of_width(flow: Flow, width: int) -> Flow:
    """A flow of the parent's map of `width` channels: where `flow` is of another map, that one's in turn."""
    if flow.width == width:
        return flow
    return Flow(spread(width, len(flow.channels)), width, positions=flow.positions)


def _is_same_graph(old: Dag, new: Dag) -> bool:
    if old.names != new.names or old.outputs != new.outputs or old.num_inputs != new.num_inputs:
        return False
    return all(
        (was.inputs, was.join, was.shifted_like) == (node.inputs, node.join, node.shifted_like)
        for was, node in zip(old.nodes, new.nodes, strict=True)
    )


_FOLDS: dict[type[Layer], TransferFunction] = {
    Sequence: _sequence,
    Residual: _residual,
    Gate: _gate,
    Concat: _concat,
    Dag: _dag,
}
