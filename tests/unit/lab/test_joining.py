"""Workers that join a search by its ledger: a whole search, and what they refuse."""

from __future__ import annotations

import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from ledger_examples import example_candidate, example_outcome, example_study
from sqlalchemy.exc import OperationalError

import naslab
from naslab.errors import LedgerError, StudyError, UnknownNameError, WorkerError
from naslab.execution.workers import Workers
from naslab.lab import joining
from naslab.lab.joining import join, require_offerable
from naslab.ledger import Ledger, RunRecord
from naslab.ledger.leases import offer, offered, take
from naslab.ledger.location import locate
from naslab.ledger.record import PretrainedStart
from naslab.provenance import installed_versions


def test_a_search_is_done_by_workers_that_join(tmp_path: Path) -> None:
    place = tmp_path / "studies.db"
    lines: list[str] = []
    Ledger.open(place).close()
    workers = [
        threading.Thread(target=join, args=(place,), kwargs={"idle_seconds": 4.0, "say": lines.append, "device": "cpu"})
        for _ in range(2)
    ]
    for each in workers:
        each.start()
    study = naslab.search(
        "digits_demo",
        strategy="evolution",
        estimator="params",
        trials=12,
        workers=Workers(kind="ledger", count=3),
        ledger=place,
        study="joined",
    )
    for each in workers:
        each.join()
    assert len(study.outcomes) == 12
    assert all(each.is_complete for each in study.outcomes)
    assert len(lines) == 12
    assert all(each.estimate.worker.startswith(socket.gethostname()) for each in study.outcomes)
    with Ledger.open(place) as ledger:
        assert ledger.in_flight("joined") == []


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A study whose driver offered one candidate, of this program's versions."""
    with Ledger.open(tmp_path / "studies.db") as opened:
        opened.create_study(example_study())
        opened.add_run("digits", RunRecord(command="naslab search", started=0.0, versions=installed_versions()))
        opened.start("digits", [example_candidate(0)])
        offer(opened, "digits", 0, 1)
        yield opened


@pytest.mark.parametrize("package", ["naslab", "torch"])
def test_a_node_of_another_version_is_refused_by_its_name(
    ledger: Ledger, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = {**installed_versions(), package: "0.0.1"}
    monkeypatch.setattr(joining, "installed_versions", lambda: there)
    with pytest.raises(
        WorkerError, match=rf"{socket.gethostname()} has {package} 0\.0\.1, the driver of study 'digits' "
    ):
        join(str(ledger.location), idle_seconds=0)
    assert [each.worker for each in offered(ledger, "digits")] == [""], "others may take it at once"


def test_a_worker_is_prepared_anew_where_its_study_asks_for_something_else(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Bare:
        def __init__(self, *_: object) -> None: ...

        def prepare(self) -> None: ...

    monkeypatch.setattr(joining, "Worker", Bare)
    monkeypatch.setattr(joining, "_estimator", lambda *_: None)
    claim = take(ledger, ["digits"], "w", "node")
    assert claim is not None
    rest = ("w", "node", "cpu", None)
    first = joining._prepared(ledger, claim, None, *rest)
    ledger.set_trials("digits", 99)
    same = joining._prepared(ledger, claim, first, *rest)
    assert same.worker is first.worker
    ledger.restart(msgspec.structs.replace(example_study(), epochs=3))
    assert joining._prepared(ledger, claim, same, *rest).worker is not first.worker
    ledger.add_run("digits", RunRecord(command="naslab search", started=1.0, versions={"torch": "0.0.1"}))
    with pytest.raises(WorkerError, match=r"the driver of study 'digits' 0\.0\.1"):
        joining._prepared(ledger, claim, same, *rest)


def test_what_cannot_be_shared_is_refused_first(ledger: Ledger) -> None:
    require_offerable(example_study(), ledger)
    require_offerable(msgspec.structs.replace(example_study(), inherit=True), ledger)
    begun = msgspec.structs.replace(example_study(), pretrained=PretrainedStart(source="a", sha256="b", network={}))
    with pytest.raises(StudyError, match="cannot begin with pretrained weights"):
        require_offerable(begun, ledger)
    ledger.location = locate("postgresql://ada@db.example/lab")
    with pytest.raises(StudyError, match="no folder of checkpoints in common"):
        require_offerable(msgspec.structs.replace(example_study(), inherit=True), ledger)
    with pytest.raises(WorkerError, match="choose their device, time and memory themselves"):
        Workers(kind="ledger", timeout_seconds=5)


@pytest.mark.parametrize(
    ("hours", "told"),
    [(1, ["the clock of node {} is 60 minutes ahead of the ledger's: set it"]), (0, [])],
)
def test_a_clock_that_is_far_off_is_told_by_the_node(
    ledger: Ledger, hours: int, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Heartbeats are by the clock of the database: they are right all the same."""
    ledger.finish("digits", example_outcome(example_candidate(0)))
    lines: list[str] = []
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 3600 * hours)
    join(str(ledger.location), idle_seconds=0, say=lines.append)
    assert lines == [each.format(socket.gethostname()) for each in told]


def test_a_worker_without_work_ends(ledger: Ledger) -> None:
    ledger.finish("digits", example_outcome(example_candidate(0)))
    assert join(str(ledger.location), study="digits", idle_seconds=0)[1:] == (0, 0)
    with pytest.raises(UnknownNameError, match="nosuch"):
        join(str(ledger.location), study="nosuch")


def test_a_database_that_is_gone_for_a_while_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "LOOK_SECONDS", 0.0)
    asked = iter([True, True, False])

    def ask() -> str:
        if next(asked):
            gone = OperationalError("SELECT 1", {}, Exception("connection refused"))
            raise LedgerError("the ledger cannot be reached") from gone
        return "there"

    assert joining._patiently(ask) == "there"
    with pytest.raises(LedgerError, match="damaged"):
        joining._patiently(damaged)


def test_a_file_that_another_program_writes_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "LOOK_SECONDS", 0.0)
    asked: list[int] = []
    with Ledger.open(tmp_path / "studies.db") as ledger:
        ledger.create_study(example_study())
        with closing(sqlite3.connect(tmp_path / "studies.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")

            def ask() -> int:
                asked.append(len(asked))
                if len(asked) == 2:
                    other.rollback()
                ledger.add_epochs("digits", [])  # which waits half a second
                return len(asked)

            assert joining._patiently(ask) == 2


def damaged() -> None:
    raise LedgerError("the ledger is damaged")
