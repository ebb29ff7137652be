"""From a plan to a plain torch module: the second reading of the algebra.

The module is made of torch's own layers and the few of `naslab.arch.modules`; it prints with the names of the plan.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from naslab.arch import graphs, modules
from naslab.arch.in_place import overwrites
from naslab.arch.lower import lower
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
    layer_kind,
)
from naslab.arch.spec import ArchSpec
from naslab.errors import SpecError


def build(arch: ArchSpec, seed: int | None = None, auxiliary: bool = False) -> nn.Module:
    """A module of the network `arch`: images of shape (batch, channels, height, width) in, logits (batch, classes) out.

    With a `seed` the initial weights are a function of it, and the global random state is left as it was. With
    `auxiliary` the auxiliary heads of the architecture are built too: in training the module then gives a tuple, the
    logits and those of each head; in evaluation the logits alone, as ever. The heads' weights are under `auxiliary.`,
    all others have the names they have without. Raises `SpecError` where a layer does not fit its input.

    >>> import torch
    >>> from naslab.arch import ArchSpec, MBConv, Stage
    >>> arch = ArchSpec(input=(3, 8, 8), stages=(Stage(block=MBConv(), width=4),), num_classes=2)
    >>> build(arch, seed=0)(torch.zeros(5, 3, 8, 8)).shape
    torch.Size([5, 2])
    """
    plan = lower(arch, auxiliary)
    if seed is None:
        return _network(plan)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _network(plan)


def _network(plan: Layer) -> nn.Module:
    module = _initialised(module_of(plan))
    graphs.share_paths(module)
    return module


def module_of(layer: Layer) -> nn.Module:
    """The module of one layer, with torch's default weights."""
    make = _BUILDERS.get(type(layer))
    if make is None:
        raise SpecError("", f"the builder does not know the layer {layer_kind(layer)}")
    return make(layer)


def _initialised(module: nn.Module) -> nn.Module:
    """Weights of convolutions by He et al. 2015 (arXiv 1502.01852, fan out), of linear layers by a small normal."""
    for each in module.modules():
        if isinstance(each, nn.Conv2d):
            nn.init.kaiming_normal_(each.weight, mode="fan_out", nonlinearity="relu")
            if each.bias is not None:
                nn.init.zeros_(each.bias)
        elif isinstance(each, nn.Linear):
            nn.init.normal_(each.weight, std=each.in_features**-0.5)
            if each.bias is not None:
                nn.init.zeros_(each.bias)
    return module


def _conv(layer: Conv) -> nn.Module:
    kind = modules.StandardizedConv2d if layer.standardized else nn.Conv2d
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


def _norm(layer: Norm) -> nn.Module:
    if layer.kind == "batch":
        return nn.BatchNorm2d(layer.channels, layer.eps, layer.momentum)
    if layer.kind == "group":
        return nn.GroupNorm(layer.groups, layer.channels, layer.eps)
    return modules.ChannelNorm(layer.channels, layer.eps)


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


def _act(layer: Act, before: Layer = Identity()) -> nn.Module:  # noqa: B008 - immutable
    act = _ACTIVATIONS[layer.kind]()
    if overwrites(layer, before):
        act.inplace = True  # type: ignore[assignment]
    return act if layer.gain == 1.0 else modules.ScaledActivation(act, layer.gain)


def _pool(layer: Pool) -> nn.Module:
    if layer.kind == "max":
        return nn.MaxPool2d(layer.kernel, layer.stride, layer.padding, ceil_mode=layer.ceil)
    return nn.AvgPool2d(layer.kernel, layer.stride, layer.padding, layer.ceil, layer.count_padding)


def _fractional_pool(layer: FractionalPool) -> nn.Module:
    return modules.FractionalMaxPool(layer.kernel, layer.ratio)


def _global_pool(layer: GlobalPool) -> nn.Module:
    return nn.AdaptiveMaxPool2d(layer.size) if layer.kind == "max" else nn.AdaptiveAvgPool2d(layer.size)


def _dropout(layer: Dropout) -> nn.Module:
    return nn.Dropout2d(layer.rate) if layer.channelwise else nn.Dropout(layer.rate)


def _sequence(layer: Sequence) -> nn.Module:
    """The layers in a row; an activation works in place where no other layer can read what it overwrites."""
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    before: Layer = Identity()
    for name, each in zip(layer.names, layer.layers, strict=True):
        parts[name] = _act(each, before) if isinstance(each, Act) else module_of(each)
        before = each
    return nn.Sequential(parts)


def _residual(layer: Residual) -> nn.Module:
    return modules.Residual(module_of(layer.body), module_of(layer.shortcut), layer.drop_rate, layer.scale)


def _dag(layer: Dag) -> nn.Module:
    return graphs.Dag(
        _named(layer.names, tuple(node.layer for node in layer.nodes)),
        [graphs.Reading(node.inputs, node.join, node.shifted_like) for node in layer.nodes],
        layer.outputs,
        layer.num_inputs,
        layer.drop_rate,
    )


def _supervised(layer: Supervised) -> nn.Module:
    names, heads, weights = zip(*layer.taps, strict=True)
    return graphs.Supervised(_named(layer.body.names, layer.body.layers), _named(names, heads), weights)


def _concat(layer: Concat) -> nn.Module:
    return modules.Concat(_named(layer.names, layer.branches))


def _named(names: tuple[str, ...], layers: tuple[Layer, ...]) -> OrderedDict[str, nn.Module]:
    return OrderedDict((name, module_of(layer)) for name, layer in zip(names, layers, strict=True))


_BUILDERS: dict[type[Layer], Callable[[Any], nn.Module]] = {
    Conv: _conv,
    Norm: _norm,
    LocalResponseNorm: lambda layer: nn.LocalResponseNorm(layer.size, layer.alpha, layer.beta, layer.k),
    ChannelScale: lambda layer: modules.ChannelScale(layer.channels, layer.initial),
    Act: _act,
    Pool: _pool,
    FractionalPool: _fractional_pool,
    GlobalPool: _global_pool,
    Flatten: lambda _: nn.Flatten(),
    Linear: lambda layer: nn.Linear(layer.in_features, layer.out_features, layer.bias),
    ChannelLinear: lambda layer: modules.ChannelLinear(layer.in_features, layer.out_features, layer.bias),
    Dropout: _dropout,
    DropPath: lambda layer: modules.DropPath(layer.rate),
    Identity: lambda _: nn.Identity(),
    ChannelPad: lambda layer: modules.ChannelPad(layer.channels),
    Sequence: _sequence,
    Residual: _residual,
    Gate: lambda layer: modules.Gate(module_of(layer.body)),
    Concat: _concat,
    ChannelSlice: lambda layer: modules.ChannelSlice(layer.start, layer.stop),
    ChannelShuffle: lambda layer: nn.ChannelShuffle(layer.groups),
    Subsample: lambda layer: modules.Subsample(layer.stride, layer.offset),
    Dag: _dag,
    History: lambda layer: graphs.History(_named(layer.names, layer.layers)),
    Supervised: _supervised,
}
