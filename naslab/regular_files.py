"""Opening regular files alone: a pipe may wait for ever, a device does what it likes, a link may lead anywhere.

Whatever naslab opens by a name that others could have given, it opens here. What is no regular file is refused at once.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path


def open_regular(
    path: Path | str, flags: int = os.O_RDONLY, permissions: int = 0o666, *, follow_links: bool = False
) -> int:
    """A descriptor of the regular file at `path`, opened with `flags`, or made with `permissions` where they say so.

    Raises `OSError`, whose `strerror` is the rule and the mend, for folders, devices, pipes and sockets, and for links
    unless `follow_links`. Never waits.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     os.mkfifo(f"{folder}/pipe")
    ...     try:
    ...         open_regular(f"{folder}/pipe")
    ...     except OSError as error:
    ...         print(error.strerror)
    it is a device or a pipe; name a file
    """
    regular_status(path, follow_links=follow_links)
    no_link = 0 if follow_links else os.O_NOFOLLOW
    descriptor = os.open(path, flags | no_link | os.O_NONBLOCK | os.O_CLOEXEC, permissions)
    try:
        _require_regular(os.fstat(descriptor), path)  # it may have been replaced since
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_regular(path: Path | str, *, follow_links: bool = False) -> bytes:
    """The bytes of the regular file at `path`; raises `OSError` as `open_regular`."""
    with open(open_regular(path, follow_links=follow_links), "rb") as file:
        return file.read()


def files_below(folder: Path) -> Iterator[Path]:
    """What lies under `folder` at every depth and is no folder; links to folders are not followed.

    Folders that vanish meanwhile, or may not be read, are left out.
    """
    return (Path(top) / name for top, _, names in os.walk(folder) for name in names)


def regular_status(path: Path | str, *, follow_links: bool = False) -> os.stat_result | None:
    """What the system knows of the regular file at `path`, `None` where there is nothing.

    Raises `OSError` as `open_regular`, for a link that leads nowhere too.
    """
    try:
        status = os.lstat(path)
        if follow_links and stat.S_ISLNK(status.st_mode):
            status = os.stat(path)
    except FileNotFoundError:
        return None
    _require_regular(status, path)
    return status


def _require_regular(status: os.stat_result, path: Path | str) -> None:
    mode = status.st_mode
    if stat.S_ISREG(mode):
        return
    if stat.S_ISLNK(mode):
        rule = f"it is a link (to {os.readlink(path)}); name the file itself, or take the link away"
        raise OSError(errno.ELOOP, rule, str(path))
    what = "a folder" if stat.S_ISDIR(mode) else "a device or a pipe"
    number = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
    raise OSError(number, f"it is {what}; name a file", str(path))
