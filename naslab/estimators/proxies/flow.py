"""SynFlow: how much signal the sizes of the weights let through, whatever the data."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from naslab.arch import modules
from naslab.estimators.proxies.readiness import UNITS, weights_of
from naslab.training.augment import Batch

_NORMS = (nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm, nn.LocalResponseNorm)


def synflow(module: nn.Module, batches: Sequence[Batch]) -> float:
    """The natural logarithm of the synaptic flow (Tanaka et al. 2020, arXiv 2006.05467, equation 1); uses up `module`.

    The flow is the sum over weights of weight x its gradient, for the sum of the logits of an image of ones through
    the network of absolute weights. On positive values ReLU is the identity, so activations are taken as that (others
    would saturate), except the sigmoids of gates; norms are left out, as the paper's are in evaluation. float64 holds
    the flow of networks of several hundred layers; a larger one is infinite. Of the batch only the shape is taken.
    """
    flow = linear_flow(module).double()
    weights = weights_of(flow)
    image = torch.ones_like(batches[0].images[:1], dtype=torch.float64)
    gradients = torch.autograd.grad(flow(image).sum(), weights, materialize_grads=True)
    total = sum(float((weight.detach() * each).sum()) for weight, each in zip(weights, gradients, strict=True))
    return math.log(total) if total > 0 else -math.inf


def linear_flow(module: nn.Module) -> nn.Module:
    """The module without norms and activations, its weights absolute and its biases zero; in place."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, (*_NORMS, *UNITS, modules.ScaledActivation)):
                setattr(parent, name, nn.Identity())
            elif isinstance(child, modules.StandardizedConv2d):
                setattr(parent, name, _plain(child))
    with torch.no_grad():
        for each in module.parameters():
            each.abs_()
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
                layer.bias.zero_()
    return module.eval()


def _plain(conv: modules.StandardizedConv2d) -> nn.Conv2d:
    """The convolution with its weights as they are: standardised ones have both signs whatever is done to them."""
    plain = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,  # type: ignore[arg-type]
        conv.stride,  # type: ignore[arg-type]
        conv.padding,  # type: ignore[arg-type]
        conv.dilation,  # type: ignore[arg-type]
        conv.groups,
        bias=False,
    )
    plain.weight = conv.weight
    return plain
