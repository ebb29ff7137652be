"""From a plan to a plain torch module: the second reading of the algebra.

The module is made of torch's own layers and the few of `naslab.arch.modules`; it prints with the names of the plan.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from naslab.arch import modules
from naslab.arch.lower import lower
from naslab.arch.plan import (
    Act,
    ChannelLinear,
    ChannelPad,
    ChannelScale,
    Concat,
    Conv,
    Dropout,
    Flatten,
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
    layer_kind,
)
from naslab.arch.spec import ArchSpec
from naslab.errors import SpecError


def build(arch: ArchSpec, seed: int | None = None) -> nn.Module:
    """A module that takes images (batch, channels, height, width) and gives logits (batch, classes).

    With a `seed` the initial weights are a function of it, and the global random state is left as it was.

    >>> import torch
    >>> from naslab.arch import ArchSpec, MBConv, Stage
    >>> arch = ArchSpec(input=(3, 8, 8), stages=(Stage(block=MBConv(), width=4),), num_classes=2)
    >>> build(arch, seed=0)(torch.zeros(5, 3, 8, 8)).shape
    torch.Size([5, 2])
    """
    plan = lower(arch)
    if seed is None:
        return _initialised(module_of(plan))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _initialised(module_of(plan))


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
    "relu": lambda: nn.ReLU(inplace=True),
    "relu6": lambda: nn.ReLU6(inplace=True),
    "silu": lambda: nn.SiLU(inplace=True),
    "hardswish": lambda: nn.Hardswish(inplace=True),
    "gelu": nn.GELU,
    "leaky_relu": lambda: nn.LeakyReLU(inplace=True),
    "elu": lambda: nn.ELU(inplace=True),
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "hardsigmoid": lambda: nn.Hardsigmoid(inplace=True),
}


def _act(layer: Act) -> nn.Module:
    act = _ACTIVATIONS[layer.kind]()
    return act if layer.gain == 1.0 else modules.ScaledActivation(act, layer.gain)


def _pool(layer: Pool) -> nn.Module:
    if layer.kind == "max":
        return nn.MaxPool2d(layer.kernel, layer.stride, layer.padding, ceil_mode=layer.ceil)
    return nn.AvgPool2d(layer.kernel, layer.stride, layer.padding, layer.ceil, layer.count_padding)


def _global_pool(layer: GlobalPool) -> nn.Module:
    return nn.AdaptiveMaxPool2d(layer.size) if layer.kind == "max" else nn.AdaptiveAvgPool2d(layer.size)


def _dropout(layer: Dropout) -> nn.Module:
    return nn.Dropout2d(layer.rate) if layer.channelwise else nn.Dropout(layer.rate)


def _sequence(layer: Sequence) -> nn.Module:
    return nn.Sequential(_named(layer.names, layer.layers))


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
    GlobalPool: _global_pool,
    Flatten: lambda _: nn.Flatten(),
    Linear: lambda layer: nn.Linear(layer.in_features, layer.out_features, layer.bias),
    ChannelLinear: lambda layer: modules.ChannelLinear(layer.in_features, layer.out_features, layer.bias),
    Dropout: _dropout,
    Identity: lambda _: nn.Identity(),
    ChannelPad: lambda layer: modules.ChannelPad(layer.channels),
    Sequence: _sequence,
    Residual: lambda layer: modules.Residual(module_of(layer.body), module_of(layer.shortcut), layer.drop_rate),
    Gate: lambda layer: modules.Gate(module_of(layer.body)),
    Concat: _concat,
}
