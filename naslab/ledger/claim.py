"""A claim lets one process drive a study; it ends with the process that holds it, also where that is killed."""

from __future__ import annotations

import errno
import fcntl
import glob
import math
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import FileIO
from pathlib import Path

from sqlalchemy import Connection, Engine, select, text
from sqlalchemy.exc import DBAPIError

from naslab.errors import LedgerError, StudyError, UnreachedError
from naslab.ledger.faults import explained
from naslab.ledger.location import Location
from naslab.ledger.tables import studies
from naslab.regular_files import open_regular, read_regular

_LOCK_CLASS = 0x6E61736C
"""The first half of the advisory lock's key, so that other programs' locks in the database do not meet ours."""

_HOLDER = text("""
SELECT application_name, backend_start, pid
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND classid = :kind AND objid = :study
  AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
""")

_DRIVEN = text("""
SELECT objid::bigint, application_name, backend_start
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND classid = :kind
  AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
""")


@contextmanager
def claimed_file(ledger: Path, study_id: int, name: str) -> Iterator[None]:
    """Hold a study of a SQLite ledger: a lock of the operating system on a small file beside it.

    `ledger` is the ledger's file or a link to it, `study_id` the study's key in it, `name` its name in messages. Raises
    `StudyError` that says who holds the study, and `LedgerError` where the file cannot be made.
    """
    path = Path(f"{os.path.realpath(ledger)}.claim{study_id}")  # one claim, whichever link a ledger is opened by
    file = _locked(path, name)
    # A forked worker inherits the lock; it lets go at once, so that the claim ends with the driver alone.
    os.register_at_fork(after_in_child=file.close)
    try:
        _sign(file, path)
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()


def _sign(file: FileIO, path: Path) -> None:
    """Write into a claim who holds it; raises `LedgerError` where it cannot be written, as on a full disk."""
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    try:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()} since {since}".encode())
    except OSError as error:
        raise LedgerError(
            f"the claim {path} cannot be written ({error.strerror}): make room and run the same command again, every "
            "finished outcome is kept"
        ) from None


def require_undriven(connection: Connection, location: Location) -> None:
    """Raise `LedgerError` where any program drives a study of the ledger, of whatever version it is."""
    if location.path is None:
        found = connection.execute(_DRIVEN, {"kind": _LOCK_CLASS}).all()
        drivers = {study_id: f"{name} since {since:%Y-%m-%d %H:%M:%S %Z}" for study_id, name, since in found}
    else:
        drivers = _drivers(location.path)
    for study_id, holder in drivers.items():
        name = connection.execute(select(studies.c.name).where(studies.c.study_id == study_id)).scalar()
        raise LedgerError(f"study '{name}' is being driven by {holder}: wait until that has ended, or end it")


def driven_studies(connection: Connection, location: Location) -> dict[int, str]:
    """Who drives which study of the ledger at `location`, by the study's key, told without taking a lock.

    A program that looks again and again must not be in the way of one that claims a study at that moment. So of a
    SQLite ledger it is what claims say of themselves; one whose process is gone from this machine is a killed driver's.
    """
    if location.path is None:
        return {study_id: str(name) for study_id, name, _ in connection.execute(_DRIVEN, {"kind": _LOCK_CLASS}).all()}
    found = {}
    for path in map(Path, _claims(os.path.realpath(location.path))):
        number = path.name.rpartition(".claim")[2]
        with suppress(OSError):
            told = read_regular(path)[:400].decode(errors="replace")
            if number.isdecimal() and _is_alive(told):
                found[int(number)] = told.partition(" since ")[0]
    return found


