"""An older copy of a ledger put back, under a driver and between runs: one line says so, the budget is spent once."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import event
from tiny_search import Counting, Instant, good, numbered_problem, numbered_study

from naslab.errors import LedgerError, NaslabError
from naslab.execution.search import run_search
from naslab.ledger import Ledger
from naslab.study.outcome import Candidate, Estimate

TOTAL = 12


def search(folder: Path, answer: Callable[[Candidate], Estimate] = good) -> list[int]:
    """Search to the end; the trials that were estimated for it."""
    executor = Instant(answer=answer)
    with numbered_study(folder) as ledger:
        run_search("numbered", ledger, Counting(), executor, numbered_problem(), 2, 7, TOTAL)
    return executor.submitted


def trials_in(folder: Path) -> list[int]:
    with Ledger.open(folder / "studies.db", create=False) as ledger:
        assert ledger.in_flight("numbered") == []
        return sorted(each.candidate.trial for each in ledger.outcomes("numbered"))


def copy_of(folder: Path) -> Path:
    """A copy of the ledger as it is, made as its documentation says."""
    with closing(sqlite3.connect(folder / "studies.db")) as now, closing(sqlite3.connect(folder / "copy.db")) as copy:
        now.backup(copy)
    return folder / "copy.db"


def moved(copy: Path) -> None:
    """What SQLite keeps beside a file is of that file: it would be written into the copy."""
    for ending in ("-wal", "-shm"):
        copy.with_name(f"studies.db{ending}").unlink(missing_ok=True)
    os.replace(copy, copy.with_name("studies.db"))


def written_over(copy: Path) -> None:
    """What SQLite keeps beside the file is written back and taken away first, or the copy would change nothing."""
    with closing(sqlite3.connect(copy.with_name("studies.db"))) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copyfile(copy, copy.with_name("studies.db"))


@pytest.mark.parametrize("put_back", [moved, written_over])
def test_a_copy_that_is_put_back_under_a_driver_ends_it(tmp_path: Path, put_back: Callable[[Path], None]) -> None:
    def answer(candidate: Candidate) -> Estimate:
        if candidate.trial == 4:
            copy_of(tmp_path)
        if candidate.trial == 8:
            put_back(tmp_path / "copy.db")
        return good(candidate)

    with pytest.raises(NaslabError, match="run the same command again") as told:
        search(tmp_path, answer)
    assert "\n" not in str(told.value)
    with Ledger.open(tmp_path / "studies.db") as ledger:
        kept = len(ledger.outcomes("numbered"))
    assert kept < 6, "nothing of the driver is in it"
    assert len(search(tmp_path)) == TOTAL - kept
    assert trials_in(tmp_path) == list(range(TOTAL))


def deleted(ledger: Path) -> None:
    ledger.unlink()


def moved_away(ledger: Path) -> None:
    ledger.rename(ledger.with_name("elsewhere.db"))


@pytest.mark.parametrize("take_away", [deleted, moved_away])
def test_a_ledger_that_is_taken_away_under_a_driver_ends_it(tmp_path: Path, take_away: Callable[[Path], None]) -> None:
    """What it wrote on would be gone with its end: a file without a name. Put back it has all that was finished."""

    def answer(candidate: Candidate) -> Estimate:
        if candidate.trial == 4:
            take_away(tmp_path / "studies.db")
        return good(candidate)

    with pytest.raises(LedgerError, match=r"studies\.db was taken away since it was opened: .*the same command again"):
        search(tmp_path, answer)
    if take_away is moved_away:
        (tmp_path / "elsewhere.db").rename(tmp_path / "studies.db")
        with Ledger.open(tmp_path / "studies.db") as ledger:
            assert len(ledger.outcomes("numbered")) >= 3
    search(tmp_path)
    assert trials_in(tmp_path) == list(range(TOTAL))


def test_no_connection_is_made_to_another_file(tmp_path: Path) -> None:
    """Two files of one name would share what SQLite keeps beside them, which ends a program by a signal."""
    with numbered_study(tmp_path) as ledger, ledger._engine.connect():
        copy = copy_of(tmp_path)
        os.replace(copy, tmp_path / "studies.db")
        made: list[object] = []
        event.listen(ledger._engine, "connect", lambda *_: made.append(1))
        with pytest.raises(LedgerError, match="is not the file any more"):
            ledger.study_names()
        assert made == []


def test_a_copy_that_is_put_back_between_runs_is_gone_on_from(tmp_path: Path) -> None:
    def answer(candidate: Candidate) -> Estimate:
        if candidate.trial == 4:
            copy_of(tmp_path)
        return good(candidate)

    assert search(tmp_path, answer) == list(range(TOTAL))
    assert search(tmp_path) == []
    moved(tmp_path / "copy.db")
    with Ledger.open(tmp_path / "studies.db") as ledger:
        kept = len(ledger.outcomes("numbered"))
    assert len(search(tmp_path)) == TOTAL - kept > 6
    assert trials_in(tmp_path) == list(range(TOTAL))
