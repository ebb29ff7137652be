"""How naslab's own layers are built: their torch rows, in the order of `naslab.arch.plan`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeAlias

from torch import nn

from naslab.arch import graphs, modules
from naslab.arch.declaration import layer_kind
from naslab.arch.layers.activation import overwrites
from naslab.arch.layers.graph import Node, Running, running
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
    History,
    Identity,
    Layer,
    Linear,
    LocalResponseNorm,
    Norm,
    Pool,
    Residual,
    Sequence,
    Subsample,
    Supervised,
    Zeros,
)
from naslab.arch.tally import raised
from naslab.arch.torch_layers import TorchLayer, Writer, declare_module, torch_layer
from naslab.errors import NaslabError, SpecError

INDENT = "    "
Expression: TypeAlias = Callable[[nn.Module, str], str]


def module_of(layer: Layer) -> nn.Module:
    """The module of one layer, with torch's default weights.

    Raises `SpecError` where no row says how it is built, and where that of a layer from outside raises.
    """
    row = torch_layer(layer)
    try:
        return row.build(layer)
    except Exception as error:
        if isinstance(error, NaslabError | MemoryError) or type(layer).__module__.startswith("naslab."):
            raise
        rule = f"the layer {layer_kind(layer)} cannot be built: its row's `build` raised {raised(error)}"
        raise SpecError("", rule) from error


def _build_conv(layer: Conv) -> nn.Module:
    kind: type[nn.Conv2d] = modules.SameConv2d if layer.same else nn.Conv2d
    if layer.standardized:
        kind = modules.StandardizedConv2d
    return kind(
        layer.in_channels,
        layer.out_channels,
        layer.kernel,
        layer.stride,
        layer.padding,
        layer.dilation,
        layer.groups,
        layer.bias,
    )


declare_module(Conv, TorchLayer(build=_build_conv))
declare_module(Linear, TorchLayer(build=lambda layer: nn.Linear(layer.in_features, layer.out_features, layer.bias)))
declare_module(
    ChannelLinear,
    TorchLayer(build=lambda layer: modules.ChannelLinear(layer.in_features, layer.out_features, layer.bias)),
)


def _build_norm(layer: Norm) -> nn.Module:
    if layer.kind == "batch":
        return nn.BatchNorm2d(layer.channels, layer.eps, layer.momentum)
    if layer.kind == "group":
        return nn.GroupNorm(layer.groups, layer.channels, layer.eps)
    return modules.ChannelNorm(layer.channels, layer.eps)


declare_module(Norm, TorchLayer(build=_build_norm))
declare_module(
    LocalResponseNorm,
    TorchLayer(build=lambda layer: nn.LocalResponseNorm(layer.size, layer.alpha, layer.beta, layer.k)),
)
declare_module(ChannelScale, TorchLayer(build=lambda layer: modules.ChannelScale(layer.channels, layer.initial)))

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "silu": nn.SiLU,
    "hardswish": nn.Hardswish,
    "gelu": nn.GELU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "hardsigmoid": nn.Hardsigmoid,
}


def _build_act(layer: Act, before: Layer = Identity()) -> nn.Module:  # noqa: B008 - immutable
    act = _ACTIVATIONS[layer.kind]()
    if overwrites(layer, before):
        act.inplace = True  # type: ignore[assignment]
    return act if layer.gain == 1.0 else modules.ScaledActivation(act, layer.gain)


def _write_scaled_activation(module: modules.ScaledActivation, indent: str, expression: Expression) -> str:
    return f"ScaledActivation({expression(module.activation, indent)}, {module.gain!r})"


declare_module(Act, TorchLayer(build=_build_act, write={modules.ScaledActivation: _write_scaled_activation}))
declare_module(Identity, TorchLayer(build=lambda _: nn.Identity()))


def _build_pool(layer: Pool) -> nn.Module:
    if layer.kind == "max":
        return nn.MaxPool2d(layer.kernel, layer.stride, layer.padding, ceil_mode=layer.ceil)
    return nn.AvgPool2d(layer.kernel, layer.stride, layer.padding, layer.ceil, layer.count_padding)


def _write_average(module: nn.AvgPool2d, indent: str, expression: Expression) -> str:
    """Its own print leaves out whether padding counts."""
    settings = (module.kernel_size, module.stride, module.padding, module.ceil_mode, module.count_include_pad)
    return f"nn.AvgPool2d({', '.join(map(repr, settings))})"


declare_module(Pool, TorchLayer(build=_build_pool, write={nn.AvgPool2d: _write_average}))
declare_module(FractionalPool, TorchLayer(build=lambda layer: modules.FractionalMaxPool(layer.kernel, layer.ratio)))


def _build_global_pool(layer: GlobalPool) -> nn.Module:
    return nn.AdaptiveMaxPool2d(layer.size) if layer.kind == "max" else nn.AdaptiveAvgPool2d(layer.size)


declare_module(GlobalPool, TorchLayer(build=_build_global_pool))
declare_module(Subsample, TorchLayer(build=lambda layer: modules.Subsample(layer.stride, layer.offset)))
declare_module(Zeros, TorchLayer(build=lambda layer: modules.Zeros(layer.channels)))
declare_module(Flatten, TorchLayer(build=lambda _: nn.Flatten()))
declare_module(ChannelPad, TorchLayer(build=lambda layer: modules.ChannelPad(layer.channels)))
declare_module(ChannelSlice, TorchLayer(build=lambda layer: modules.ChannelSlice(layer.start, layer.stop)))
declare_module(ChannelShuffle, TorchLayer(build=lambda layer: nn.ChannelShuffle(layer.groups)))


def _build_dropout(layer: Dropout) -> nn.Module:
    return nn.Dropout2d(layer.rate) if layer.channelwise else nn.Dropout(layer.rate)


declare_module(Dropout, TorchLayer(build=_build_dropout))
declare_module(DropPath, TorchLayer(build=lambda layer: modules.DropPath(layer.rate)))


def _build_sequence(layer: Sequence) -> nn.Module:
    """The layers in a row; an activation works in place where no other layer can read what it overwrites."""
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    before: Layer = Identity()
    for name, each in zip(layer.names, layer.layers, strict=True):
        parts[name] = _build_act(each, before) if isinstance(each, Act) else module_of(each)
        before = each
    return nn.Sequential(parts)


def _container(name: str) -> Writer:
    """The writer of a module that is made of its named parts alone."""

    def write(module: nn.Module, indent: str, expression: Expression) -> str:
        return f"{name}({_written_parts(dict(module.named_children()), indent, expression)})"

    return write


def _written_parts(parts: dict[str, nn.Module], indent: str, expression: Expression) -> str:
    inner = indent + INDENT
    lines = [f'{inner}("{name}", {expression(part, inner)}),\n' for name, part in parts.items()]
    return f"OrderedDict([\n{''.join(lines)}{indent}])"


def _call(name: str, arguments: list[str], indent: str) -> str:
    inner = indent + INDENT
    return f"{name}(\n{''.join(f'{inner}{argument},{chr(10)}' for argument in arguments)}{indent})"


declare_module(Sequence, TorchLayer(build=_build_sequence, write={nn.Sequential: _container("nn.Sequential")}))


def _build_residual(layer: Residual) -> nn.Module:
    return modules.Residual(module_of(layer.body), module_of(layer.shortcut), layer.drop_rate, layer.scale)


def _write_residual(module: modules.Residual, indent: str, expression: Expression) -> str:
    inner = indent + INDENT
    parts = [expression(module.body, inner), expression(module.shortcut, inner)]
    return _call("Residual", [*parts, f"drop_rate={module.drop_rate!r}", f"scale={module.scale!r}"], indent)


declare_module(Residual, TorchLayer(build=_build_residual, write={modules.Residual: _write_residual}))


def _write_gate(module: modules.Gate, indent: str, expression: Expression) -> str:
    return f"Gate({expression(module.body, indent)})"


declare_module(
    Gate,
    TorchLayer(build=lambda layer: modules.Gate(module_of(layer.body)), write={modules.Gate: _write_gate}),
)


def _built(names: tuple[str, ...], layers: tuple[Layer, ...]) -> OrderedDict[str, nn.Module]:
    return OrderedDict((name, module_of(layer)) for name, layer in zip(names, layers, strict=True))


declare_module(
    Concat,
    TorchLayer(
        build=lambda layer: modules.Concat(_built(layer.names, layer.branches)),
        write={modules.Concat: _container("Concat")},
    ),
)


def _build_dag(layer: Dag) -> nn.Module:
    runs = [running(node) for node in layer.nodes]
    return graphs.Dag(
        _built(layer.names, tuple(run.layer for run in runs)),
        [_reading(node, run) for node, run in zip(layer.nodes, runs, strict=True)],
        layer.outputs,
        layer.num_inputs,
        layer.drop_rate,
    )


def _reading(node: Node, run: Running) -> graphs.Reading:
    like = node.shifted_like if run.is_shifted else None
    return graphs.Reading(node.inputs, node.join, like, run.margin, run.stride)


def _write_dag(module: graphs.Dag, indent: str, expression: Expression) -> str:
    parts = _written_parts(dict(module.named_children()), indent + INDENT, expression)
    settings = [repr(list(module.reads)), repr(module.outputs), repr(module.num_inputs), repr(module.drop_rate)]
    return _call("Dag", [parts, *settings], indent)


declare_module(Dag, TorchLayer(build=_build_dag, write={graphs.Dag: _write_dag}, files=(graphs,)))
declare_module(
    History,
    TorchLayer(
        build=lambda layer: graphs.History(_built(layer.names, layer.layers)),
        write={
            graphs.History: _container("History"),
            graphs.PreparedHistory: _container("PreparedHistory"),
        },
        files=(graphs,),
    ),
)


def _build_supervised(layer: Supervised) -> nn.Module:
    names, heads, weights = zip(*layer.taps, strict=True)
    return graphs.Supervised(_built(layer.body.names, layer.body.layers), _built(names, heads), weights)


def _write_supervised(module: graphs.Supervised, indent: str, expression: Expression) -> str:
    parts = {name: part for name, part in module.named_children() if part is not module.auxiliary}
    heads = dict(module.auxiliary.named_children())
    inner = indent + INDENT
    given = [
        _written_parts(parts, inner, expression),
        _written_parts(heads, inner, expression),
        repr(tuple(module.loss_weights)),
    ]
    return _call("Supervised", given, indent)


declare_module(
    Supervised,
    TorchLayer(build=_build_supervised, write={graphs.Supervised: _write_supervised}, files=(graphs,)),
)
