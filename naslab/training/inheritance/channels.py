"""What layers do to channels, as their descriptions tell."""

from __future__ import annotations

from naslab.arch.plan import (
    Act,
    ChannelLinear,
    ChannelPad,
    ChannelScale,
    ChannelSlice,
    Concat,
    Conv,
    Dag,
    Dropout,
    DropPath,
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

_KEEPING = (
    *(
        Act,
        ChannelScale,
        Dropout,
        DropPath,
        FractionalPool,
        Gate,
        GlobalPool,
        Identity,
        LocalResponseNorm,
        Norm,
        Pool,
        Subsample,
    ),
)
"""Layers that leave every channel where it is."""

_WEIGHTED = (Conv, Linear, ChannelLinear, Norm, ChannelScale)


def keeps_channels(layer: Layer) -> bool:
    """Whether every channel stays where it is."""
    if isinstance(layer, Sequence):
        return all(map(keeps_channels, layer.layers))
    return isinstance(layer, _KEEPING) or (isinstance(layer, Conv) and is_channelwise(layer))


def is_channelwise(conv: Conv) -> bool:
    """Whether a convolution filters every channel by itself."""
    return conv.groups == conv.in_channels == conv.out_channels


def chosen_outputs(layer: Sequence) -> int | None:
    """The place of the layer that chooses the channels of a sequence's output, `None` where no layer is free to."""
    for index in reversed(range(len(layer.layers))):
        each = layer.layers[index]
        if chooses_outputs(each):
            return index
        if not keeps_channels(each):
            return None
    return None


def chooses_outputs(layer: Layer) -> bool:
    """Whether some weights decide what each output channel of a layer is."""
    if isinstance(layer, Sequence):
        return chosen_outputs(layer) is not None
    if isinstance(layer, Conv):
        return not is_channelwise(layer) and layer.groups == 1
    if isinstance(layer, Residual):
        return chooses_outputs(layer.body) and chooses_outputs(layer.shortcut)
    return isinstance(layer, Linear | ChannelLinear)


def channels_after(layer: Layer, channels: int) -> int:
    """How many channels a layer makes of `channels`.

    >>> from naslab.arch.plan import concat
    >>> channels_after(concat(one=Conv(8, 4), two=Identity()), 8)
    12
    """
    match layer:
        case Conv():
            return layer.out_channels
        case Linear() | ChannelLinear():
            return layer.out_features
        case ChannelPad():
            return channels + layer.channels
        case ChannelSlice():
            return layer.stop - layer.start
        case Sequence():
            for each in layer.layers:
                channels = channels_after(each, channels)
            return channels
        case Residual():
            return channels_after(layer.body, channels)
        case Concat():
            return sum(channels_after(branch, channels) for branch in layer.branches)
        case Dag():
            return _channels_after_graph(layer, channels)
    return channels


def _channels_after_graph(graph: Dag, channels: int) -> int:
    values = [channels] * graph.num_inputs
    for node in graph.nodes:
        read = [values[index] for index in node.inputs]
        values.append(channels_after(node.layer, sum(read) if node.join == "concat" else read[0]))
    return sum(values[index] for index in graph.outputs)


def weighted_layers(layer: Layer, path: str = "") -> list[tuple[str, Layer]]:
    """Every layer that has weights, with its path in the built module."""
    if isinstance(layer, _WEIGHTED):
        return [(path, layer)]
    found: list[tuple[str, Layer]] = []
    for name, part in named_parts(layer):
        found += weighted_layers(part, f"{path}.{name}" if path else name)
    return found


def named_parts(layer: Layer) -> list[tuple[str, Layer]]:
    """The parts of a combinator under the names that the built module has for them; none of another layer."""
    match layer:
        case Sequence():
            return list(zip(layer.names, layer.layers, strict=True))
        case Residual():
            return [("body", layer.body), ("shortcut", layer.shortcut)]
        case Gate():
            return [("body", layer.body)]
        case Concat():
            return list(zip(layer.names, layer.branches, strict=True))
        case Dag():
            return list(zip(layer.names, (node.layer for node in layer.nodes), strict=True))
    return []
