"""Location: where a ledger is, and how that may be shown."""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from naslab.errors import LedgerError
from naslab.passwords import holds_password, without_passwords

_FORMS = "a ledger is a file (studies.db), sqlite:///studies.db or postgresql://user@host/database"
_ALMOST_A_URL = re.compile(r"(?:sqlite|postgres(?:ql)?)(?:\+\w+)?:", re.IGNORECASE)
_SCHEME_IS_MISSING = re.compile(r"[^\s/:@]+:.+@[^/]+/", re.DOTALL)


class Location(msgspec.Struct, frozen=True):
    """A ledger's address: `url` as SQLAlchemy has it, `path` the file of a SQLite ledger, else `None`."""

    url: URL
    path: Path | None

    def __str__(self) -> str:
        """The address as users know it, without passwords."""
        if self.path is not None:
            return str(self.path)
        return without_passwords(self.url.set(drivername="postgresql").render_as_string(hide_password=False))

    def __repr__(self) -> str:
        return f"Location({self})"

    @property
    def ray_log(self) -> Path:
        """The file for what Ray says: beside the ledger's file, or in the working folder for a server."""
        return Path(f"{self.url.database if self.path is None else os.path.realpath(self.path)}.ray.log")

    @property
    def blob_folder(self) -> Path:
        """The folder of what is too big for rows: beside the file, or in the working folder for a server.

        A link to a ledger has it beside the file that it leads to, unless an older program put it beside the link.
        """
        if self.path is not None:
            beside = self.path.with_name(self.path.name + ".blobs")
            beside_file = Path(os.path.realpath(self.path) + ".blobs")
            is_old = self.path.is_symlink() and beside.is_dir() and not beside_file.is_dir()
            return beside_file if self.path.is_symlink() and not is_old else beside
        return Path(f"{self.url.database}.blobs")


def locate(location: str | Path) -> Location:
    """The address that a path or a URL stands for; raises `LedgerError` where it is neither. Passwords are never shown.

    >>> str(locate("postgresql://ada:secret@db.example/lab"))
    'postgresql://ada:***@db.example/lab'
    >>> locate("sqlite:///studies.db").path
    PosixPath('studies.db')
    """
    if isinstance(location, Path) or "://" not in location:
        return _file(str(location))
    scheme = location.partition("://")[0]
    dialect = scheme.partition("+")[0]
    if dialect not in ("sqlite", "postgresql", "postgres"):
        raise LedgerError(f"a ledger cannot be on '{scheme}': {_FORMS}")
    try:
        url = make_url(location)
    except (ArgumentError, ValueError):
        raise LedgerError(f"the ledger's URL ({scheme}://...) cannot be read: {_FORMS}") from None
    if dialect == "sqlite":
        return _file(url.database or "")
    if "@" in (url.host or "") or "@" in (url.database or ""):
        raise LedgerError("the ledger's URL holds a second '@': write one that belongs to the password as %40")
    if not url.database:
        raise LedgerError(f"the ledger's URL names no database: {_FORMS}")
    return Location(url.set(drivername="postgresql+psycopg"), None)


def _file(path: str) -> Location:
    if path in ("", ":memory:"):
        raise LedgerError(f"a ledger outlives the program and cannot be in memory: {_FORMS}")
    if _ALMOST_A_URL.match(path) or holds_password(path):
        raise LedgerError(f"the ledger {path} is neither a file nor a URL: {_FORMS}")
    if _SCHEME_IS_MISSING.match(path) and not Path(path).parent.is_dir():
        raise LedgerError(f"the ledger looks like user:...@host/database without postgresql:// in front: {_FORMS}")
    return Location(URL.create("sqlite", database=path), Path(path))
