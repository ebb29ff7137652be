"""Files written whole or not at all: by what writes, and what happens when it is killed, interrupted or out of room.

A draft of a name of its own is written beside the place, flushed to the disk, and only then given the place's name. A
reader sees the old file or the new one, never a part, also after a power loss. Of writers at once the last one wins.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from naslab.errors import WriteError
from naslab.passwords import holds_password
from naslab.regular_files import open_regular, regular_status

DRAFT_PREFIX = ".partial-"
"""What the names of drafts begin with. Only a writer that is killed leaves one behind."""

Writer = Callable[[BinaryIO], object]
"""A function that writes a file's content to the open binary file that it is given."""


def atomic_write(path: Path | str, content: bytes | str | Writer) -> None:
    """Write a file whole or not at all, on the disk before this returns; its folder is made where there is none.

    `content` is the bytes, a text (UTF-8), or a function that writes to an open binary file. A new file may be read
    and written by whom the process's umask lets; one that takes the place of another keeps that one's permissions.
    Raises `WriteError` for a link, whatever it points to, for a device, a pipe or a folder at `path`, and where the
    system refuses; the old file is left as it is. What a function raises that is no `OSError` passes.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     atomic_write(f"{folder}/deep/report.txt", "whole")
    ...     Path(f"{folder}/deep/report.txt").read_text()
    'whole'
    """
    target = Path(path)
    with _explained(target):
        permissions = _permissions(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.parent / _draft_name()
        try:
            # A new file, never what a link points to, with the permissions that the umask leaves.
            with open(open_regular(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
                if permissions is not None:
                    os.fchmod(file.fileno(), permissions)
                if isinstance(content, bytes | str):
                    file.write(content if isinstance(content, bytes) else content.encode())
                else:
                    content(file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
        except BaseException:
            with suppress(OSError):  # the first error is the one to tell
                draft.unlink(missing_ok=True)
            raise
        _flush(target.parent)


def json_content(value: Any) -> bytes:
    """What a file of JSON for people holds: a `value`, structs and all, indented, with a newline at the end.

    >>> json_content({"macs": 12, "names": ["a"]}).decode().splitlines()
    ['{', '  "macs": 12,', '  "names": [', '    "a"', '  ]', '}']
    """
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


@contextmanager
def draft_folder(parent: Path, mark: str = "") -> Iterator[Path]:
    """An empty folder in `parent`, for files that others write by name; it goes with the block.

    What is to stay is moved out of it by `put_in_place`. Its name begins with `DRAFT_PREFIX` and the `mark`, by which
    who alone makes such folders finds those that a killed program left. Raises `WriteError` where the folder cannot be
    made.
    """
    draft = parent / _draft_name().replace(DRAFT_PREFIX, DRAFT_PREFIX + mark)
    try:
        with _explained(parent):
            parent.mkdir(parents=True, exist_ok=True)
            draft.mkdir()
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def put_in_place(draft: Path, path: Path) -> None:
    """Move a finished `draft`, a file or a folder of files, to `path`, once what it holds is on the disk.

    A file takes the place of another; a folder that is there must be empty. Raises `WriteError` as `atomic_write`.
    """
    with _explained(path):
        for each in [*(draft.iterdir() if draft.is_dir() else ()), draft]:
            _flush(each)
        if not draft.is_dir():
            _permissions(path)
        draft.replace(path)
        _flush(path.parent)


def require_writable(path: Path) -> None:
    """Raise `WriteError` where a file could not be written at `path`. Call it before work whose result goes there.

    Makes the folder where there is none.
    """
    with _explained(path):
        _permissions(path)
        path.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(path.parent, os.W_OK):
        raise WriteError(path, "its folder may not be written to; name a file in a folder of yours")


def make_folder(path: Path) -> None:
    """Make a folder for files, where it is not there. Raises `WriteError` for a file, and where the system refuses."""
    if holds_password(str(path)):
        raise WriteError(path, "it is an address with a password; name a folder")
    if path.exists() and not path.is_dir():
        raise WriteError(path, "it is a file; name a folder")
    with _explained(path):
        path.mkdir(parents=True, exist_ok=True)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WriteError(path, error.strerror or str(error)) from error


def _permissions(path: Path) -> int | None:
    """Those of the file that is there, `None` where there is none; `OSError` where it is no regular file.

    A link is refused: whoever may write to the folder could point it at any file of the user's.
    """
    if holds_password(str(path)):
        raise WriteError(path, "it is an address with a password; name a file")
    status = regular_status(path)
    return None if status is None else stat.S_IMODE(status.st_mode)


def _draft_name() -> str:
    """A name that no other writer has, short whatever the place's name is."""
    return DRAFT_PREFIX + secrets.token_hex(8)


def _flush(path: Path) -> None:
    """Have a folder's names, or a file's content, on the disk."""
    descriptor = os.open(path, os.O_RDONLY) if path.is_dir() else open_regular(path)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
