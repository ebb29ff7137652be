"""Trials that workers take from a ledger: each once, theirs while they are heard of, answered once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger_examples import example_candidate, example_outcome, example_study
from postgres import BACKENDS
from sqlalchemy import update
from stopped_clock import StoppedClock

from naslab.errors import UnknownNameError
from naslab.execution import lease_executor
from naslab.execution.events import Event, TrialFinished, TrialRetried
from naslab.execution.executor import Finished
from naslab.execution.lease_executor import LeaseExecutor
from naslab.execution.search import run_candidates
from naslab.execution.source import ListSource
from naslab.ledger import Ledger
from naslab.ledger.leases import Claim, answer, beat, give_back, offer, offered, report, take, withdraw
from naslab.ledger.tables import leases
from naslab.study.outcome import EpochRecord, Estimate

GOOD = Estimate(measured={"accuracy": 91.5}, worker="w")


@pytest.fixture(params=BACKENDS)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    is_file = request.param == "sqlite"
    place = str(tmp_path / "studies.db") if is_file else request.getfixturevalue("postgres_database")
    with Ledger.open(place) as opened:
        opened.create_study(example_study())
        yield opened


def offer_trials(ledger: Ledger, count: int) -> None:
    ledger.start("digits", [example_candidate(trial) for trial in range(count)])
    for trial in range(count):
        offer(ledger, "digits", trial, 1)


def silence(ledger: Ledger, seconds: float = 1000.0) -> None:
    """Let it be long since anything was heard of a worker."""
    with ledger._writing() as connection:
        connection.execute(update(leases).values(heartbeat=leases.c.heartbeat - seconds))


def taken(ledger: Ledger, worker: str = "w") -> Claim:
    found = take(ledger, ["digits"], worker, "node-1")
    assert found is not None
    return found


def test_many_workers_take_each_trial_once(ledger: Ledger) -> None:
    offer_trials(ledger, 24)
    found: list[int] = []

    def work(name: str) -> None:
        while (claim := take(ledger, ["digits"], name, "node")) is not None:
            found.append(claim.candidate.trial)
            assert answer(ledger, claim, name, GOOD)

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(24))
    assert [each.estimate for each in offered(ledger, "digits")] == [GOOD] * 24


def test_what_is_taken_is_the_candidate_and_is_kept_by_heartbeats(ledger: Ledger) -> None:
    offer_trials(ledger, 1)
    offer(ledger, "digits", 0, 2)
    claim = taken(ledger)
    assert claim == Claim("digits", example_candidate(0), 1)
    assert take(ledger, ["digits"], "other", "node-2") is None
    silence(ledger)
    [lease] = offered(ledger, "digits")
    assert lease.node == "node-1"
    assert 999 < lease.silent_seconds < 1060
    assert beat(ledger, claim, "w")
    assert offered(ledger, "digits")[0].silent_seconds < 60
    assert not beat(ledger, claim, "other")


def test_a_second_answer_and_one_of_another_worker_are_not_taken(ledger: Ledger) -> None:
    offer_trials(ledger, 1)
    claim = taken(ledger)
    assert not answer(ledger, claim, "other", GOOD)
    assert answer(ledger, claim, "w", GOOD)
    assert not answer(ledger, claim, "w", Estimate(measured={"accuracy": 1.0}))
    assert offered(ledger, "digits")[0].estimate == GOOD
    ledger.finish("digits", example_outcome(claim.candidate))
    assert offered(ledger, "digits") == []
    assert not answer(ledger, claim, "w", GOOD)


def test_a_candidate_of_a_dead_worker_is_offered_once_more_and_its_late_answer_is_lost(ledger: Ledger) -> None:
    candidates = [example_candidate(0, "family")]
    events: list[Event] = []
    executor = LeaseExecutor(ledger, "digits", 1, silent_seconds=100.0)
    first: list[Claim] = []
    answers: list[bool] = []
    plain_wait = executor.wait

    def wait(timeout: float) -> list[object]:
        """The first worker is silent after it took the trial; a second one takes it, and both answer."""
        if not first:
            first.append(taken(ledger, "silent"))
            silence(ledger)
        elif not answers and (claim := take(ledger, ["digits"], "second", "node-2")) is not None:
            answers.append(answer(ledger, first[0], "silent", Estimate(measured={"accuracy": 1.0})))
            answers.append(answer(ledger, claim, "second", GOOD))
        return list(plain_wait(timeout))

    executor.wait = wait  # type: ignore[method-assign,assignment]
    run_candidates("digits", ledger, executor, ListSource(candidates), events.append)
    assert answers == [False, True]
    [retried] = [each for each in events if isinstance(each, TrialRetried)]
    assert "nothing was heard of the worker silent on node-1 for 100" in retried.failure.message
    [ended] = [each for each in events if isinstance(each, TrialFinished)]
    assert ended.outcome.estimate.measured == GOOD.measured
    assert len(ledger.outcomes("digits")) == 1


def test_who_took_a_trial_is_told_to_those_who_watch(ledger: Ledger) -> None:
    offer_trials(ledger, 2)
    claim = taken(ledger)
    waiting = {each.trial: (each.worker, each.node) for each in ledger.running("digits")}
    assert waiting.pop(claim.candidate.trial) == ("w", "node-1")
    assert set(waiting.values()) == {("", "")}


def test_a_driver_that_comes_back_takes_what_was_answered_meanwhile(ledger: Ledger) -> None:
    offer_trials(ledger, 2)
    claim = taken(ledger)
    executor = LeaseExecutor(ledger, "digits", 2)
    for trial in range(2):
        executor.submit(example_candidate(trial))
    assert executor.wait(0.0) == []
    assert answer(ledger, claim, "w", GOOD)
    assert executor.wait(0.0) == [Finished(example_candidate(0), GOOD)]
    assert executor.wait(0.0) == []
    withdraw(ledger, "digits", 1)
    assert take(ledger, ["digits"], "w", "node") is None


def test_an_answer_between_a_look_and_its_withdrawal_is_kept(ledger: Ledger) -> None:
    ledger.start("digits", [example_candidate(0)])
    executor = LeaseExecutor(ledger, "digits", 1, silent_seconds=100.0)
    executor.submit(example_candidate(0))
    claim = taken(ledger)
    silence(ledger)
    seen = offered(ledger, "digits")
    assert answer(ledger, claim, "w", GOOD)
    assert [executor._told(each) for each in seen] == [None]
    assert executor.wait(0.0) == [Finished(example_candidate(0), GOOD)]


def test_a_trial_that_is_given_back_waits_for_the_next_worker(ledger: Ledger) -> None:
    offer_trials(ledger, 1)
    claim = taken(ledger)
    assert not give_back(ledger, claim, "other")
    assert give_back(ledger, claim, "w")
    silence(ledger)
    assert [(each.worker, each.silent_seconds) for each in offered(ledger, "digits")] == [("", 0.0)]
    assert not answer(ledger, claim, "w", GOOD)
    second = taken(ledger, "second")
    assert answer(ledger, second, "second", GOOD)
    assert not give_back(ledger, second, "second")
    assert offered(ledger, "digits")[0].estimate == GOOD


def test_epochs_are_those_of_the_worker_that_has_the_trial(ledger: Ledger) -> None:
    """A worker that was taken for dead trains on; what it tells would stay behind when the trial is finished."""
    offer_trials(ledger, 1)
    epoch = EpochRecord(0, 1.0, 1.0, 50.0, 0.5)
    late = taken(ledger, "late")
    assert report(ledger, late, "late", epoch)
    assert withdraw(ledger, "digits", 0, "late")
    ledger.start_again("digits", [0])
    offer(ledger, "digits", 0, 2)
    assert not report(ledger, late, "late", epoch)
    assert [each.epochs for each in ledger.running("digits")] == [()]
    assert report(ledger, taken(ledger, "second"), "second", epoch)
    assert [each.epochs for each in ledger.running("digits")] == [(epoch,)]
    ledger.finish("digits", example_outcome(late.candidate))
    assert not report(ledger, late, "late", epoch)
    assert ledger.running("digits") == []


def test_a_claim_outlives_a_new_name_and_ends_with_its_study(ledger: Ledger) -> None:
    offer_trials(ledger, 2)
    first, second = taken(ledger), taken(ledger)
    ledger.rename_study("digits", "numbers")
    assert beat(ledger, first, "w")
    assert answer(ledger, first, "w", GOOD)
    ledger.delete_study("numbers")
    assert not beat(ledger, second, "w")
    assert not answer(ledger, second, "w", GOOD)
    with pytest.raises(UnknownNameError, match="numbers"):
        offered(ledger, "numbers")


def test_workers_of_an_earlier_driver_have_time_to_be_heard_of(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database was gone for a while: a driver that is back first does not take the trials of those that live."""
    offer_trials(ledger, 2)
    claim = taken(ledger, "alive")
    taken(ledger, "dead")
    silence(ledger)
    clock = StoppedClock()
    monkeypatch.setattr(lease_executor, "time", clock)
    executor = LeaseExecutor(ledger, "digits", 2, silent_seconds=60.0)
    for trial in range(2):
        executor.submit(example_candidate(trial))
    assert executor.wait(0.0) == []
    assert answer(ledger, claim, "alive", GOOD)
    assert executor.wait(0.0) == [Finished(example_candidate(0), GOOD)]
    clock.now += 61.0
    [died] = executor.wait(0.0)
    assert isinstance(died, Finished)
    assert died.estimate.failure is not None
    assert died.estimate.worker == "dead"
