"""How a ledger's connections are set up: what was written survives a power loss, readers do not wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from kept_ledgers import place_kept
from ledger_examples import example_candidate, example_outcome, example_study
from sqlalchemy import Connection, Engine, event, text

from naslab.ledger import Ledger, RunRecord
from naslab.ledger.engine import open_engine, writing
from naslab.ledger.location import locate

NORMAL, FULL = 1, 2
"""SQLite's numbers of `PRAGMA synchronous`: with `FULL` a commit returns once it is on the disk."""


@pytest.fixture
def modes() -> Iterator[list[int]]:
    """The synchronous mode at each commit of any connection that SQLAlchemy opens."""
    found: list[int] = []

    def at_commit(connection: Connection) -> None:
        found.append(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())

    event.listen(Engine, "commit", at_commit)
    try:
        yield found
    finally:
        event.remove(Engine, "commit", at_commit)


def test_every_connection_that_writes_waits_for_the_disk_but_for_starts(tmp_path: Path, modes: list[int]) -> None:
    with Ledger.open(tmp_path / "studies.db") as ledger:
        ledger.create_study(example_study())
        ledger.add_run("digits", RunRecord(command="naslab search", started=1.0))
        ledger.set_trials("digits", 9)
        ledger.start("digits", [example_candidate(0)])
        ledger.finish("digits", example_outcome(example_candidate(0)))
    assert modes == [FULL] * 4 + [NORMAL, FULL]  # the first makes the tables


def test_a_migration_waits_for_the_disk(tmp_path: Path, modes: list[int]) -> None:
    place_kept(1, str(tmp_path / "studies.db"))
    Ledger.open(tmp_path / "studies.db").close()
    assert modes == [FULL]


def test_connections_at_once_are_all_set_up(tmp_path: Path) -> None:
    engine = open_engine(locate(tmp_path / "studies.db"), create=True)
    settings = (("synchronous", FULL), ("foreign_keys", 1), ("journal_mode", "wal"))
    with ExitStack() as stack:
        readers = [stack.enter_context(engine.connect()) for _ in range(4)]
        writer = stack.enter_context(writing(engine).connect())
        for connection in (*readers, writer):
            for name, value in settings:
                assert connection.execute(text(f"PRAGMA {name}")).scalar() == value
    engine.dispose()
