"""Other packages at work without what they say of their own parts."""

from __future__ import annotations

import ctypes
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO


@contextmanager
def quiet_packages() -> Iterator[None]:
    """Without warnings, log lines up to warnings and printed lines, for the block; settings are left as they were.

    >>> with quiet_packages():
    ...     warnings.warn("deprecated within another package", stacklevel=1)
    """
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


STDOUT = 1


@contextmanager
def quiet_compiled_code() -> Iterator[None]:
    """Without what compiled code prints, which passes `sys.stdout` by, for the block.

    It is for short blocks: what other threads print meanwhile is lost too.

    >>> with quiet_compiled_code():
    ...     _ = os.write(1, b"a graph of ten thousand lines")
    """
    try:
        kept = os.dup(STDOUT)
    except OSError:  # a program without an output
        yield
        return
    try:
        _flush()
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), STDOUT)
        yield
    finally:
        _flush()
        os.dup2(kept, STDOUT)
        os.close(kept)


def _flush() -> None:
    """Write what compiled code has printed and keeps in its buffer."""
    if os.name == "posix":
        ctypes.CDLL(None).fflush(None)
