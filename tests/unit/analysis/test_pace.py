"""The time left of a search: its mean, and an interval that holds as often as it says."""

from __future__ import annotations

import math
from heapq import heappop, heappush

import numpy as np
import pytest

from naslab.analysis.pace import TimeLeft, pace


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


def errors_of_time_left(
    slots: int, spread: float, seed: int, start: float = 6.0, trials: int = 40, failing: float = 0.0
) -> list[float]:
    """By how much the time left is off after each end of a run, as a share of what it really was.

    Of the trials a share is `failing`, after a hundredth of a second.
    """
    rng = np.random.default_rng(seed)
    lasts = 5.0 * np.exp(spread * rng.standard_normal(trials))
    lasts[rng.random(trials) < failing] = 0.01
    left, queue, told = TimeLeft(), [], []
    for trial in range(slots):
        left.started(trial, 0.0)
        left.taken(trial, start)
        heappush(queue, (start + float(lasts[trial]), trial))
    for number in range(1, trials + 1):
        now, ended = heappop(queue)
        left.finished(ended, now)
        following = number + slots - 1
        if following < trials:
            left.started(following, now + 0.05)
            heappush(queue, (now + 0.05 + float(lasts[following]), following))
        told.append((now, left.seconds(trials - number, now)))
    end = told[-1][0]
    return [abs(seconds / (end - now) - 1) for now, seconds in told if now < end]


@pytest.mark.parametrize("slots", [1, 2, 4, 8])
def test_the_time_left_is_right_within_a_third_after_the_first_tenth(slots: int) -> None:
    """Of 30 runs of 40 trials whose times spread by a fifth; less than nine tenths of the moments come by no chance."""
    errors = np.array([errors_of_time_left(slots, 0.2, seed)[3:] for seed in range(30)])
    assert (errors[:, 0] <= 1 / 3).mean() >= 0.9
    assert (errors[:, :-slots] <= 1 / 3).mean() > 0.97, "the last ends are told by single trials"


@pytest.mark.parametrize(("slots", "trials"), [(1, 40), (2, 40), (4, 40), (8, 40), (8, 100)])
def test_it_is_mostly_right_where_times_spread_by_two_fifths(slots: int, trials: int) -> None:
    """After 4 ends of 8 slots nothing but quick trials have ended; told from them alone half of the runs are right."""
    first = [errors_of_time_left(slots, 0.4, seed, trials=trials)[trials // 10 - 1] for seed in range(40)]
    assert (np.array(first) <= 1 / 3).mean() >= 0.75


@pytest.mark.parametrize("failing", [0.1, 0.3])
def test_trials_that_fail_at_once_do_not_put_it_off(failing: float) -> None:
    """A log-normal through both kinds would tell hundreds of times too much."""
    errors = np.array([errors_of_time_left(8, 0.2, seed, trials=100, failing=failing)[9:] for seed in range(20)])
    assert (errors[:, :-8] <= 1 / 3).mean() > 0.9


def test_the_time_left_is_nearly_exact_where_all_trials_take_as_long() -> None:
    assert max(errors_of_time_left(4, 0.0, 0)[3:]) < 0.15


def test_ten_thousand_slots_are_told_as_eight_are() -> None:
    few, many = TimeLeft(), TimeLeft()
    for left, slots in ((few, 8), (many, 10_000)):
        for trial in range(slots):
            left.started(trial, 0.0)
            left.taken(trial, 0.0)
        for trial in range(slots // 2):
            left.finished(trial, 10.0 + 5.0 * trial / slots)
    assert many.seconds(20_000, 15.0) == pytest.approx(few.seconds(16, 15.0), rel=0.15)


def test_nothing_is_known_before_the_first_end() -> None:
    left = TimeLeft()
    left.started(0, 0.0)
    assert math.isnan(left.seconds(10, 5.0))


def test_what_was_not_trained_lengthens_the_next_one() -> None:
    left = TimeLeft()
    left.started(0, 0.0)
    left.finished(0, 4.0, is_counted=False)
    left.started(1, 4.0)
    left.finished(1, 10.0)
    assert left.seconds(3, 10.0) == pytest.approx(30.0, rel=0.1)
