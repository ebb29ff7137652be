"""Exponential moving averages of a network's weights and running statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from naslab.training.recipe import Recipe


def make_average(module: nn.Module, recipe: Recipe) -> AveragedModel | None:
    """The averaged copy of a module that a recipe asks for, if it does."""
    if recipe.ema_decay is None:
        return None
    return AveragedModel(module, multi_avg_fn=_ema(recipe.ema_decay, recipe.ema_warmup), use_buffers=True)


def _ema(decay: float, has_warmup: bool) -> Callable[[Any, Any, Any], None]:
    """Torch's moving average; with warm-up its decay is at first that of a short window."""
    if not has_warmup:
        constant: Callable[[Any, Any, Any], None] = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        return constant

    def average(averaged: Any, current: Any, num_averaged: Any) -> None:
        get_ema_multi_avg_fn(warm_decay(decay, int(num_averaged)))(averaged, current, num_averaged)  # type: ignore[no-untyped-call]

    return average


def warm_decay(decay: float, num_updates: int) -> float:
    """The decay after `num_updates`: at most (1 + t) / (10 + t), as TensorFlow's averages with `num_updates` have it.

    >>> [round(warm_decay(0.9999, count), 3) for count in (1, 10, 1000000)]
    [0.182, 0.55, 1.0]
    """
    return min(decay, (1 + num_updates) / (10 + num_updates))
