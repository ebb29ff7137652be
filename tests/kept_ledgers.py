"""Ledgers that older programs wrote, as SQLite files and on a server: see `ledgers/write.py`."""

from __future__ import annotations

import gzip
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Double, Float, MetaData, create_engine, insert, select, text
from sqlalchemy.pool import NullPool

from naslab.ledger.location import locate

LEDGERS = Path(__file__).parent / "ledgers"
SEQUENCES = (("studies", "study_id"), ("runs", "run_id"), ("outcomes", "position"))

Rows = dict[str, list[dict[str, Any]]]


def kept_versions() -> list[int]:
    """The versions of the ledgers that are kept."""
    return sorted(int(path.name.removeprefix("version_").partition(".")[0]) for path in LEDGERS.glob("version_*"))


def place_kept(version: int, location: str) -> None:
    """Put a kept ledger where a location says: its tables as that version made them, its rows, its view."""
    path = locate(location).path
    if path is not None:
        write_file(version, path)
        return
    source = sqlite3.connect(":memory:")
    source.executescript(dumped(version))
    lite = create_engine("sqlite://", creator=lambda: source, poolclass=NullPool)
    engine = create_engine(locate(location).url, connect_args={"options": "-csearch_path=naslab"})
    with lite.connect() as old, engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA naslab"))
        tables = MetaData()
        tables.reflect(old)
        for column in (each for table in tables.sorted_tables for each in table.columns):
            column.type = Double() if isinstance(column.type, Float) else column.type.as_generic()
        tables.create_all(connection)
        for table in tables.sorted_tables:
            rows = [row._asdict() for row in old.execute(select(table))]
            if rows and not table.name.startswith("sqlite_"):
                connection.execute(insert(table), rows)
        for name, key in SEQUENCES:
            connection.execute(
                text(f"SELECT setval(pg_get_serial_sequence('{name}', '{key}'), (SELECT max({key}) FROM {name}))")
            )
        connection.execute(text(old.execute(text("SELECT sql FROM sqlite_master WHERE type = 'view'")).scalar_one()))
    engine.dispose()


def write_file(version: int, path: Path) -> None:
    """A kept ledger as a SQLite file."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(dumped(version))


def dumped(version: int) -> str:
    """A kept ledger as SQL."""
    return gzip.decompress((LEDGERS / f"version_{version}.sql.gz").read_bytes()).decode()


def rows_of(location: str) -> Rows:
    """Every row of a ledger, without any code of naslab's own."""
    engine = create_engine(locate(location).url, poolclass=NullPool)
    with engine.connect() as connection:
        if locate(location).path is None:
            connection.execute(text("SET search_path TO naslab"))
        return {
            name: all_rows(connection, name)
            for name in ("naslab_schema", "studies", "runs", "trials", "outcomes", "measurements", "results")
        }


def all_rows(connection: Connection, table: str) -> list[dict[str, Any]]:
    """The rows of a table in an order of their own."""
    rows = [row._asdict() for row in connection.execute(text(f"SELECT * FROM {table}"))]
    return sorted(rows, key=lambda row: repr(list(row.values())))


def change(location: str, *statements: str) -> None:
    """Change a ledger behind naslab's back."""
    engine = create_engine(locate(location).url, poolclass=NullPool)
    with engine.begin() as connection:
        if locate(location).path is None:
            connection.execute(text("SET search_path TO naslab"))
        for statement in statements:
            connection.execute(text(statement))
