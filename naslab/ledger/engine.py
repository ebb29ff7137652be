"""Opening a ledger's database: checked before anything in it is touched, made where there is none."""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, select, text
from sqlalchemy.pool import NullPool

from naslab.errors import LedgerError
from naslab.ledger.faults import explained
from naslab.ledger.location import Location
from naslab.ledger.tables import RESULTS_VIEW, SCHEMA_VERSION, metadata, schema

_BUSY_SECONDS = 30.0
_SQLITE_MAGIC = b"SQLite format 3\0"
_INSTALL_LOCK = 0x6E61736C
_SERVER_SCHEMA = "naslab"
_WRITES = "naslab_writes"


def open_engine(location: Location, create: bool) -> Engine:
    """A checked database of the current schema version. With `create` one is made where there is none.

    A file that is not a ledger is never modified: what it is gets read before it is opened for writing.
    """
    has_file = location.path is not None
    with explained(location):
        has_ledger = location.path is not None and _is_sqlite_ledger(location.path)
        engine = _sqlite_engine(location) if has_file else _postgres_engine(location)
        try:
            if not has_file:
                with engine.connect() as connection:
                    has_ledger = _installed_version(connection, location) is not None
            if not has_ledger and not create:
                raise LedgerError(f"there is no ledger at {location}: check the name, a search makes one")
            if not has_ledger:
                _install(engine, location)
        except BaseException:
            engine.dispose()
            raise
        return engine


def writing(engine: Engine) -> Engine:
    """The same database for transactions that write: SQLite's take the write lock when they begin.

    A transaction that began as a reader could not be promoted while another one writes.
    """
    return engine.execution_options(**{_WRITES: True})


def _is_sqlite_ledger(path: Path) -> bool:
    """Whether the file is a ledger already (else it may become one); `LedgerError` where it is something else."""
    if path.is_dir():
        raise LedgerError(f"{path} is a folder: a ledger is a file")
    try:
        with path.open("rb") as file:
            opening = file.read(len(_SQLITE_MAGIC))
    except FileNotFoundError:
        return False
    except OSError as error:
        raise LedgerError(f"ledger {path} cannot be read: {error.strerror}") from None
    if not opening:
        return False
    if opening != _SQLITE_MAGIC:
        raise LedgerError(f"{path} is not a ledger (it is not a SQLite file): name another file, it was left as it is")
    location = f"file:{quote(str(path.absolute()))}?mode=ro"
    reader = create_engine("sqlite://", creator=lambda: sqlite3.connect(location, uri=True), poolclass=NullPool)
    with reader.connect() as connection:
        damage = connection.execute(text("PRAGMA quick_check(1)")).scalar_one()
        if damage != "ok":
            reason = str(damage).replace("\n", " ")
            raise LedgerError(f"ledger {path} is damaged ({reason}): restore it from a copy, it was left as it is")
        return _installed_version(connection, Location(reader.url, path)) is not None


def _installed_version(connection: Connection, location: Location) -> int | None:
    """The schema version of the ledger there, `None` where there is nothing yet."""
    is_file = location.path is not None
    names = inspect(connection).get_table_names(schema=None if is_file else _SERVER_SCHEMA)
    if not names:
        return None
    version = connection.execute(select(schema.c.version)).scalar() if schema.name in names else None
    if version is None:
        what = f"holds {', '.join(sorted(names)[:3])}"
        raise LedgerError(f"{location} is not a ledger (it {what}): name another one, it was left as it is")
    if version > SCHEMA_VERSION:
        raise LedgerError(
            f"ledger {location} was written by a newer naslab (its version is {version}, this program reads up to "
            f"{SCHEMA_VERSION}): update naslab, it was left as it is"
        )
    return int(version)


def _install(engine: Engine, location: Location) -> None:
    """Make the tables in one transaction; programs that do so at once take turns."""
    if location.path is not None:
        _make_folder(location.path.absolute().parent)
        _turn_on_wal(engine)
    with writing(engine).begin() as connection:
        if location.path is None:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _INSTALL_LOCK})
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {_SERVER_SCHEMA}"))
        if _installed_version(connection, location) is None:
            metadata.create_all(connection, checkfirst=False)
            connection.execute(text(RESULTS_VIEW))
            connection.execute(insert(schema).values(version=SCHEMA_VERSION))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerError(f"the folder {folder} of the ledger cannot be made: {error.strerror}") from None


def _turn_on_wal(engine: Engine) -> None:
    """Write-ahead logging, so that readers never wait for the driver. The file remembers it.

    The switch does not wait for other programs that open the same new file, so it is tried again.
    """
    deadline = time.monotonic() + _BUSY_SECONDS
    connection = engine.raw_connection()
    try:
        while True:
            try:
                connection.cursor().execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
    finally:
        connection.close()


def _sqlite_engine(location: Location) -> Engine:
    engine = create_engine(location.url, connect_args={"timeout": _BUSY_SECONDS})

    def prepare(connection: Any, _: object) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver's guess
        connection.execute("PRAGMA synchronous=FULL")  # a finished outcome survives a power loss
        connection.execute("PRAGMA foreign_keys=ON")

    def begin(connection: Connection) -> None:
        is_writing = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin)
    return engine


def _postgres_engine(location: Location) -> Engine:
    settings = {
        "application_name": f"naslab process {os.getpid()} on {socket.gethostname()}",
        "connect_timeout": "15",
        # A driver's claim ends with its machine: a server that hears nothing for a minute closes the connection.
        "options": f"-csearch_path={_SERVER_SCHEMA} -ctcp_keepalives_idle=30 -ctcp_keepalives_interval=10 "
        "-ctcp_keepalives_count=3",
    }
    return create_engine(
        location.url, connect_args={key: settings[key] for key in settings.keys() - location.url.query}
    )
