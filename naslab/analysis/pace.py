"""How fast a search goes, and how long the rest may take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, stdev

import msgspec

MOST_INTERVALS = 50
"""Times between two finished trials that a pace is told from, the last ones."""
WIDTH = 1.96
"""Standard deviations on either side, for an interval that holds about 95 %."""


class Pace(msgspec.Struct, frozen=True):
    """Trials an hour, and the seconds left with about 95 % between `low` and `high`; NaN where nothing tells them."""

    per_hour: float
    seconds_left: float
    low: float
    high: float


def pace(search_seconds: Sequence[float], num_left: int) -> Pace:
    """The pace of a search from the seconds of searching until each finished trial, with `num_left` more to come.

    What is left is `num_left` times the mean interval; its spread is that of a sum of as many, and the standard error
    of the mean.

    >>> pace([0.0, 10.0, 20.0, 30.0], 6)
    Pace(per_hour=360.0, seconds_left=60.0, low=60.0, high=60.0)
    """
    last = list(search_seconds)[-MOST_INTERVALS - 1 :]
    gaps = [later - earlier for earlier, later in pairwise(last)]
    if len(gaps) < 3 or sum(gaps) <= 0:
        return Pace(math.nan, math.nan, math.nan, math.nan)
    mean, spread = fmean(gaps), stdev(gaps)
    left = num_left * mean
    reach = WIDTH * spread * math.sqrt(num_left + num_left**2 / len(gaps))
    return Pace(3600 / mean, left, max(0.0, left - reach), left + reach)
