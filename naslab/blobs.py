"""What is too big for a row, weights above all: files by the hash of what they hold."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from naslab.atomic_write import DRAFT_PREFIX, atomic_write
from naslab.errors import LedgerError, WriteError
from naslab.regular_files import read_regular, regular_status

_HASH = re.compile(r"[0-9a-f]{64}")


class BlobStore:
    """Files in a `folder`, each named by the SHA-256 of its bytes; equal bytes are kept once.

    The folder is made when something is put there. Every method raises `LedgerError` for a `sha256` that is not 64
    hexadecimal digits, and where the system refuses.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = BlobStore(Path(folder))
    ...     store.get(store.put(b"weights"))
    b'weights'
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, data: bytes) -> str:
        """Keep bytes and return their hash: on the disk, whole, before this returns.

        Raises `LedgerError` where they cannot be written.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.path(sha256)
        try:
            if regular_status(path) is None:
                atomic_write(path, data)
        except (OSError, WriteError) as error:
            reason = error.reason if isinstance(error, WriteError) else error.strerror
            raise LedgerError(f"{len(data):,} bytes cannot be kept in {self.folder}: {reason}") from None
        return sha256

    def get(self, sha256: str) -> bytes:
        """The bytes of a hash; raises `LedgerError` where they are missing or no longer what was put."""
        path = self.path(sha256)
        try:
            data = read_regular(path)
        except OSError as error:
            raise LedgerError(f"{path} cannot be read ({error.strerror}): restore it from a copy") from None
        if hashlib.sha256(data).hexdigest() != sha256:
            raise LedgerError(f"{path} is damaged (its content has another hash): restore it from a copy")
        return data

    def discard(self, sha256: str) -> None:
        """Take the bytes of a hash away, if they are there; raises `LedgerError` where the system refuses."""
        path = self.path(sha256)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise LedgerError(f"{path} cannot be taken away: {error.strerror}") from None

    def sweep(self, needed: Collection[str]) -> int:
        """Take away all blobs but those of the `needed` hashes, and unfinished files; returns how many files went.

        Nobody may put anything into the store meanwhile: what is being written would be taken for an unfinished file.
        Files that are not the store's own stay. Raises `LedgerError` where the system refuses.
        """
        count = 0
        for path in sorted(self.folder.glob("[0-9a-f][0-9a-f]/*")):
            is_blob = _HASH.fullmatch(path.name) is not None and path.name not in needed
            if not is_blob and not path.name.startswith(DRAFT_PREFIX):
                continue
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise LedgerError(f"{path} cannot be taken away: {error.strerror}") from None
            count += 1
        return count

    def take_away(self, *folders: str) -> None:
        """Take away all blobs, unfinished files and the `folders` in the store, and the store's own where it is empty.

        Files that are not the store's own stay, and where the store is a link all of it. Raises `LedgerError` where the
        system refuses.
        """
        if self.folder.is_symlink() or not self.folder.is_dir():
            return
        self.sweep(())
        for name in folders:
            try:
                if (self.folder / name).is_dir() and not (self.folder / name).is_symlink():
                    shutil.rmtree(self.folder / name)
            except OSError as error:
                raise LedgerError(f"{error.filename} cannot be taken away: {error.strerror}") from None
        for folder in (*self.folder.glob("[0-9a-f][0-9a-f]"), self.folder):
            with suppress(OSError):  # it holds something of others
                folder.rmdir()

    def path(self, sha256: str) -> Path:
        """Where the bytes of a hash are, or would be.

        Raises `LedgerError` for what is not 64 hexadecimal digits.
        """
        if not _HASH.fullmatch(sha256):
            raise LedgerError(f"a content hash is 64 hexadecimal digits, got '{sha256[:80]}'")
        return self.folder / sha256[:2] / sha256
