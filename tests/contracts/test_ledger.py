"""What every ledger does, on a SQLite file and on a real PostgreSQL server."""

from __future__ import annotations

import math
import socket
import threading
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ledger_examples import diverged_outcome, example_arch, example_candidate, example_outcome, example_study
from processes import HANG_SECONDS, several_programs
from sqlalchemy import Connection, create_engine, event, text

from naslab.errors import LedgerError, StudyError, UnknownNameError
from naslab.ledger import Ledger, RunRecord
from naslab.ledger.running import Epoch
from naslab.study.outcome import EpochRecord


def query(ledger: Ledger, sql: str) -> list[tuple[object, ...]]:
    """What somebody who knows SQL alone sees."""
    engine = create_engine(ledger.location.url)
    with engine.connect() as connection:
        if ledger.location.path is None:
            connection.execute(text("SET search_path TO naslab"))
        rows = [tuple(row) for row in connection.execute(text(sql))]
    engine.dispose()
    return rows


def test_a_study_comes_back_as_it_was_made(ledger: Ledger) -> None:
    assert ledger.study("digits") == example_study()
    assert ledger.study_names() == ["digits"]


def test_studies_are_listed_in_the_order_made(ledger: Ledger) -> None:
    for name in ("zebra", "a study with spaces; DROP TABLE trials --", "größe"):
        ledger.create_study(example_study(name))
    assert ledger.study_names() == ["digits", "zebra", "a study with spaces; DROP TABLE trials --", "größe"]


def test_a_name_is_taken_once(ledger: Ledger) -> None:
    with pytest.raises(StudyError, match="study 'digits' exists already"):
        ledger.create_study(example_study(trials=99))
    assert ledger.study("digits").trials == 16


@pytest.mark.parametrize("name", ["", "  ", "a\x00b", "a\nb"])
def test_a_name_must_be_printable(ledger: Ledger, name: str) -> None:
    with pytest.raises(StudyError, match="must be printable and not blank"):
        ledger.create_study(example_study(name))


def test_an_unknown_study_is_named_with_its_neighbours(ledger: Ledger) -> None:
    calls = [
        lambda: ledger.study("digit"),
        lambda: ledger.outcomes("digit"),
        lambda: ledger.in_flight("digit"),
        lambda: ledger.start("digit", [example_candidate(0)]),
        lambda: ledger.set_trials("digit", 3),
        lambda: ledger.runs("digit"),
    ]
    for call in calls:
        with pytest.raises(UnknownNameError, match=r"unknown study 'digit' \(did you mean 'digits'\?\)"):
            call()


def test_the_total_of_trials_can_change(ledger: Ledger) -> None:
    ledger.set_trials("digits", 40)
    assert ledger.study("digits") == example_study(trials=40)


def test_runs_come_back_in_order(ledger: Ledger) -> None:
    first = RunRecord(command="naslab search a", started=5.5, machine={"cpus": 2}, versions={"torch": "2.11"})
    second = RunRecord(command="naslab search b", started=1.5, executor="ray", num_workers=8)
    ledger.add_run("digits", first)
    ledger.add_run("digits", second)
    assert ledger.runs("digits") == [first, second]


def test_candidates_are_in_flight_until_finished(ledger: Ledger) -> None:
    candidates = [example_candidate(trial) for trial in range(3)]
    ledger.start("digits", candidates[::-1])
    assert ledger.in_flight("digits") == candidates
    assert ledger.outcomes("digits") == []
    ledger.finish("digits", example_outcome(candidates[1]))
    assert ledger.in_flight("digits") == [candidates[0], candidates[2]]
    assert ledger.outcomes("digits") == [example_outcome(candidates[1])]


