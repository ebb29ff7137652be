"""The search loop: budgets, order of writing, resuming, and what it says."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_estimators import epoch_record
from tiny_search import Counting, Halt, Instant, died, good, numbered_problem, numbered_study

from naslab.errors import LedgerError, StudyError
from naslab.execution import search as searching
from naslab.execution.events import (
    Ended,
    EpochEnded,
    Event,
    Interrupted,
    Resumed,
    SpaceExhausted,
    TrialFinished,
    TrialRetried,
    TrialStarted,
    TrialTaken,
    ignore,
)
from naslab.execution.executor import EpochDone, Finished, Taken
from naslab.execution.search import Run, run_search
from naslab.ledger import Ledger
from naslab.ledger.running import RunningTrial
from naslab.study.outcome import Candidate, Estimate, Failure, Outcome


def search(
    ledger: Ledger,
    strategy: Counting,
    executor: Instant,
    trials: int = 10,
    on_event: Callable[[Event], None] = ignore,
) -> None:
    run_search("numbered", ledger, strategy, executor, numbered_problem(), 2, 7, trials, on_event)


def trials_of(outcomes: list[Outcome]) -> list[int]:
    return [outcome.candidate.trial for outcome in outcomes]


def test_a_search_meets_its_budget_and_numbers_its_trials(tmp_path: Path) -> None:
    strategy, executor = Counting(), Instant()
    with numbered_study(tmp_path) as ledger:
        search(ledger, strategy, executor)
        outcomes = ledger.outcomes("numbered")
        assert ledger.in_flight("numbered") == []
    assert sorted(trials_of(outcomes)) == list(range(10))
    assert strategy.told == trials_of(outcomes)
    first = next(outcome.candidate for outcome in outcomes if outcome.candidate.trial == 3)
    assert (first.seed, first.fidelity.epochs, first.role, first.origin) == (7, 2, "search", {"operator": "count"})
    assert first.arch.stages[0].width == first.genome.genes[0].option + 1


def test_slots_are_refilled_as_soon_as_one_is_free(tmp_path: Path) -> None:
    executor = Instant(num_slots=3)
    waits: list[int] = []
    plain_wait = executor.wait
    executor.wait = lambda timeout: (waits.append(len(executor.running)), plain_wait(timeout))[1]  # type: ignore[method-assign]
    with numbered_study(tmp_path) as ledger:
        search(ledger, Counting(), executor)
    assert waits == [3] * 8 + [2, 1]


def test_a_candidate_is_in_the_ledger_before_it_is_submitted_and_an_outcome_before_it_is_told(tmp_path: Path) -> None:
    with numbered_study(tmp_path) as ledger:

        class Watched(Instant):
            def submit(self, candidate: Candidate) -> None:
                assert candidate in ledger.in_flight("numbered")
                super().submit(candidate)

        class Wary(Counting):
            def tell(self, outcomes: list[Outcome]) -> None:  # type: ignore[override]
                assert ledger.outcomes("numbered")[-1] == outcomes[-1]
                super().tell(outcomes)

        strategy = Wary()
        search(ledger, strategy, Watched())
    assert len(strategy.told) == 10


def test_a_study_continues_where_it_was_left(tmp_path: Path) -> None:
    with numbered_study(tmp_path) as ledger, pytest.raises(InterruptedError):
        search(ledger, Counting(), Instant(), on_event=Halt(after=5))
    events: list[Event] = []
    strategy, executor = Counting(), Instant()
    with numbered_study(tmp_path) as ledger:
        before, left = trials_of(ledger.outcomes("numbered")), ledger.in_flight("numbered")
        assert (len(before), len(left)) == (5, 1)
        search(ledger, strategy, executor, on_event=events.append)
        after = trials_of(ledger.outcomes("numbered"))
    assert events[0] == Resumed(finished=5, requeued=1)
    assert executor.submitted[0] == left[0].trial
    assert not set(before) & set(executor.submitted)
    assert after[:5] == before
    assert sorted(after) == list(range(10))
    assert strategy.told == after
    assert strategy.adopted == [left[0].trial]
    assert events[-1] == Ended(finished=10, failed=0)


def test_a_finished_study_starts_nothing_and_a_larger_total_adds_the_rest(tmp_path: Path) -> None:
    with numbered_study(tmp_path) as ledger:
        search(ledger, Counting(), Instant())
        idle, more = Instant(), Instant()
        events: list[Event] = []
        search(ledger, Counting(), idle, on_event=events.append)
        search(ledger, Counting(), more, trials=12)
    assert idle.submitted == []
    assert events == [Resumed(10, 0), Ended(10, 0)]
    assert more.submitted == [10, 11]


def test_a_smaller_total_leaves_what_is_too_much_in_flight(tmp_path: Path) -> None:
    with numbered_study(tmp_path) as ledger, pytest.raises(InterruptedError):
        search(ledger, Counting(), Instant(num_slots=4), on_event=Halt(after=2))
    executor = Instant()
    with numbered_study(tmp_path) as ledger:
        left = [candidate.trial for candidate in ledger.in_flight("numbered")]
        search(ledger, Counting(), executor, trials=3)
        assert len(ledger.outcomes("numbered")) == 3
    assert executor.submitted == left[:1]


def test_failures_count_and_are_told(tmp_path: Path) -> None:
    def answer(candidate: Candidate) -> Estimate:
        return Estimate(failure=Failure("diverged", "NaN")) if candidate.trial % 2 else good(candidate)

    events: list[Event] = []
    strategy = Counting()
    with numbered_study(tmp_path) as ledger:
        search(ledger, strategy, Instant(answer=answer), on_event=events.append)
        assert sum(not outcome.is_complete for outcome in ledger.outcomes("numbered")) == 5
    assert sorted(strategy.told) == list(range(10))
    assert events[-1] == Ended(finished=10, failed=5)


def test_a_candidate_whose_worker_died_runs_once_more(tmp_path: Path) -> None:
    deaths = iter([died, good])
    events: list[Event] = []
    executor = Instant(num_slots=1, answer=lambda candidate: next(deaths)(candidate))
    with numbered_study(tmp_path) as ledger:
        search(ledger, Counting(), executor, trials=1, on_event=events.append)
        [outcome] = ledger.outcomes("numbered")
    assert executor.submitted == [0, 0]
    assert outcome.is_complete
    assert outcome.estimate.notes == {"retried": True}
    assert [type(event) for event in events] == [TrialStarted, TrialRetried, TrialFinished, Ended]


def test_a_candidate_that_kills_two_workers_fails(tmp_path: Path) -> None:
    executor = Instant(num_slots=1, answer=died)
    with numbered_study(tmp_path) as ledger:
        search(ledger, Counting(), executor, trials=2)
        outcomes = ledger.outcomes("numbered")
    assert executor.submitted == [0, 0, 1, 1]
    assert [outcome.estimate.failure for outcome in outcomes] == [Failure("worker_died", "killed by SIGKILL")] * 2


def test_an_exhausted_space_ends_the_search_early_and_says_so(tmp_path: Path) -> None:
    events: list[Event] = []
    with numbered_study(tmp_path) as ledger:
        search(ledger, Counting(size=5), Instant(), on_event=events.append)
        assert len(ledger.outcomes("numbered")) == 5
    assert events[-2:] == [SpaceExhausted(number=5, total=10), Ended(finished=5, failed=0)]


def test_epochs_are_passed_on(tmp_path: Path) -> None:
    class Reporting(Instant):
        def wait(self, timeout: float) -> list[Finished | EpochDone]:
            candidate = self.running[-1]
            return [EpochDone(candidate, epoch_record(0)), *super().wait(timeout)]

    events: list[Event] = []
    with numbered_study(tmp_path) as ledger:
        search(ledger, Counting(), Reporting(), trials=1, on_event=events.append)
        [outcome] = ledger.outcomes("numbered")
    assert events[1:3] == [EpochEnded(outcome.candidate, epoch_record(0)), TrialFinished(outcome, 1, 1)]


def test_epochs_of_trials_in_flight_are_in_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "EPOCHS_SECONDS", 60.0)

    class Reporting(Instant):
        def __init__(self) -> None:
            super().__init__(num_slots=1, answer=lambda candidate: next(deaths)(candidate))
            self.calls = 0

        def wait(self, timeout: float) -> list[Finished | EpochDone]:
            self.calls += 1
            if self.calls % 3:
                return [EpochDone(self.running[-1], epoch_record(self.calls))]
            seen.append(ledger.running("numbered"))
            return super().wait(timeout)

    deaths = iter([died, good])
    seen: list[list[RunningTrial]] = []
    with numbered_study(tmp_path) as ledger:
        search(ledger, Counting(), Reporting(), trials=1)
        assert ledger.running("numbered") == []
    assert [[each.trial for each in found] for found in seen] == [[0], [0]]
    assert seen[0][0].epochs == (epoch_record(1),), "the second one waits to be written with others"
    assert seen[1][0].epochs == (), "the worker that died takes its epochs with it, and the next ones wait"
    assert seen[1][0].started > seen[0][0].started


def test_who_has_a_trial_is_in_the_ledger_and_another_one_after_a_death(tmp_path: Path) -> None:
    class Taking(Instant):
        def __init__(self) -> None:
            super().__init__(num_slots=1, answer=lambda candidate: next(deaths)(candidate))
            self.calls = 0

        def wait(self, timeout: float) -> list[Taken | Finished | EpochDone]:  # type: ignore[override]
            self.calls += 1
            if self.calls % 3 == 1:
                return [Taken(self.running[-1], f"worker-{self.calls}", "node-1")]
            if self.calls % 3 == 2:
                return [EpochDone(self.running[-1], epoch_record(self.calls))]
            seen.extend(ledger.running("numbered"))
            return [*super().wait(timeout)]

    deaths = iter([died, good])
    seen: list[RunningTrial] = []
    events: list[Event] = []
    with numbered_study(tmp_path) as ledger, pytest.MonkeyPatch.context() as patch:
        patch.setattr(searching, "EPOCHS_SECONDS", 0.0)
        search(ledger, Counting(), Taking(), trials=1, on_event=events.append)
    assert [(each.worker, each.node) for each in seen] == [("worker-1", "node-1"), ("worker-4", "node-1")]
    assert [len(each.epochs) for each in seen] == [1, 1], "the epoch of the worker that died is gone"
    assert [each.worker for each in events if isinstance(each, TrialTaken)] == ["worker-1", "worker-4"]


def test_what_was_in_flight_starts_again_in_the_ledger(tmp_path: Path) -> None:
    class Watching(Instant):
        def wait(self, timeout: float) -> list[Finished | EpochDone]:
            seen.append([each.started for each in ledger.running("numbered")])
            return super().wait(timeout)

    seen: list[list[float]] = []
    with numbered_study(tmp_path) as ledger:
        with pytest.raises(InterruptedError):
            search(ledger, Counting(), Instant(), trials=4, on_event=Halt(1))
        [left] = ledger.running("numbered")
        search(ledger, Counting(), Watching(num_slots=1), trials=4)
    assert len(seen[0]) == 1
    assert seen[0][0] > left.started


def test_a_study_has_one_driver(tmp_path: Path) -> None:
    with (
        numbered_study(tmp_path) as driving,
        driving.claim("numbered"),
        numbered_study(tmp_path) as ledger,
        pytest.raises(StudyError, match="driven by"),
    ):
        search(ledger, Counting(), Instant())


def test_an_outcome_that_cannot_be_kept_ends_the_run_and_is_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strategy = Counting()
    with numbered_study(tmp_path) as ledger:
        plain_finish = ledger.finish

        def full(name: str, outcome: Outcome) -> None:
            if outcome.candidate.trial == 4:
                raise LedgerError("the disk is full")
            plain_finish(name, outcome)

        monkeypatch.setattr(ledger, "finish", full)
        with pytest.raises(LedgerError, match="disk is full"):
            search(ledger, strategy, Instant(num_slots=1))
        monkeypatch.undo()
        assert trials_of(ledger.outcomes("numbered")) == [0, 1, 2, 3] == strategy.told
        executor = Instant(num_slots=1)
        search(ledger, Counting(), executor)
        assert executor.submitted == [4, 5, 6, 7, 8, 9]


def test_control_c_keeps_what_is_finished_and_leaves_the_rest_in_flight(tmp_path: Path) -> None:
    events: list[Event] = []

    def answer(candidate: Candidate) -> Estimate:
        if candidate.trial == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return good(candidate)

    with numbered_study(tmp_path) as ledger:
        executor = Instant(num_slots=3, answer=answer)
        with pytest.raises(KeyboardInterrupt):
            search(ledger, Counting(), executor, on_event=events.append)
        kept, left = trials_of(ledger.outcomes("numbered")), ledger.in_flight("numbered")
        assert 3 in kept
        assert events[-1] == Interrupted(len(left))
        assert sorted(kept + [candidate.trial for candidate in left]) == list(range(len(kept) + len(left)))
        search(ledger, Counting(), Instant())
        assert sorted(trials_of(ledger.outcomes("numbered"))) == list(range(10))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_control_c_ends_at_once(tmp_path: Path) -> None:
    def answer(candidate: Candidate) -> Estimate:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the second Ctrl-C was ignored")

    with numbered_study(tmp_path) as ledger, pytest.raises(KeyboardInterrupt):
        search(ledger, Counting(), Instant(answer=answer))


def test_a_search_goes_on_while_another_program_keeps_the_ledger_from_its_epochs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("naslab.execution.search.EPOCHS_SECONDS", 0.0)
    monkeypatch.setattr("naslab.ledger.ledger.BRIEFLY", 0.01)
    tried: list[float] = []

    class Reporting(Instant):
        """Each candidate reports an epoch while another program has the ledger."""

        def wait(self, timeout: float) -> list[Finished | EpochDone]:
            done = super().wait(timeout)
            for each in done:
                other.execute("BEGIN IMMEDIATE")
                began = time.monotonic()
                run[0].handle_all([EpochDone(each.candidate, epoch_record(1))])
                tried.append(time.monotonic() - began)
                other.execute("ROLLBACK")
            return done

    run: list[Run] = []
    own = Run.__init__

    def kept(self: Run, *given: Any) -> None:
        own(self, *given)
        run.append(self)

    monkeypatch.setattr(Run, "__init__", kept)
    with numbered_study(tmp_path) as ledger:
        other = sqlite3.connect(str(ledger.location.path), isolation_level=None)
        search(ledger, Counting(), Reporting(), trials=3)
        assert len(ledger.outcomes("numbered")) == 3
        other.close()
    assert len(tried) == 3
    assert max(tried) < 5
