"""Cluster: simulated workers on a virtual clock: how many, how long trainings take, and how often they fail."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np

from naslab.arch.block import require


class Fate(NamedTuple):
    """How one training goes: its virtual `seconds`, and whether it fails at their end."""

    seconds: float
    has_failed: bool


class Cluster(msgspec.Struct, frozen=True):
    """`workers` that train networks for `mean_seconds` on average, in proportion to the table's durations.

    `duration_spread` is the standard deviation of the logarithm of a duration. A share `straggler_rate` of trainings
    takes `straggler_factor` times as long; a share `failure_rate` fails, at a moment anywhere in its duration. `noise`
    is the standard deviation added to every loss that is not known before training. Raises `SpecError` for values out
    of range.

    >>> Cluster(workers=100, failure_rate=0.05).failure_rate
    0.05
    """

    workers: int = 1
    mean_seconds: float = 60.0
    duration_spread: float = 0.3
    straggler_rate: float = 0.0
    straggler_factor: float = 10.0
    failure_rate: float = 0.0
    noise: float = 0.0

    def __post_init__(self) -> None:
        require(self.workers >= 1, "workers", f"must be at least 1, got {self.workers}")
        require(0 < self.mean_seconds < np.inf, "mean_seconds", f"must be above 0, got {self.mean_seconds}")
        for name in ("straggler_rate", "failure_rate"):
            rate = getattr(self, name)
            require(0 <= rate < 1, name, f"must be a share from 0 to below 1, got {rate}")
        for name in ("duration_spread", "noise"):
            require(0 <= getattr(self, name) < np.inf, name, f"must be at least 0, got {getattr(self, name)}")
        require(self.straggler_factor >= 1, "straggler_factor", f"must be at least 1, got {self.straggler_factor}")

    def fate(self, duration: float, rng: np.random.Generator) -> Fate:
        """How a training goes whose `duration` is that many times the mean."""
        spread = self.duration_spread
        seconds = self.mean_seconds * duration * float(rng.lognormal(-(spread**2) / 2, spread))  # of mean 1
        is_straggler, has_failed = rng.random(2) < (self.straggler_rate, self.failure_rate)
        if is_straggler:
            seconds *= self.straggler_factor
        if has_failed:
            seconds *= float(rng.random())
        return Fate(seconds, bool(has_failed))
