"""Errors of databases as messages for users: what is wrong, where, and what to do."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, IntegrityError

from naslab.errors import LedgerError, UnreachedError
from naslab.ledger.location import Location

if TYPE_CHECKING:
    import psycopg

_LITTLE_ROOM = 256 * 1024
"""Below this many free bytes a failed write is taken for a full disk: SQLite's log grows by a few pages at a time."""


_UNDECODED = 0xFF
"""In place of a code of SQLite: the one error that Python's driver raises without one, for text that is not UTF-8."""


@contextmanager
def explained(location: Location) -> Iterator[None]:
    """Raise errors of the database inside the block as `LedgerError`, which says what to do.

    `location` is named in the message; a server that does not answer is an `UnreachedError`. A broken constraint
    (`IntegrityError`) passes: only the caller knows what it means.
    """
    try:
        yield
    except IntegrityError:
        raise
    except UnicodeDecodeError as error:  # SQLite hands out text as it finds it
        raise LedgerError(_damaged(str(location), error)) from error
    except (DBAPIError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if isinstance(cause, sqlite3.Error) and location.path is not None:
            raise LedgerError(_about_file(location.path, cause)) from error
        if location.path is None:
            import psycopg

            if isinstance(cause, psycopg.Error):
                raise _about_server(location, cause) from error
        raise


def _about_file(path: Path, error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", _UNDECODED) & 0xFF
    folder = path.absolute().parent
    free = shutil.disk_usage(folder).free if folder.is_dir() else 0
    if code == sqlite3.SQLITE_FULL or (_is_write(code) and folder.is_dir() and free < _LITTLE_ROOM):
        return (
            f"the disk of {folder} is full ({free:,} bytes free), so the ledger {path.name} cannot be written: "
            "make room and run the same command again, every finished outcome is kept"
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, _UNDECODED):
        return _damaged(str(path), error)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
        return f"ledger {path} cannot be opened for writing ({error}): make the file and its folder writable"
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"ledger {path} is locked by another program ({error}): end what holds it and try again"
    return f"ledger {path} cannot be written or read ({error}, {free:,} bytes free on its disk)"


def _damaged(ledger: str, error: Exception) -> str:
    return f"ledger {ledger} is damaged ({error}): restore it from a copy, or start a new one under another name"


def _is_write(code: int) -> bool:
    """Codes under which SQLite reports the failed writes and the failed new files of a full disk."""
    return code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)


def _about_server(location: Location, error: psycopg.Error) -> LedgerError:
    from psycopg import OperationalError
    from psycopg.errors import DiskFull, InsufficientPrivilege

    # The message is the server's or libpq's own, which never repeat a password.
    reason = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, DiskFull) or os.strerror(errno.ENOSPC) in reason:
        return LedgerError(
            f"the disk of the server of ledger {location} is full ({reason}): make room and run the same command "
            "again, every finished outcome is kept"
        )
    if isinstance(error, InsufficientPrivilege):
        return LedgerError(f"ledger {location}: the user may not do that ({reason}): grant it CREATE on the database")
    if isinstance(error, OperationalError):
        return UnreachedError(
            f"ledger {location} cannot be reached ({reason}): check that the server runs and the URL is right"
        )
    return LedgerError(f"ledger {location}: {reason}")
