"""Uneven noise: measurements that say how sure they are, on the scale on which a Gaussian process sees them.

A mean of three trainings is surer than one training, a latency of quiet timings than one of restless ones. Only how
they compare is taken from what they say. The noise of all is learned: trainings differ by more than the images that a
standard error counts, and networks that are judged by the same images by less.

| symbol | name in code | what it is |
|---|---|---|
| y, e | `losses`, `spreads` | losses, and how uncertain each is: a standard error, or an interquartile range |
| u | | e dz/dy, how uncertain it is where the process sees it (`naslab.strategies.warping`) |
| m | `UnevenNoise.typical` | the root of the mean of u^2 over those that say it |
| r | `UnevenNoise.shares` | (u / m)^2 between a tenth and ten, 1 for those that say nothing |

>>> losses, spreads = np.array([7.0, 8.0, 9.0, 8.0]), np.array([0.1, 0.1, 0.3, np.nan])
>>> UnevenNoise.of(math.inf, losses, spreads).shares(losses, spreads).round(3).tolist()
[0.273, 0.273, 2.455, 1.0]
"""

from __future__ import annotations

import math
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from naslab.strategies.warping import Scale, Warp

Vector = NDArray[np.float64]

LEAST_SHARE, MOST_SHARE = 0.1, 10.0
"""No measurement is trusted more or less than by these multiples of the noise of all: spreads are estimates, too."""
LEAST_TOLD = 0.5
"""The share of the measurements that must say how sure they are."""


class UnevenNoise(NamedTuple):
    """How sure measurements are beside each other where `scale` and `warp` bring them; `typical` makes a share of 1."""

    scale: Scale
    warp: Warp
    typical: float = 1.0

    @classmethod
    def of(cls, room: float, losses: Vector, spreads: Vector) -> Self | None:
        """Of `losses` and their `spreads`, both of shape (n,), NaN where not known, on a warp of this `room`.

        `None` where less than half of them are known, or all are equally sure.
        """
        scale = Scale.of(losses)
        found = cls(scale, Warp.of(room, scale.to(losses)))
        width = found._widths(losses, spreads)
        is_known = np.isfinite(width)
        if is_known.sum() < max(2.0, LEAST_TOLD * len(losses)) or np.ptp(width[is_known]) == 0.0:
            return None
        return found._replace(typical=math.sqrt(float(np.mean(width[is_known] ** 2))))

    def shares(self, losses: Vector, spreads: Vector) -> Vector:
        """How many times the noise of all each measurement has: shape (n,), as have `losses` and their `spreads`."""
        shares = np.clip((self._widths(losses, spreads) / self.typical) ** 2, LEAST_SHARE, MOST_SHARE)
        return np.where(np.isnan(shares), 1.0, shares)

    def _widths(self, losses: Vector, spreads: Vector) -> Vector:
        known = np.where((spreads > 0) & np.isfinite(spreads), spreads, np.nan)
        return np.asarray(known / self.scale.spread * self.warp.slopes(self.scale.to(losses)))


def shares_of(noise: UnevenNoise | None, losses: Vector, spreads: Vector) -> Vector:
    """The shares by `noise` of measurements, 1 where it is `None`: shape (n,), as have `losses` and their `spreads`."""
    return np.ones(len(losses)) if noise is None else noise.shares(losses, spreads)
