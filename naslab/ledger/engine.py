"""Opening a ledger's database: checked before it is touched, made where there is none, migrated where it is older."""

from __future__ import annotations

import filecmp
import hashlib
import logging
import os
import shutil
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from naslab.atomic_write import DRAFT_PREFIX, draft_folder, put_in_place
from naslab.errors import LedgerError, NaslabError
from naslab.ledger.claim import require_undriven
from naslab.ledger.faults import explained
from naslab.ledger.location import Location
from naslab.ledger.migrations import SCHEMA_VERSION, checked_version, migrate
from naslab.ledger.prepared import VERSION
from naslab.ledger.read_only import allow_no_writes, copied_engine, is_writable, reading_engine
from naslab.ledger.tables import INDEX_OF_BEGUN, RESULTS_VIEW, metadata, schema, studies
from naslab.regular_files import open_regular, regular_status

logger = logging.getLogger(__name__)

_BUSY_SECONDS = 30.0
_LARGE = 64 * 2**20
"""Bytes of a SQLite file from which on it is not looked at as a whole when it is opened."""
_SQLITE_MAGIC = b"SQLite format 3\0"
_INSTALL_LOCK = 0x6E61736C
_SERVER_SCHEMA = "naslab"
_PATIENCE = "naslab_patience"
_WRITES = "naslab_writes"
_DURABLE = "naslab_durable"


def open_engine(location: Location, create: bool) -> Engine:
    """The database at `location`, checked and of the current schema version. With `create` a missing one is made.

    A file is read before it is opened for writing, so that what is not a ledger is left as it is. A ledger of an older
    version is migrated, a SQLite file after a copy of it was put beside it. Raises `LedgerError` where there is none
    and `create` is off, for what is not a ledger, is damaged, is newer than this program or cannot be reached, and for
    an older one while a study of it is driven. Without `create` a file that may not be written is opened for reading,
    one of an older version as a migrated copy in memory.
    """
    has_file = location.path is not None
    if location.path is not None and not create and location.path.is_file() and not is_writable(location.path):
        return _open_for_reading(location, location.path)
    with explained(location):
        version = None if location.path is None else _sqlite_version(location.path)
        engine = _sqlite_engine(location) if has_file else _postgres_engine(location)
        try:
            if not has_file:
                with engine.connect() as connection:
                    version = _installed_version(connection, location)
            if version is None and not create:
                raise LedgerError(f"there is no ledger at {location}: check the name, a search makes one")
            if version is None:
                _install(engine, location)
            elif version < SCHEMA_VERSION:
                _bring_up_to_date(engine, location, version)
        except BaseException:
            engine.dispose()
            raise
        return engine


def _open_for_reading(location: Location, path: Path) -> Engine:
    """The ledger in a file that may not be written; a copy of it where SQLite cannot read it there, or it is older."""
    with explained(location):
        _require_sqlite(path)
        engine = reading_engine(path)
        try:
            version = _checked(engine, location, path)
        except OperationalError:  # its log cannot be read without writing beside it
            version = 0
        if version != SCHEMA_VERSION:
            engine = copied_engine(path)
            version = _checked(engine, location, path)
        if version is None:
            raise LedgerError(f"there is no ledger at {location}: check the name, a search makes one")
        if version < SCHEMA_VERSION:
            with engine.begin() as connection:
                migrate(connection, version)
        allow_no_writes(engine)
        return engine


def writing(engine: Engine, patience: float = _BUSY_SECONDS, is_durable: bool = True) -> Engine:
    """The same database for transactions that write: SQLite's take the write lock when they begin.

    A transaction that began as a reader cannot begin to write while another one writes. The lock is waited for at most
    `patience` seconds. One that is not `is_durable` does not wait for the disk in SQLite: it survives the end of any
    program, and a power loss once a durable one was committed after it. PostgreSQL always waits, for a server that is
    killed would forget what it holds in memory.
    """
    return engine.execution_options(**{_WRITES: True, _PATIENCE: patience, _DURABLE: is_durable})


def require_current(connection: Connection, location: Location) -> None:
    """Raise `LedgerError` where another program has brought the ledger to another version since it was opened.

    On a server the version stays what it is until the connection's transaction ends.
    """
    version = checked_version([row[0] for row in VERSION.run(connection)], location)
    if version != SCHEMA_VERSION:
        raise LedgerError(f"ledger {location} is of version {version} since it was opened: open it again")


