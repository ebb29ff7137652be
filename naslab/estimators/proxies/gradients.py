"""Proxies from the gradient of the loss at initialisation: grad norm, SNIP, ZiCo."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from naslab.estimators.proxies.readiness import loss_gradients, weights_of
from naslab.training.augment import Batch


def grad_norm(module: nn.Module, batches: Sequence[Batch]) -> float:
    """The Euclidean norms of the loss's gradient in each weight of a layer, summed (arXiv 2101.08134, section 3.2)."""
    return float(sum(each.double().norm() for each in loss_gradients(module, batches[0])))


def snip(module: nn.Module, batches: Sequence[Batch]) -> float:
    """The sum over weights of |weight x gradient| (Lee et al. 2019, arXiv 1810.02340, summed as in 2101.08134)."""
    weights = weights_of(module)
    gradients = loss_gradients(module, batches[0])
    return float(
        sum((weight.detach() * each).abs().double().sum() for weight, each in zip(weights, gradients, strict=True))
    )


def zico(module: nn.Module, batches: Sequence[Batch]) -> float:
    """Inverse coefficient of variation of gradients over batches (Li et al. 2023, arXiv 2301.11300, equation 16).

    The sum over layers of the logarithm of the sum over weights of mean over deviation of the gradient's absolute
    value. Weights whose gradient never changes, and layers of nothing else, are left out.
    """
    drawn = [loss_gradients(module, batch) for batch in batches]
    total = 0.0
    for layer in zip(*drawn, strict=True):
        sizes = torch.stack(layer).abs().double()
        deviation = sizes.std(0, correction=0)
        steadiness = (sizes.mean(0) / deviation)[deviation > 0].sum()
        if steadiness > 0:
            total += float(steadiness.log())
    return total
