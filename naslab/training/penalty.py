"""L1 and L2 penalties of the weights, as their gradients."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn


def add_penalty(weights: Iterable[nn.Parameter], l1: float, l2: float) -> None:
    """Add the gradient of `l1 * sum |w| + l2 / 2 * sum w^2` to that of each weight; the loss itself stays as it is.

    Both together are the elastic net (Zou and Hastie 2005); an `l2` is what SGD calls weight decay.

    >>> weight = nn.Parameter(torch.tensor([2.0, -1.0]))
    >>> weight.grad = torch.zeros(2)
    >>> add_penalty([weight], l1=0.5, l2=0.25)
    >>> weight.grad
    tensor([ 1.0000, -0.7500])
    """
    with torch.no_grad():
        for weight in weights:
            if weight.grad is None:
                continue
            if l2:
                weight.grad.add_(weight, alpha=l2)
            if l1:
                weight.grad.add_(weight.sign(), alpha=l1)