def _sqlite_version(path: Path) -> int | None:
    """The version of the ledger in a file, `None` where it may become one; `LedgerError` where it is something else."""
    if path.is_dir():
        raise LedgerError(f"{path} is a folder: a ledger is a file")
    if not _require_sqlite(path):
        return None
    location = f"file:{quote(str(path.absolute()))}?mode=ro"
    reader = create_engine("sqlite://", creator=lambda: sqlite3.connect(location, uri=True), poolclass=NullPool)
    return _checked(reader, Location(reader.url, path), path)


def _require_sqlite(path: Path) -> bool:
    """Raise `LedgerError` unless a file may be a ledger; whether there is something in it."""
    _require_plain_side_files(path)
    try:
        with open(open_regular(path, follow_links=True), "rb") as file:
            opening = file.read(len(_SQLITE_MAGIC))
    except FileNotFoundError:
        return False
    except OSError as error:
        raise LedgerError(f"ledger {path} cannot be read: {error.strerror}") from None
    if opening and opening != _SQLITE_MAGIC:
        raise LedgerError(f"{path} is not a ledger (it is not a SQLite file): name another file, it was left as it is")
    return bool(opening)


def _checked(reader: Engine, location: Location, path: Path) -> int | None:
    """The version of the ledger in a whole file, `None` where it holds nothing; `LedgerError` where it is damaged."""
    with reader.connect() as connection:
        damage = connection.execute(text(f"PRAGMA quick_check({_looked_at(connection, path)})")).scalar_one()
        if damage != "ok":
            reason = str(damage).replace("\n", " ")
            raise LedgerError(f"ledger {path} is damaged ({reason}): restore it from a copy, it was left as it is")
        return _installed_version(connection, location)


def _looked_at(connection: Connection, path: Path) -> str:
    """What of a ledger is looked at for damage when it is opened: all of it, of a large file the tables of studies.

    Every page of a large file would be read each time. What else is damaged in it is told when it is read.
    """
    is_ledger = path.stat().st_size > _LARGE and studies.name in inspect(connection).get_table_names()
    return studies.name if is_ledger else "1"


def _require_plain_side_files(path: Path) -> None:
    """Raise `LedgerError` where what SQLite keeps beside a ledger is a link, which it would write to, or no file."""
    for ending in ("-wal", "-shm", "-journal"):
        beside = Path(os.path.realpath(path) + ending)
        try:
            regular_status(beside)
        except OSError as error:
            raise LedgerError(f"ledger {path} cannot be opened beside {beside}: {error.strerror}") from None


def _installed_version(connection: Connection, location: Location) -> int | None:
    """The schema version of the ledger there, `None` where there is nothing yet."""
    is_file = location.path is not None
    names = inspect(connection).get_table_names(schema=None if is_file else _SERVER_SCHEMA)
    if not names:
        return None
    if schema.name not in names:
        what = f"holds {', '.join(sorted(names)[:3])}"
        raise LedgerError(f"{location} is not a ledger (it {what}): name another one, it was left as it is")
    return checked_version(connection.execute(select(schema.c.version)).scalars().all(), location)


def _install(engine: Engine, location: Location) -> None:
    """Make the tables in one transaction; programs that do so at once take turns."""
    if location.path is not None:
        _require_folder(location)
        _turn_on_wal(engine)
    with _alone(engine, location) as connection:
        if location.path is None:
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {_SERVER_SCHEMA}"))
        if _installed_version(connection, location) is None:
            metadata.create_all(connection, checkfirst=False)
            connection.execute(text(INDEX_OF_BEGUN))
            connection.execute(text(RESULTS_VIEW))
            connection.execute(insert(schema).values(version=SCHEMA_VERSION))


def _bring_up_to_date(engine: Engine, location: Location, version: int) -> None:
    """Migrate a ledger in one transaction while nobody drives a study of it; programs that do so at once take turns."""
    copy, is_new = None, False
    try:
        with explained(location), _alone(engine, location) as connection:
            if _installed_version(connection, location) == SCHEMA_VERSION:
                return  # another program was faster
            require_undriven(connection, location)
            copy, is_new = (None, False) if location.path is None else _copied(location.path, version)
            changes = migrate(connection, version)
    except Exception as error:
        if copy is not None and is_new:
            copy.unlink(missing_ok=True)
        if not isinstance(error, NaslabError):
            raise
        raise LedgerError(
            f"ledger {location} was written by an older naslab and cannot be brought from version {version} to "
            f"{SCHEMA_VERSION}, it was left as it is: {error}"
        ) from error
    kept = "" if copy is None else f"; as it was before: {copy}"
    logger.warning(
        "ledger %s is brought from version %d to %d (%s)%s", location, version, SCHEMA_VERSION, "; ".join(changes), kept
    )


