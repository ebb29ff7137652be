"""The time left of a search: its mean, and an interval that holds as often as it says."""

from __future__ import annotations

import math

import numpy as np

from naslab.analysis.pace import pace


def test_equal_intervals_leave_no_doubt() -> None:
    found = pace([5.0 * place for place in range(30)], 12)
    assert (found.per_hour, found.seconds_left, found.low, found.high) == (720.0, 60.0, 60.0, 60.0)


def test_too_few_trials_tell_nothing() -> None:
    assert math.isnan(pace([1.0, 2.0, 3.0], 5).seconds_left)
    assert math.isnan(pace([0.0] * 9, 5).per_hour)


def test_the_interval_holds_about_as_often_as_it_says() -> None:
    """Of 400 searches with gaps of a gamma distribution; less than 0.9 comes by chance once in a million runs."""
    source = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        gaps = source.gamma(4.0, 2.0, size=70)
        found = pace(np.cumsum(gaps[:50]).tolist(), 20)
        held += found.low <= float(gaps[50:].sum()) <= found.high
    assert held / 400 > 0.9
