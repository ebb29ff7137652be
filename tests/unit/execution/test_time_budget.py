"""Searches that end by time: what counts as searched, what is started, and what a resumed study has left."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tiny_search import Counting, Instant, good, numbered_problem, numbered_study

from naslab.errors import SpecError
from naslab.execution.events import Event, TimeIsUp
from naslab.execution.search import run_candidates
from naslab.execution.source import StrategySource
from naslab.execution.time_budget import TimedSource, require_hours, searched_seconds, within_hours
from naslab.ledger import Ledger
from naslab.ledger.record import RunRecord
from naslab.study.outcome import Candidate, Estimate, Fidelity, Outcome


class Clock:
    """Seconds that pass when an estimate is made: ten each."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def answer(self, candidate: Candidate) -> Estimate:
        self.now += 10.0
        return good(candidate)


def timed_search(ledger: Ledger, clock: Clock, seconds: float, trials: int = 100) -> list[bool]:
    """Search for so many seconds from now on by two slots; each time that it was told that time is up."""
    told: list[bool] = []
    source = StrategySource(Counting(), numbered_problem(), Fidelity(epochs=2), 7, trials)
    timed = TimedSource(source, seconds, clock.now, lambda: told.append(True), lambda: clock.now)
    run_candidates("numbered", ledger, Instant(answer=clock.answer), timed)
    return told


def finished_at(ledger: Ledger, *moments: float) -> list[Outcome]:
    outcomes = ledger.outcomes("numbered")[: len(moments)]
    return [msgspec.structs.replace(each, finished=at) for each, at in zip(outcomes, moments, strict=True)]


def test_nothing_new_is_started_when_time_is_up_and_what_is_in_flight_ends(tmp_path: Path) -> None:
    with numbered_study(tmp_path) as ledger:
        assert timed_search(ledger, Clock(), 35.0) == [True]
        assert len(ledger.outcomes("numbered")) == 5  # two at 0, one more at 10, 20 and 30
        assert ledger.in_flight("numbered") == []


def test_trials_may_end_it_before(tmp_path: Path) -> None:
    with numbered_study(tmp_path) as ledger:
        assert timed_search(ledger, Clock(), 1e6, trials=4) == []
        assert len(ledger.outcomes("numbered")) == 4


def test_a_study_whose_time_is_over_starts_nothing(tmp_path: Path) -> None:
    with numbered_study(tmp_path) as ledger:
        assert timed_search(ledger, Clock(), -1.0) == [True]
        assert ledger.outcomes("numbered") == []


def test_each_run_counts_up_to_its_last_outcome(tmp_path: Path) -> None:
    with numbered_study(tmp_path) as ledger:
        timed_search(ledger, Clock(), 25.0)
        outcomes = finished_at(ledger, 130.0, 110.0, 510.0)
    runs = [RunRecord(command="", started=at) for at in (100.0, 300.0, 500.0)]
    assert searched_seconds(runs, outcomes) == 30.0 + 0.0 + 10.0
    assert searched_seconds(runs[:1], outcomes[:2]) == 30.0
    assert searched_seconds(runs, outcomes, [105.0, 307.0]) == 30.0 + 7.0 + 10.0


def test_a_resumed_study_has_the_rest_of_its_hours(tmp_path: Path) -> None:
    """Of 0.01 hours, 36 seconds, an earlier run used 30; the run of now began 5 or 7 seconds ago."""
    heard: list[Event] = []
    with numbered_study(tmp_path) as ledger:
        timed_search(ledger, Clock(), 25.0)
        before = finished_at(ledger, 130.0, 110.0)
    source = StrategySource(Counting(), numbered_problem(), Fidelity(epochs=2), 7, 100)
    runs = [RunRecord(command="", started=at) for at in (100.0, 900.0)]
    timed = within_hours(source, 0.01, runs, before, heard.append)
    assert isinstance(timed, TimedSource)
    timed._clock = lambda: 905.0
    assert len(timed.propose(2, 0)) == 2
    timed._clock = lambda: 907.0
    assert timed.propose(2, 2) == []
    assert timed.propose(2, 2) == []
    assert heard == [TimeIsUp(0.01)]
    assert within_hours(source, None, runs, before) is source


@pytest.mark.parametrize("hours", [0.0, -1.0, float("inf"), float("nan")])
def test_hours_that_are_no_time(hours: float) -> None:
    with pytest.raises(SpecError, match="hours: must be above 0"):
        require_hours(hours, is_deterministic=False)


def test_a_deterministic_study_does_not_end_by_a_clock() -> None:
    with pytest.raises(SpecError, match="leave hours or deterministic out"):
        require_hours(1.0, is_deterministic=True)
    require_hours(None, is_deterministic=True)
