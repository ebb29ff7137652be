"""Exponential moving averages of a network's weights and running statistics."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import chain

import torch
from torch import Tensor, nn

from naslab.study.recipe import Recipe


class WeightAverage(nn.Module):
    """An averaged copy of a network: `module`, with the number of updates so far in `n_averaged`.

    Each update makes it `decay` times itself plus 1 - `decay` times the network; `has_warmup` keeps the decay low at
    first (`warm_decay`). The first update takes the network as it is.

    The names in its state are those of torch's `AveragedModel`. That one asks its device for the number of updates in
    every step; here the host counts, and the share that the next update takes of the network is a tensor.
    """

    n_averaged: Tensor
    share: Tensor

    def __init__(self, network: nn.Module, decay: float, has_warmup: bool) -> None:
        super().__init__()
        self.module = copy.deepcopy(network)
        self._decay = decay
        self._has_warmup = has_warmup
        self.register_buffer("n_averaged", torch.tensor(0))
        device = next(network.parameters()).device
        self.register_buffer("share", torch.ones((), device=device), persistent=False)

    def before_update(self) -> None:
        """Count an update and set its share: the first takes all of the network, later ones 1 - decay."""
        count = int(self.n_averaged)
        decay = warm_decay(self._decay, count) if self._has_warmup else self._decay
        self.share.fill_(1 - decay if count else 1.0)
        self.n_averaged += 1

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Average in a network's weights and running statistics by the share of this update; copy its integers."""
        averages, currents = [], []
        for averaged, current in zip(_tensors(self.module), _tensors(network), strict=True):
            if averaged.is_floating_point():
                averages.append(averaged)
                currents.append(current)
            else:
                averaged.copy_(current)
        differences = torch._foreach_sub(currents, averages)
        torch._foreach_mul_(differences, self.share)
        torch._foreach_add_(averages, differences)


def _tensors(network: nn.Module) -> Iterator[Tensor]:
    return chain(network.parameters(), network.buffers())


def make_average(module: nn.Module, recipe: Recipe) -> WeightAverage | None:
    """A copy of `module` to average by `recipe.ema_decay` and `ema_warmup`; `None` for a recipe that does not."""
    return None if recipe.ema_decay is None else WeightAverage(module, recipe.ema_decay, recipe.ema_warmup)


def warm_decay(decay: float, num_updates: int) -> float:
    """The decay after `num_updates`: at most (1 + t) / (10 + t), as TensorFlow's averages with `num_updates` have it.

    >>> [round(warm_decay(0.9999, count), 3) for count in (1, 10, 1000000)]
    [0.182, 0.55, 1.0]
    """
    return min(decay, (1 + num_updates) / (10 + num_updates))