def _is_alive(holder: str) -> bool:
    """Whether the process that a claim names may still be there."""
    said = re.match(r"process (\d+) on (\S+) since ", holder)
    if said is None:
        return False
    if said[2] != socket.gethostname():
        return True
    try:
        os.kill(int(said[1]), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return not _has_ended(int(said[1]))


def _has_ended(number: int) -> bool:
    """Whether a process was killed and only waits for its parent to hear of it; Linux tells."""
    try:
        status = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[:1] in (["Z"], ["X"])


def _drivers(ledger: Path) -> dict[int, str]:
    """Who drives which study of a SQLite ledger; older programs put a claim beside the link that they opened it by."""
    found = {}
    for path in sorted(map(Path, {each for name in (ledger, os.path.realpath(ledger)) for each in _claims(name)})):
        number = path.name.rpartition(".claim")[2]
        try:
            opened = open_regular(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise LedgerError(f"the claim {path} cannot be looked at: {error.strerror}") from None
        with open(opened, "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                if number.isdecimal():
                    found[int(number)] = file.read(400).decode(errors="replace") or "another process"
    return found


def _claims(ledger: Path | str) -> list[str]:
    """The files of claims beside a ledger or a link to it."""
    return glob.glob(f"{glob.escape(str(ledger))}.claim*")


def _locked(path: Path, name: str) -> FileIO:
    """The claim's file, locked by this process; `StudyError` says who holds it."""
    for _ in range(100):
        try:
            file = FileIO(open_regular(path, os.O_RDWR | os.O_CREAT, 0o644), "r+")
            _require_one_name(file, path)
        except OSError as error:
            raise LedgerError(f"study '{name}' cannot be claimed beside its ledger: {path}: {error.strerror}") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = file.read(400).decode(errors="replace") or "another process"
            file.close()
            raise _held(name, holder) from None
        if _is_at(file, path):
            return file
        file.close()  # its last holder took the file away between our opening and our locking it
    raise LedgerError(f"study '{name}' cannot be claimed: {path} keeps being replaced")


def _require_one_name(file: FileIO, path: Path) -> None:
    """Raise `OSError` where the file has another name too: what it holds is then somebody's."""
    if os.fstat(file.fileno()).st_nlink > 1:
        file.close()
        raise OSError(errno.EMLINK, "it is a link (the file has another name too); take it away", str(path))


def _is_at(file: FileIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


class ServerClaim:
    """A study of a PostgreSQL ledger that this process drives: an advisory lock of a connection kept for nothing else.

    `engine` is the database at `location`, `study_id` the study's key in it, `name` its name in messages. Raises
    `StudyError` that says who holds the study, and `LedgerError` where the server cannot be reached. `taken_again` is
    when it was last claimed once more, by `time.monotonic`.
    """

    def __init__(self, engine: Engine, location: Location, study_id: int, name: str) -> None:
        self._engine = engine
        self._location = location
        self._key = {"kind": _LOCK_CLASS, "study": study_id}
        self._name = name
        self._backend = 0
        self.taken_again = -math.inf
        self._connection = self._taken()

    def require_held(self) -> None:
        """Raise `UnreachedError` where the connection is gone, and the claim with it."""
        if self._connection.invalidated or self._connection.closed:  # used again it would be another one, without claim
            raise UnreachedError(
                f"the claim of study '{self._name}' in ledger {self._location} is lost with its connection"
            )
        with explained(self._location):
            self._connection.execute(text("SELECT 1"))

    def take_again(self) -> bool:
        """Claim the study once more where the connection is gone; tells whether it was. Raises as making a claim does.

        A server may not know yet that it is gone, which is an `UnreachedError` too.
        """
        try:
            self.require_held()
        except UnreachedError:
            self.release()
            self._connection = self._taken()
            self.taken_again = time.monotonic()
            return True
        return False

    def release(self) -> None:
        """Let go of the study."""
        if not (self._connection.invalidated or self._connection.closed):
            with suppress(DBAPIError):  # a connection that is gone has taken its lock with it
                self._connection.execute(text("SELECT pg_advisory_unlock(:kind, :study)"), self._key)
        self._connection.close()

    def _taken(self) -> Connection:
        with explained(self._location), ExitStack() as closing:
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            closing.callback(connection.close)
            asked = text("SELECT pg_try_advisory_lock(:kind, :study), pg_backend_pid()")
            is_taken, backend = connection.execute(asked, self._key).one()
            if is_taken:
                self._backend = backend
                closing.pop_all()
                return connection
            holder = connection.execute(_HOLDER, self._key).first()
        if holder is not None and holder[2] == self._backend:
            raise UnreachedError(f"the server of ledger {self._location} still keeps a claim whose connection is gone")
        raise _held(self._name, f"{holder[0]} since {holder[1]:%Y-%m-%d %H:%M:%S %Z}" if holder else "another process")


@contextmanager
def claimed_server(engine: Engine, location: Location, study_id: int, name: str) -> Iterator[ServerClaim]:
    """Hold a study of a PostgreSQL ledger for the block.

    `engine`, `location`, `study_id` and `name` are those of `ServerClaim`, and so are the errors.
    """
    claim = ServerClaim(engine, location, study_id, name)
    try:
        yield claim
    finally:
        claim.release()


def _held(name: str, holder: str) -> StudyError:
    return StudyError(f"study '{name}' is being driven by {holder}: end that one, or give this run another study name")
