"""Warps: results on the scale on which a Gaussian process explains them best, as they are or as logarithms of an error.

Accuracies of short trainings crowd near the best and trail off towards collapsed networks. The logarithm of the
distance to a value a little beyond the best draws the tail in and the top apart; how far beyond is chosen by evidence.

| symbol | name in code | what it is |
|---|---|---|
| y | `losses` | standardised losses, to be small |
| r | `room` | how far beyond the best loss the logarithm's origin lies, in deviations; infinite: y stays as it is |
| a | `Warp.origin` | min y - r, where an error is 0; minus infinity where y stays as it is |
| c, s | `Warp.centre`, `Warp.spread` | mean and deviation of log(y - a) |
| z | | (log(y - a) - c) / s, of mean 0 and deviation 1, what the process sees |
| dz/dy | | 1 / (s (y - a)); the sum of its logarithms makes evidences of different warps comparable |
| EI | `Warp.improvement` | E max(0, k - y) where z is normal, of mean e and deviation t: with K = k - a, m = c + s e, |
| | | v = s t and d = (log K - m) / v, it is K Phi(d) - exp(m + v^2 / 2) Phi(d - v) (Black and Scholes 1973) |

>>> warp = Warp.of(1.0, np.array([0.0, 1.0, 7.0]))
>>> warp.origin, warp.back(warp.to(np.array([0.0, 1.0, 7.0]))).round(6).tolist()
(-1.0, [0.0, 1.0, 7.0])
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from naslab.strategies.acquisition import expected_improvement

Vector = NDArray[np.float64]

ROOMS = (math.inf, 4.0, 2.0)
"""The rooms among which evidence chooses, the plain scale first. Less would put what may yet be found out of reach."""
FIRST_ROOM = 4.0
"""A kernel is fitted on this scale, and judges all the others."""
LEAST_ERROR = 1e-9
MOST_WIDTH = 10.0
"""Deviations of logarithms beyond this know nothing anyway, and their exponentials would overflow."""


class Scale(NamedTuple):
    """Brings the losses of one objective to a centre of 0 and a spread of 1."""

    centre: float
    spread: float

    @classmethod
    def of(cls, losses: NDArray[np.float64], doubts: NDArray[np.float64] | float = 0.0) -> Scale:
        """The scale of `losses` of shape (n,): their mean, and their standard deviation (1 where all are equal).

        Where they are expectations, `doubts` are the variances of what they may be instead, (n,) or one for all.
        """
        spread = float(np.sqrt(losses.var() + np.mean(doubts)))
        return cls(float(losses.mean()), spread if spread > 0 else 1.0)

    def to(self, losses: NDArray[np.float64]) -> NDArray[np.float64]:
        """`losses` in this scale, of the same shape."""
        return (losses - self.centre) / self.spread


class Warp(NamedTuple):
    """A monotone change of scale: of `origin`, `centre` and `spread` as the head of this file says."""

    origin: float = -math.inf
    centre: float = 0.0
    spread: float = 1.0

    @classmethod
    def of(cls, room: float, losses: Vector) -> Warp:
        """The warp of a `room` for standardised `losses`, shape (n,); the plain scale for an infinite one."""
        if not math.isfinite(room):
            return cls()
        origin = float(losses.min()) - room
        errors = np.log(losses - origin)
        spread = float(errors.std())
        return cls(origin, float(errors.mean()), spread if spread > 0 else 1.0)

    @property
    def is_plain(self) -> bool:
        """Whether nothing changes."""
        return not math.isfinite(self.origin)

    def to(self, losses: Vector) -> Vector:
        """`losses` on this scale, of the same shape; what lies beyond the origin as the least error."""
        if self.is_plain:
            return losses
        return np.asarray((np.log(np.maximum(losses - self.origin, LEAST_ERROR)) - self.centre) / self.spread)

    def back(self, warped: Vector) -> Vector:
        """The losses that `warped` ones stand for, of the same shape."""
        return warped if self.is_plain else np.asarray(self.origin + np.exp(self.centre + self.spread * warped))

    def log_slope(self, losses: Vector) -> float:
        """The sum of log dz/dy over `losses` of shape (n,)."""
        if self.is_plain:
            return 0.0
        return -float(np.log(losses - self.origin).sum()) - len(losses) * math.log(self.spread)

    def slopes(self, losses: Vector) -> Vector:
        """dz/dy at each of the `losses`, of the same shape."""
        if self.is_plain:
            return np.ones_like(losses)
        return np.asarray(1.0 / (self.spread * np.maximum(losses - self.origin, LEAST_ERROR)))

    def improvement(self, mean: Vector, deviation: Vector, best: Vector) -> Vector:
        """E max(0, `best` - loss) in units of the losses, for normal losses on this scale.

        `mean` and `deviation` are those on this scale, `best` is not; they broadcast, and the result has their shape.
        """
        if self.is_plain:
            return expected_improvement(mean, deviation, best)
        middle = self.centre + self.spread * mean
        width = np.clip(self.spread * deviation, LEAST_ERROR, MOST_WIDTH)
        error = np.maximum(np.asarray(best - self.origin), LEAST_ERROR)
        depth = (np.log(error) - middle) / width
        gain = error * ndtr(depth) - np.exp(middle + 0.5 * width**2) * ndtr(depth - width)
        return np.asarray(np.maximum(gain, 0.0))
