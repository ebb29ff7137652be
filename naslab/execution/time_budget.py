"""Searches that end by time: how long a study was searched so far, and a source that starts nothing when time is up."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from naslab.arch.block import require
from naslab.execution.events import Observer, TimeIsUp, ignore
from naslab.execution.source import CandidateSource, WrappedSource
from naslab.ledger.record import RunRecord
from naslab.study.finished import FinishedTrials
from naslab.study.outcome import Candidate, Outcome


def require_hours(hours: float | None, is_deterministic: bool) -> None:
    """Raise `SpecError` unless a study, `is_deterministic` or not, can end after so many `hours`; `None` is no end."""
    if hours is None:
        return
    require(0 < hours < math.inf, "hours", f"must be above 0, got {hours:g}")
    rule = "ends a study by a clock, so that it is not the same each time: leave hours or deterministic out"
    require(not is_deterministic, "hours", rule)


def searched_seconds(runs: Sequence[RunRecord], outcomes: Sequence[Outcome], scored: Sequence[float] = ()) -> float:
    """How long a study was searched in `runs`, in order, all of them over: each up to the last outcome that it brought.

    `outcomes` are the study's, `scored` the moments at which its prior scored networks, shape (scores,), which are
    outcomes in this, too. What was in flight when a run was killed is trained again, so that the time after the
    last outcome is not counted twice.

    >>> searched_seconds([RunRecord(command="", started=5.0)], [])
    0.0
    """
    finished = np.sort(np.append(FinishedTrials.of(outcomes).finished, scored))
    edges = [*(each.started for each in runs), float("inf")]
    spent = 0.0
    for start, end in pairwise(edges):
        first, last = np.searchsorted(finished, [start, end])
        spent += float(finished[last - 1]) - start if last > first else 0.0
    return spent


def within_hours(
    source: CandidateSource,
    hours: float | None,
    runs: Sequence[RunRecord],
    outcomes: Sequence[Outcome],
    on_event: Observer = ignore,
    scored: Sequence[float] = (),
) -> CandidateSource:
    """`source` until its study was searched for `hours` over all of its `runs`, the last of which begins now.

    `outcomes` are those of the runs before, `scored` the moments at which the prior scored networks; `on_event` is told
    when time is up. The source as it is without `hours`.
    """
    if hours is None:
        return source
    left = 3600 * hours - searched_seconds(runs[:-1], outcomes, scored)
    return TimedSource(source, left, runs[-1].started, lambda: on_event(TimeIsUp(hours)))


class TimedSource(WrappedSource):
    """The candidates of `source` until `seconds` from `started` on; then nothing new, and what is in flight ends.

    Candidates that an earlier run left in flight are trained all the same: they were started in time. `clock` tells the
    seconds since the epoch; `on_over` is called once, when a candidate is asked for too late.
    """

    def __init__(
        self,
        source: CandidateSource,
        seconds: float,
        started: float,
        on_over: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(source)
        self._end = started + seconds
        self._clock = clock
        self._on_over = on_over
        self._is_over = False

    def propose(self, count: int, first_trial: int) -> list[Candidate]:
        if self._clock() < self._end:
            return self._source.propose(count, first_trial)
        if not self._is_over and count > 0:
            self._is_over = True
            self._on_over()
        return []
