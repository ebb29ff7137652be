"""A ledger's server that goes away under a driver for a while: the search waits, and everything is there once."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_estimators import numbered_candidate
from sqlalchemy import text
from sqlalchemy.engine import make_url
from tiny_search import Counting, Instant, good, numbered_problem, numbered_study

from naslab.errors import LedgerError, StudyError, UnreachedError
from naslab.execution import driven_study, lease_executor
from naslab.execution.events import Event, LedgerNoted
from naslab.execution.executor import EpochDone, Finished
from naslab.execution.lease_executor import LeaseExecutor
from naslab.execution.search import run_search
from naslab.ledger import Ledger, RunRecord, StudyRecord
from naslab.ledger.leases import Claim, answer, offered, take, withdraw
from naslab.study.outcome import Candidate, Estimate

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
from chaos_faults import Wire


@pytest.fixture(autouse=True)
def in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driven_study, "LOOK_SECONDS", 0.05)


@pytest.fixture
def wire(postgres_database: str) -> Iterator[Wire]:
    """The network to the server."""
    wire = Wire(make_url(postgres_database).port or 0)
    yield wire
    wire.close()


@pytest.fixture
def far(postgres_database: str, wire: Wire) -> Iterator[Ledger]:
    """A ledger on a server behind that network."""
    with Ledger.open(postgres_database) as near:
        near.create_study(StudyRecord(name="numbered", problem={}, strategy="counting", epochs=2, seed=0, trials=10))
    with Ledger.open(make_url(postgres_database).set(port=wire.port).render_as_string(hide_password=False)) as ledger:
        yield ledger


def search(ledger: Ledger, executor: Any, events: list[Event], trials: int = 10) -> None:
    run_search("numbered", ledger, Counting(), executor, numbered_problem(), 2, 7, trials, events.append)


def lines(events: list[Event]) -> list[str]:
    return [each.text for each in events if isinstance(each, LedgerNoted)]


def is_whole(ledger: Ledger, executor: Instant) -> bool:
    """Whether all is there, and each candidate was estimated once."""
    done = sorted(each.candidate.trial for each in ledger.outcomes("numbered"))
    return done == sorted(executor.submitted) == list(range(10)) and not ledger.in_flight("numbered")


@pytest.mark.slow
def test_a_server_that_is_gone_for_a_while_costs_no_candidate(far: Ledger, wire: Wire) -> None:
    def cut(candidate: Candidate) -> Estimate:
        if candidate.trial in (2, 5):
            wire.cut(1.0)
        return good(candidate)

    executor, events = Instant(answer=cut), list[Event]()
    search(far, executor, events)
    assert is_whole(far, executor)
    assert len(lines(events)) == 4
    assert all("cannot be reached" in each and "trying again for 5 minutes" in each for each in lines(events)[::2])
    assert all("answers again after" in each for each in lines(events)[1::2])
    assert not any("\n" in each or "correct-horse" in each for each in lines(events))


@pytest.mark.slow
def test_a_driver_whose_claim_another_took_meanwhile_ends(far: Ledger, wire: Wire, postgres_database: str) -> None:
    with Ledger.open(postgres_database) as near:
        other = near.claim("numbered")

        def cut(candidate: Candidate) -> Estimate:
            wire.cut(0.5)
            for _ in range(400):  # until the server has heard of it
                try:
                    other.__enter__()
                    break
                except StudyError:
                    threading.Event().wait(0.05)
            return good(candidate)

        with pytest.raises(StudyError, match="is being driven by"):
            search(far, Instant(answer=cut), [])
        other.__exit__(None, None, None)
        assert near.outcomes("numbered") == []


@pytest.mark.slow
def test_nothing_is_written_without_the_claim(far: Ledger, postgres_database: str) -> None:
    """A claim alone is lost: connections that are made later would work."""
    with Ledger.open(postgres_database) as near, far.claim("numbered"):
        killed = text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        with near._engine.connect() as connection:
            connection.execute(killed)
        for _ in range(2):
            with pytest.raises(UnreachedError):
                far.start("numbered", [numbered_candidate(0)])
        assert near.in_flight("numbered") == []


@pytest.mark.slow
def test_workers_have_time_to_be_heard_of_after_the_server_was_gone(far: Ledger, wire: Wire) -> None:
    """They could not be heard of either: their candidates are not estimated twice."""
    executor = LeaseExecutor(far, "numbered", 1, silent_seconds=1.9)
    wait = executor.wait
    claims: list[Claim] = []
    answered: list[bool] = []

    def waiting(timeout: float) -> list[Finished | EpochDone]:
        """The worker answers after the driver has seen how long nothing was heard of it."""
        if not claims:
            claim = take(far, ["numbered"], "w", "node")
            assert claim is not None
            claims.append(claim)
            wire.cut(2.0)
        found = wait(timeout)
        assert answered or not found, "it was taken for dead"
        if not answered:
            answered.append(answer(far, claims[0], "w", Estimate(measured={"accuracy": 50.0})))
        return found

    executor.wait = waiting  # type: ignore[method-assign]
    search(far, executor, [], trials=1)
    assert answered == [True]
    [outcome] = far.outcomes("numbered")
    assert (outcome.is_complete, outcome.estimate.notes) == (True, {})
    assert offered(far, "numbered") == []


@pytest.mark.parametrize("is_written", [True, False])
@pytest.mark.parametrize("method", ["start", "finish"])
def test_what_may_have_been_written_is_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, is_written: bool
) -> None:
    """A connection that is lost as it commits does not tell whether it was done."""
    write = getattr(Ledger, method)
    failures = [3]

    def lost(self: Ledger, *given: Any) -> None:
        failures[0] -= 1
        if is_written or failures[0]:
            write(self, *given)
        if not failures[0]:
            raise UnreachedError("ledger cannot be reached (gone): check that the server runs")

    monkeypatch.setattr(Ledger, method, lost)
    executor, events = Instant(), list[Event]()
    with numbered_study(tmp_path) as ledger:
        search(ledger, executor, events)
        assert is_whole(ledger, executor)
    assert len(lines(events)) == 2


def test_a_study_that_another_program_drove_meanwhile_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(self: Ledger, *_: object) -> None:
        self.add_run("numbered", RunRecord(command="naslab search", started=0.0))
        raise UnreachedError("gone")

    monkeypatch.setattr(Ledger, "finish", lost)
    with (
        numbered_study(tmp_path) as ledger,
        pytest.raises(StudyError, match=r"'numbered' was driven by another program while .*: run the same command"),
    ):
        search(ledger, Instant(), [])


def test_a_server_is_not_waited_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driven_study, "PATIENCE_SECONDS", 0.2)
    tries: list[int] = []

    def lost(*_: object) -> None:
        tries.append(1)
        raise UnreachedError("gone")

    monkeypatch.setattr(Ledger, "finish", lost)
    with numbered_study(tmp_path) as ledger, pytest.raises(UnreachedError, match="gone"):
        search(ledger, Instant(), [])
    assert len(tries) > 2


def test_a_full_disk_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise LedgerError("the disk is full")

    monkeypatch.setattr(Ledger, "finish", full)
    events: list[Event] = []
    with numbered_study(tmp_path) as ledger, pytest.raises(LedgerError, match="the disk is full"):
        search(ledger, Instant(), events)
    assert lines(events) == []


def test_answers_read_before_the_server_went_away_are_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Estimate(measured={"accuracy": 50.0})
    with numbered_study(tmp_path) as ledger:
        candidates = [numbered_candidate(trial) for trial in range(2)]
        ledger.start("numbered", candidates)
        executor = LeaseExecutor(ledger, "numbered", 2, silent_seconds=0.0)
        for each in candidates:
            executor.submit(each)
        claims = [take(ledger, ["numbered"], "w", "node") for _ in candidates]
        assert claims[0] is not None
        answer(ledger, claims[0], "w", told)
        own = withdraw
        away = [True, True]

        def untold(*given: Any) -> bool:
            """It is done, and is not told that it was."""
            done = own(*given)
            if away.pop():
                raise UnreachedError("gone")
            return done

        monkeypatch.setattr(lease_executor, "withdraw", untold)
        [first] = executor.wait(0.0)
        assert (first.candidate.trial, first.estimate) == (0, told)  # type: ignore[union-attr]
        [second] = executor.wait(0.0)
        assert second.candidate.trial == 1
        assert second.estimate.failure.reason == "worker_died"  # type: ignore[union-attr]
