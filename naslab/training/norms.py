"""Batch norm's running statistics in trainings of a few dozen steps."""

from __future__ import annotations

import math

from torch import nn

WINDOW = 0.1
"""The share of a training that running statistics average over, where their own momentum averages over more."""


class WarmNorms:
    """Running statistics of the last tenth of a training, if that is shorter than their momentum's own window.

    With a momentum of 0.1 a tenth of the statistics is still their starting value (mean 0, variance 1) after 22 steps,
    with EfficientNet's 0.01 after 230: a network trained for two epochs of the digits would be judged by statistics of
    weights that it no longer has.
    """

    def __init__(self, module: nn.Module, num_steps: int) -> None:
        norms = [each for each in module.modules() if isinstance(each, nn.BatchNorm2d)]
        self._norms = [(norm, norm.momentum) for norm in norms if norm.momentum is not None]
        self._window = max(1.0, num_steps * WINDOW)

    def before_step(self, step: int) -> None:
        """Set each momentum for `step` (from 0): 1 / (step + 1), then 1 / window, and never below its own.

        The window is a tenth of the training, in steps. To be called before every step, for a training that goes on
        from a checkpoint begins at any.
        """
        for norm, momentum in self._norms:
            norm.momentum = max(momentum, 1 / min(step + 1, self._window))

    @property
    def settled_at(self) -> int:
        """The step, from 0, from which no momentum changes: 9 with torch's own of 0.1, unless the window is shorter."""
        if not self._norms:
            return 0
        longest = max(1 / momentum if momentum else math.inf for _, momentum in self._norms)
        return math.ceil(min(self._window, longest)) - 1

    def restore(self) -> None:
        """Give each norm its own momentum back."""
        for norm, momentum in self._norms:
            norm.momentum = momentum
