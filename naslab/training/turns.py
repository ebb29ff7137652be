"""Turns on this machine: who measures time is alone, and trainings of workers wait meanwhile between their steps.

Two locks on files of the user's: whoever works holds `work` together with others; whoever measures holds `door`, at
which the others wait, and then `work` alone. The system releases the locks of a process that dies.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # no such locks on this system: everybody works at once, and measurements say so
    fcntl = None  # type: ignore[assignment]


class Turns:
    """The turns of one process, by the lock files of a `folder`; without one everybody works at once.

    >>> turns = Turns()
    >>> with turns.work(), turns.alone():
    ...     pass
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._door = self._work = -1
        if folder is None or fcntl is None:
            return
        with suppress(OSError):
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._door = os.open(folder / "door", flags, 0o600)
            self._work = os.open(folder / "work", flags, 0o600)

    @property
    def _is_off(self) -> bool:
        return self._work < 0

    @contextmanager
    def work(self) -> Iterator[None]:
        """Work beside others for the block; it begins when nobody measures."""
        if self._is_off:
            yield
            return
        self._enter()
        try:
            yield
        finally:
            fcntl.flock(self._work, fcntl.LOCK_UN)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within a block of `work`: measure alone for this block, which begins when all others wait."""
        if self._is_off:
            yield
            return
        fcntl.flock(self._work, fcntl.LOCK_UN)
        fcntl.flock(self._door, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._work, fcntl.LOCK_EX)
            yield
        finally:
            fcntl.flock(self._work, fcntl.LOCK_SH)
            fcntl.flock(self._door, fcntl.LOCK_UN)

    def give_way(self) -> None:
        """Within a block of `work`, between two steps: wait while somebody measures."""
        if self._is_off:
            return
        try:
            fcntl.flock(self._door, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(self._work, fcntl.LOCK_UN)
            self._enter()
        else:
            fcntl.flock(self._door, fcntl.LOCK_UN)

    def _enter(self) -> None:
        fcntl.flock(self._door, fcntl.LOCK_SH)
        fcntl.flock(self._work, fcntl.LOCK_SH)
        fcntl.flock(self._door, fcntl.LOCK_UN)


def turns_of_machine() -> Turns:
    """The turns of all workers that this user has on this machine; none where there is no folder of theirs alone."""
    if fcntl is None:
        return Turns()
    folder = Path(tempfile.gettempdir()) / f"naslab-turns-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return Turns()
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return Turns(folder if is_ours else None)
