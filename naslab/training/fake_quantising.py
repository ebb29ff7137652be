"""Quantisation-aware training: a network computes as in 8 bits while its weights stay floating-point numbers.

Jacob et al. 2018, arXiv 1712.05877, section 3: weights per output channel by their largest absolute values, the inputs
of layers by moving averages of their least and largest. By torchao's fake quantisers, whose gradients are those of the
identity within the range.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from naslab.errors import NaslabError
from naslab.training.quiet import quiet_packages

WEIGHT, INPUT = "weight_quantiser", "input_quantiser"
"""The names of quantisers within the layers whose weights and inputs they quantise."""
KEPT = "kept_weight"
WEIGHTED = (nn.Conv2d, nn.Linear)
CURVED = (nn.SiLU, nn.Hardswish, nn.Sigmoid, nn.Hardsigmoid, nn.GELU, nn.Tanh)
"""Activations whose inputs are quantised; those of ReLU are not, runtimes compute it in the layer before."""


def require_torchao() -> None:
    """Raise `NaslabError` where torchao is missing."""
    if importlib.util.find_spec("torchao") is None:
        raise NaslabError("quantisation-aware training needs torchao: pip install 'naslab[quantize]'")


class Quantiser(nn.Module):
    """A fake quantiser of torchao's, `own`, whose range follows what it sees in training mode alone; shapes stay.

    Values have any shape.
    """

    def __init__(self, own: nn.Module) -> None:
        super().__init__()
        self.own = own

    def observe(self, is_on: bool) -> None:
        """Let the range follow, or stay."""
        self.own.get_buffer("observer_enabled").fill_(int(is_on))

    def train(self, mode: bool = True) -> Quantiser:
        """Training or evaluation mode."""
        super().train(mode)
        self.observe(mode)
        return self

    def forward(self, values: Tensor) -> Tensor:
        made: Tensor = self.own(values)
        return made


def quantise_in_training(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Let `network` compute as in 8 bits from now on; the ranges of its layers' inputs begin with those of `batches`.

    Batches have the shape (batch, channels, height, width), values as the network takes them. Weights keep their names;
    ranges are added to its state, and follow in training mode alone. `full_precision` leaves them out.
    """
    quantisers: list[Quantiser] = []
    for layer in list(network.modules()):
        if isinstance(layer, WEIGHTED):
            quantisers.append(_added(layer, WEIGHT, _of_weights()))
            layer.register_forward_pre_hook(_quantise_weight)
            layer.register_forward_hook(_restore_weight, always_call=True)
        if isinstance(layer, WEIGHTED + CURVED):
            quantisers.append(_added(layer, INPUT, _of_inputs()))
            layer.register_forward_pre_hook(_quantise_input)
    was_training = network.training
    network.eval()
    for each in quantisers:
        each.observe(True)
    with torch.no_grad():
        for images in batches:
            network(images)
    network.train(was_training)


def full_precision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a network's `state` without those of quantisers, by name."""
    return {name: value for name, value in state.items() if not {WEIGHT, INPUT} & set(name.split("."))}


def _added(layer: nn.Module, name: str, own: nn.Module) -> Quantiser:
    quantiser = Quantiser(own)
    layer.add_module(name, quantiser)
    return quantiser


def _quantise_input(layer: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (layer.get_submodule(INPUT)(given[0].float()), *given[1:])


def _quantise_weight(layer: nn.Module, given: object) -> None:
    """Put the quantised weights in the place of a layer's own for one call."""
    own = layer.get_parameter("weight")
    layer.__dict__[KEPT] = own
    layer._parameters["weight"] = layer.get_submodule(WEIGHT)(own)


def _restore_weight(layer: nn.Module, given: object, made: object) -> None:
    if KEPT in layer.__dict__:
        layer._parameters["weight"] = layer.__dict__.pop(KEPT)


def _of_weights() -> nn.Module:
    """Symmetric steps for each output channel; the fused fake quantiser has others where all have one sign."""
    quantisers = _torchao()
    made: nn.Module = quantisers.FakeQuantize(
        quantisers.MovingAveragePerChannelMinMaxObserver,
        *(-127, 127),
        dtype=torch.int8,
        qscheme=torch.per_channel_symmetric,
        ch_axis=0,
        averaging_constant=1.0,
    )
    return made


def _of_inputs() -> nn.Module:
    quantisers = _torchao()
    made: nn.Module = quantisers.FusedMovingAvgObsFakeQuantize(
        quantisers.MovingAverageMinMaxObserver, 0, 255, dtype=torch.uint8, qscheme=torch.per_tensor_affine
    )
    return made


def _torchao() -> Any:
    """torchao's quantisers, without what the package says of itself when it is imported."""
    with quiet_packages():
        return import_module("torchao.quantization.pt2e")