@contextmanager
def _alone(engine: Engine, location: Location) -> Iterator[Connection]:
    """A transaction of the only program that makes or migrates this ledger."""
    with writing(engine).begin() as connection:
        if location.path is None:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _INSTALL_LOCK})
        yield connection


def _copied(path: Path, version: int) -> tuple[Path, bool]:
    """A copy of a SQLite ledger beside it under a name that is free, whole or not there; where it is, and if it is new.

    For the only program that migrates this ledger: what killed ones left of their copies is taken away, and a copy that
    one of them made of the same ledger is this one's.
    """
    mark = hashlib.sha256(path.name.encode()).hexdigest()[:16] + "-"
    for left in path.parent.glob(f"{DRAFT_PREFIX}{mark}*"):
        shutil.rmtree(left, ignore_errors=True)
    names = (f"{path.name}.version{version}" + (f".{number}" if number > 1 else "") for number in count(1))
    earlier: list[Path] = []
    while os.path.lexists(copy := path.with_name(next(names))):
        earlier.append(copy)
    with draft_folder(path.parent, mark) as draft:
        source = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)
        with closing(source), closing(sqlite3.connect(draft / copy.name)) as target:
            source.backup(target)
        shutil.copymode(path, draft / copy.name)
        same = [each for each in earlier if each.is_file() and filecmp.cmp(each, draft / copy.name, shallow=False)]
        if not same:
            put_in_place(draft / copy.name, copy)
            return copy, True
    for extra in same[1:]:
        extra.unlink(missing_ok=True)
    return same[0], False


def _require_folder(location: Location) -> None:
    """Raise `LedgerError` where a new ledger's folder is not there: a path with a typing error would make it."""
    assert location.path is not None
    folder = location.path.parent
    if not folder.is_dir():
        raise LedgerError(f"there is no folder {folder} for the ledger {location}: make it, or mend the path")


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
    opened: list[tuple[int, int]] = []

    def prepare(connection: Any, _: object) -> None:
        if not opened and (mark := _file_mark(location)) is not None:
            opened.append(mark)
        connection.isolation_level = None  # transactions are begun below, not by the driver's guess
        connection.execute("PRAGMA synchronous=FULL")  # a finished outcome survives a power loss
        connection.execute("PRAGMA foreign_keys=ON")

    def require_same_file(*_: object) -> None:
        """What is written into a file without a name is lost; two files with one log would end this program."""
        mark = _file_mark(location)
        if not opened or mark == opened[0]:
            return
        if mark is None:
            raise LedgerError(
                f"ledger {location} was taken away since it was opened: put it back, with {location}-wal if that is "
                "there, and run the same command again; if it is gone for good, that begins anew"
            )
        raise LedgerError(
            f"ledger {location} is not the file any more that was opened: take {location}-wal and {location}-shm "
            "away, which are of the one before, and run the same command again, it goes on from what is there now"
        )

    def begin(connection: Connection) -> None:
        require_same_file()
        options, info = connection.get_execution_options(), connection.info
        is_writing, patience = options.get(_WRITES, False), options.get(_PATIENCE, _BUSY_SECONDS)
        driver: Any = connection.connection.driver_connection
        if info.get(_PATIENCE) != patience:
            driver.execute(f"PRAGMA busy_timeout={round(1000 * patience)}")
            info[_PATIENCE] = patience
        is_durable = options.get(_DURABLE, True)
        if info.get(_DURABLE, True) != is_durable:
            driver.execute(f"PRAGMA synchronous={'FULL' if is_durable else 'NORMAL'}")
            info[_DURABLE] = is_durable
        driver.execute("BEGIN IMMEDIATE" if is_writing else "BEGIN")

    event.listen(engine, "do_connect", require_same_file)
    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin)
    return engine


def _file_mark(location: Location) -> tuple[int, int] | None:
    """What tells the file of a ledger from another one of its name; `None` where there is none."""
    assert location.path is not None
    try:
        found = location.path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


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
