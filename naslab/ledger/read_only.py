"""SQLite ledgers that may be read and not written: on a read-only disk, another's, of an older version too."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from naslab.atomic_write import atomic_write
from naslab.errors import LedgerError
from naslab.regular_files import read_regular

_JOURNAL_VERSIONS = slice(18, 20)
"""Where a SQLite file says how it is written: 2 and 2 with a log beside it, 1 and 1 without."""
_WITHOUT_LOG = b"\x01\x01"


def is_writable(path: Path) -> bool:
    """Whether this process may write to the ledger at `path` and beside it, as SQLite must."""
    file = os.path.realpath(path)
    return os.access(file, os.W_OK) and os.access(os.path.dirname(file), os.W_OK)


def reading_engine(path: Path) -> Engine:
    """The ledger at `path` as it lies there, for reading; nothing is written to its disk."""
    place = f"file:{quote(os.path.realpath(path))}?mode=ro"
    return _begun_plainly(create_engine("sqlite://", creator=lambda: _opened(place), poolclass=NullPool))


def copied_engine(path: Path) -> Engine:
    """A copy of the ledger at `path` in memory, with what its log holds; `allow_no_writes` makes it for reading alone.

    Every thread gets a connection of its own; the copy is freed when the engine is disposed of. Raises `LedgerError`
    where the file or its log cannot be read.
    """
    place = f"file:/naslab-{uuid4().hex}?vfs=memdb"  # a name that begins with / is one database for all connections
    first = _opened(place)
    try:
        _copy(Path(os.path.realpath(path)), first)
    except BaseException:
        first.close()
        raise
    engine = _begun_plainly(create_engine("sqlite://", creator=lambda: _opened(place), poolclass=NullPool))
    event.listen(engine, "engine_disposed", lambda _: first.close())
    return engine


def allow_no_writes(engine: Engine) -> None:
    """Have every later connection of a database refuse to write, whatever it is asked."""
    asked = "PRAGMA query_only=ON" if engine.dialect.name == "sqlite" else "SET default_transaction_read_only = on"

    def prepare(connection: Any, _: object) -> None:
        connection.execute(asked)
        if engine.dialect.name != "sqlite":
            connection.commit()

    if not isinstance(engine.pool, NullPool):  # that one keeps no connection
        engine.dispose()
    event.listen(engine, "connect", prepare)


def _copy(path: Path, copy: sqlite3.Connection) -> None:
    log = Path(f"{path}-wal")
    try:
        content = read_regular(path)
        written = read_regular(log) if log.exists() else b""
    except OSError as error:
        raise LedgerError(f"ledger {path} cannot be read: {error.strerror}") from None
    if not written:
        changed = bytearray(content)
        changed[_JOURNAL_VERSIONS] = _WITHOUT_LOG
        with closing(_opened(":memory:")) as read:
            read.deserialize(bytes(changed))
            read.backup(copy)
        return
    with tempfile.TemporaryDirectory(prefix="naslab-") as folder:
        for name, data in (("ledger", content), ("ledger-wal", written)):
            atomic_write(Path(folder, name), data)
        with closing(sqlite3.connect(Path(folder, "ledger"))) as there:
            there.execute("PRAGMA journal_mode=DELETE")  # a copy in memory has no log
            there.backup(copy)


def _opened(place: str) -> sqlite3.Connection:
    return sqlite3.connect(place, uri=True, isolation_level=None, check_same_thread=False)


def _begun_plainly(engine: Engine) -> Engine:
    def prepare(connection: Any, _: object) -> None:
        connection.execute("PRAGMA foreign_keys=ON")

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin)
    return engine
