"""How fast a core works at a moment: what a product of matrices takes, beside what it takes at best.

A core of a rented machine is at times half as fast again as at others, for seconds, while the share of time that it
works for this process tells nothing of it. As the product takes a third longer a small network takes up to 1.45 times
as long and a large one 1.2 times (two cores of an AMD EPYC, six networks of `mixed_cifar`), so dividing by the pace
does not mend a time; passes at a good pace alone are counted.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import numpy as np

SIDE, PRODUCTS = 96, 6
"""The product is small enough to leave most of the caches to the network."""
MOST_SLOWDOWN = 1.1
"""Of the best pace: passes beside a slower one are left out."""
LEAST_PASSES = 12
"""Passes at a good pace that a latency is told of."""
QUICKEST = 5
"""The percentile of passes that is their latency: what slows one down cannot be seen in all of them."""
_MATRIX = np.linspace(-1, 1, SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE)


def pace_ms() -> float:
    """The milliseconds of the core that a product of matrices takes now."""
    _MATRIX @ _MATRIX
    began = time.thread_time()
    for _ in range(PRODUCTS):
        _MATRIX @ _MATRIX
    return (time.thread_time() - began) * 1e3


class BestPace:
    """The least milliseconds that the product was seen to take, `least_ms`; infinite where it was not seen.

    >>> best = BestPace(0.2)
    >>> best.see([0.3, 0.1])
    >>> best.least_ms
    0.1
    """

    def __init__(self, least_ms: float | None = None) -> None:
        self.least_ms = float("inf") if least_ms is None else least_ms

    def see(self, paces_ms: Iterable[float]) -> None:
        """Take up the paces of more passes."""
        self.least_ms = min([self.least_ms, *paces_ms])


class PacedPasses:
    """The passes of a network, and the pace of the core beside each.

    >>> passes = PacedPasses()
    >>> passes.add([5.0, 7.0, 6.0] * 5, [0.1, 0.2, 0.1] * 5)
    >>> passes.latency_ms(BestPace(0.1)), passes.lacks(BestPace(0.1))
    (5.0, True)
    """

    def __init__(self) -> None:
        self._passes: list[tuple[float, float]] = []

    def add(self, times_ms: Iterable[float], paces_ms: Iterable[float]) -> None:
        """Take up more passes: their milliseconds, and the pace of the core beside each."""
        self._passes += zip(paces_ms, times_ms, strict=True)

    def lacks(self, best: BestPace) -> bool:
        """Whether too few of them were measured near the `best` pace."""
        return len(self._good(best)) < LEAST_PASSES

    def latency_ms(self, best: BestPace) -> float:
        """The 5th percentile of those near the `best` pace, of all of them where these are too few."""
        counted = self._passes if self.lacks(best) else self._good(best)
        return float(np.percentile([time for _, time in counted], QUICKEST))

    def _good(self, best: BestPace) -> list[tuple[float, float]]:
        return [each for each in self._passes if each[0] <= MOST_SLOWDOWN * best.least_ms]