@pytest.mark.parametrize("is_driven", [False, True])
def test_outcomes_wait_for_the_disk_and_starts_do_not(ledger: Ledger, is_driven: bool) -> None:
    """A start that a power loss takes back costs a training; the outcome behind it takes the start to the disk, too.

    PostgreSQL always waits: a server that is killed forgets what does not.
    """
    said: list[str] = []
    is_file = ledger.location.path is not None

    def note(statement: str, how: str) -> None:
        told = f"{statement.split()[2]} {how}" if statement.startswith("INSERT") else ""
        if told and said[-1:] != [told]:  # once for all rows of a table
            said.append(told)

    @event.listens_for(ledger._engine, "begin")
    def watch(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        if is_file:  # which is not asked by way of SQLAlchemy
            [[how]] = driver.execute("PRAGMA synchronous").fetchall()
            driver.set_trace_callback(partial(note, how=str(how)))

    @event.listens_for(ledger._engine, "before_cursor_execute")
    def look(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if not is_file and statement.startswith("INSERT"):
            [[how]] = cursor.connection.cursor().execute("SHOW synchronous_commit").fetchall()
            note(statement, how)

    candidates = [example_candidate(trial) for trial in range(2)]
    with ledger.claim("digits") if is_driven else nullcontext():
        ledger.start("digits", candidates[:1])
        ledger.finish("digits", example_outcome(candidates[0]))
        ledger.start("digits", candidates[1:])
    starts, waits = ("1", "2") if is_file else ("on", "on")
    start = [f"trials {starts}", f"progress {starts}"]
    assert said == [*start, f"outcomes {waits}", f"measurements {waits}", *start]


def test_starting_nothing_is_nothing(ledger: Ledger) -> None:
    ledger.start("digits", [])
    assert ledger.in_flight("digits") == []


def test_outcomes_come_in_the_order_finished(ledger: Ledger) -> None:
    candidates = [example_candidate(trial) for trial in range(6)]
    ledger.start("digits", candidates)
    order = [4, 0, 5, 2, 1, 3]
    for trial in order:
        ledger.finish("digits", example_outcome(candidates[trial]))
    assert [outcome.candidate.trial for outcome in ledger.outcomes("digits")] == order


def test_outcomes_by_role(ledger: Ledger) -> None:
    roles = ["search", "family", "search", "baseline"]
    candidates = [example_candidate(trial, role) for trial, role in enumerate(roles)]
    ledger.start("digits", candidates)
    for candidate in candidates:
        ledger.finish("digits", example_outcome(candidate))
    assert [outcome.candidate.trial for outcome in ledger.outcomes("digits", "search")] == [0, 2]
    assert [outcome.candidate.trial for outcome in ledger.outcomes("digits", "family")] == [1]
    assert len(ledger.outcomes("digits")) == 4


def test_studies_do_not_see_each_other(ledger: Ledger) -> None:
    ledger.create_study(example_study("other"))
    for name in ("digits", "other"):
        ledger.start(name, [example_candidate(0), example_candidate(1)])
    ledger.finish("other", example_outcome(example_candidate(0)))
    assert [candidate.trial for candidate in ledger.in_flight("digits")] == [0, 1]
    assert ledger.outcomes("digits") == []
    assert len(ledger.outcomes("other")) == 1


def test_failures_keep_nan_infinities_and_odd_characters(ledger: Ledger) -> None:
    ledger.start("digits", [example_candidate(0)])
    ledger.finish("digits", diverged_outcome(example_candidate(0)))
    [outcome] = ledger.outcomes("digits")
    assert outcome.estimate.failure == diverged_outcome(example_candidate(0)).estimate.failure
    assert math.isnan(outcome.estimate.measured["accuracy"])
    assert math.isnan(outcome.estimate.curve[0].train_loss)
    assert outcome.estimate.curve[0].validation_loss == math.inf
    assert outcome.candidate == example_candidate(0)


def test_several_are_finished_together_or_none_is(ledger: Ledger) -> None:
    ledger.start("digits", [example_candidate(trial) for trial in range(3)])
    done = [example_outcome(example_candidate(trial)) for trial in (2, 0)]
    with pytest.raises(StudyError, match="trial 7 of study 'digits' was never started"):
        ledger.finish_all("digits", [*done, example_outcome(example_candidate(7))])
    assert ledger.outcomes("digits") == []
    ledger.finish_all("digits", done)
    ledger.finish_all("digits", [])
    assert ledger.outcomes("digits") == done
    assert [each.trial for each in ledger.in_flight("digits")] == [1]


def test_finishing_twice_is_an_error_and_changes_nothing(ledger: Ledger) -> None:
    ledger.start("digits", [example_candidate(0)])
    ledger.finish("digits", example_outcome(example_candidate(0)))
    with pytest.raises(StudyError, match="trial 0 of study 'digits' is finished already"):
        ledger.finish("digits", diverged_outcome(example_candidate(0)))
    assert ledger.outcomes("digits") == [example_outcome(example_candidate(0))]


def test_finishing_what_was_never_started(ledger: Ledger) -> None:
    with pytest.raises(StudyError, match="trial 3 of study 'digits' was never started"):
        ledger.finish("digits", example_outcome(example_candidate(3)))


def test_finishing_with_another_network(ledger: Ledger) -> None:
    ledger.start("digits", [example_candidate(0)])
    swapped = msgspec.structs.replace(example_candidate(1), trial=0)
    with pytest.raises(StudyError, match="was started with network"):
        ledger.finish("digits", example_outcome(swapped))
    assert len(ledger.in_flight("digits")) == 1


def test_a_trial_starts_once_and_a_batch_as_a_whole(ledger: Ledger) -> None:
    ledger.start("digits", [example_candidate(0)])
    with pytest.raises(StudyError, match="is started once, got 1, 0 again"):
        ledger.start("digits", [example_candidate(1), example_candidate(0)])
    assert [candidate.trial for candidate in ledger.in_flight("digits")] == [0]


def test_everything_is_there_when_opened_again(location: str) -> None:
    with Ledger.open(location) as ledger:
        ledger.create_study(example_study())
        ledger.start("digits", [example_candidate(0), example_candidate(1)])
        ledger.finish("digits", example_outcome(example_candidate(1)))
    with Ledger.open(location, create=False) as ledger:
        assert ledger.study("digits") == example_study()
        assert ledger.outcomes("digits") == [example_outcome(example_candidate(1))]
        assert ledger.in_flight("digits") == [example_candidate(0)]


def test_no_ledger_without_create(location: str) -> None:
    with pytest.raises(LedgerError, match="there is no ledger at"):
        Ledger.open(location, create=False)


def test_people_can_query_it(ledger: Ledger) -> None:
    ledger.start("digits", [example_candidate(0), example_candidate(1), example_candidate(2)])
    ledger.finish("digits", example_outcome(example_candidate(0)))
    ledger.finish("digits", diverged_outcome(example_candidate(1)))
    rows = query(ledger, "SELECT trial, macs, accuracy, latency_ms, failure FROM results ORDER BY trial")
    macs = [example_candidate(trial).cost.macs for trial in range(3)]
    assert rows == [(0, macs[0], 90.0, None, None), (1, macs[1], None, 3.5, "diverged"), (2, macs[2], None, None, None)]
    [(arch,)] = query(ledger, "SELECT arch FROM results WHERE trial = 1")
    assert arch == msgspec.json.encode(example_arch(1)).decode()


def test_a_claim_is_held_by_one_driver(ledger: Ledger, location: str) -> None:
    ledger.create_study(example_study("other"))
    with Ledger.open(location) as second:
        with ledger.claim("digits"):
            with (
                pytest.raises(StudyError, match=r"study 'digits' is being driven by .*process \d+ on .* since 20"),
                second.claim("digits"),
            ):
                raise AssertionError("both drive")
            with second.claim("other"):
                pass
            assert second.study("digits").trials == 16
        with second.claim("digits"):
            pass


def test_a_claim_ends_with_an_exception(ledger: Ledger) -> None:
    with pytest.raises(ZeroDivisionError), ledger.claim("digits"):
        _ = 1 / 0
    with ledger.claim("digits"):
        pass


def test_a_claim_of_an_unknown_study(ledger: Ledger) -> None:
    with pytest.raises(UnknownNameError), ledger.claim("digit"):
        pass


def test_readers_follow_a_driver(ledger: Ledger, location: str) -> None:
    """A second connection reads all the while; what it sees only grows, and every row is whole."""
    candidates = [example_candidate(trial) for trial in range(60)]
    seen: list[int] = []
    done = threading.Event()

    def follow() -> None:
        with Ledger.open(location, create=False) as reader:
            while not done.is_set():
                outcomes = reader.outcomes("digits")
                assert [outcome.candidate.trial for outcome in outcomes] == list(range(len(outcomes)))
                seen.append(len(outcomes))

    reader = threading.Thread(target=follow)
    reader.start()
    with ledger.claim("digits"):
        for candidate in candidates:
            ledger.start("digits", [candidate])
            ledger.finish("digits", example_outcome(candidate))
    done.set()
    reader.join(HANG_SECONDS)
    assert not reader.is_alive()
    assert seen
    assert seen == sorted(seen)
    assert len(ledger.outcomes("digits")) == 60


def _open_and_enter(location: str, name: str, barrier: object) -> None:
    barrier.wait()  # type: ignore[attr-defined]
    with Ledger.open(location) as ledger:
        ledger.create_study(example_study(name))


def test_programs_that_make_a_ledger_at_once_take_turns(location: str) -> None:
    context = several_programs()
    barrier = context.Barrier(4)
    makers = [context.Process(target=_open_and_enter, args=(location, f"study{n}", barrier)) for n in range(4)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join(HANG_SECONDS)
    assert [maker.exitcode for maker in makers] == [0, 0, 0, 0]
    with Ledger.open(location, create=False) as ledger:
        assert sorted(ledger.study_names()) == ["study0", "study1", "study2", "study3"]


def test_what_a_trial_in_flight_did_is_there_until_it_is_finished(ledger: Ledger) -> None:
    first, second = example_candidate(0), example_candidate(1)
    before = time.time()
    ledger.start("digits", [first, second])
    odd = EpochRecord(1, math.inf, math.inf, 50.0, 0.5, {"f1": 0.25})
    ledger.add_epochs("digits", [Epoch(1, EpochRecord(1, 0.5, 0.6, 91.0, 3.0)), Epoch(0, odd)])
    one, two = ledger.running("digits")
    assert (one.trial, one.epochs) == (0, (odd,))
    assert two.epochs == (EpochRecord(1, 0.5, 0.6, 91.0, 3.0),)
    assert before <= one.started <= time.time()
    ledger.start_again("digits", [0])
    again, same = ledger.running("digits")
    assert again.epochs == ()
    assert again.started > one.started
    assert same == two
    ledger.finish("digits", example_outcome(second))
    assert ledger.running("digits") == [again]
    ledger.delete_study("digits")
    assert query(ledger, "SELECT count(*) FROM progress") == [(0,)]


def test_a_study_that_is_begun_anew_forgets_what_was_in_flight(ledger: Ledger) -> None:
    ledger.start("digits", [example_candidate(0)])
    ledger.restart(example_study(trials=3))
    assert ledger.running("digits") == []


def test_row_ids_only_grow(ledger: Ledger) -> None:
    seen: list[Any] = []
    for trial in range(3):
        ledger.start("digits", [example_candidate(trial)])
        [(position,)] = query(ledger, "SELECT max(position) FROM progress")
        seen.append(position)
        ledger.finish("digits", example_outcome(example_candidate(trial)))
    assert seen == sorted(set(seen))


def test_a_killed_drivers_claim_is_nobodys(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "studies.db") as ledger:
        ledger.create_study(example_study())
        left = tmp_path / "studies.db.claim1"
        left.write_text(f"process {2**22 + 1} on {socket.gethostname()} since yesterday")
        assert ledger.drivers() == {}
        left.write_text("process 1 on another.machine since yesterday")
        assert ledger.drivers() == {1: "process 1 on another.machine"}
