"""Batch norm's running statistics in trainings of a few dozen steps."""

from __future__ import annotations

from torch import nn


class WarmNorms:
    """Makes running statistics the plain average of the first batches, and only then the exponential one.

    With a momentum of 0.1 a tenth of the statistics is still their starting value (mean 0, variance 1) after 22 steps,
    with EfficientNet's 0.01 after 230: a network trained for that long would be judged by statistics of nothing.
    """

    def __init__(self, module: nn.Module) -> None:
        norms = [each for each in module.modules() if isinstance(each, nn.BatchNorm2d)]
        self._norms = [(norm, norm.momentum) for norm in norms if norm.momentum is not None]
        self._last_step = max((round(1 / momentum) for _, momentum in self._norms if momentum > 0), default=-1)

    def before_step(self, step: int) -> None:
        """Set each momentum to 1 / (step + 1) or its own, whichever is larger; `step` counts from 0."""
        if step > self._last_step:
            return
        for norm, momentum in self._norms:
            norm.momentum = max(momentum, 1 / (step + 1))
