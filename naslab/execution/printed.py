"""What code in a worker prints: passed on line by line, a bounded number of lines for each candidate."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TextIO

MOST_LINES = 200
"""Lines of one candidate; those behind them are left out, and that is said."""
MOST_CHARACTERS = 500
"""Characters of a line."""


class PrintedLines(io.TextIOBase):
    """A stream that gives each whole line to `say`; of one that is overwritten (`\\r`) what stands there at its end.

    What processes forked from this one print goes to `stream`, since only this one may speak to the driver.
    """

    def __init__(self, stream: TextIO, say: Callable[[str], None]) -> None:
        self._stream = stream
        self._say = say
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._begun = ""
        self._num_lines = 0

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, text: str) -> int:
        if os.getpid() != self._process:
            return self._stream.write(text)
        with self._lock:
            *lines, self._begun = (self._begun + text).split("\n")
            self._begun = self._begun[-MOST_CHARACTERS:]
            for line in lines:
                self._pass_on(line)
        return len(text)

    def finish(self) -> None:
        """Give on what was begun and not ended."""
        with self._lock:
            begun, self._begun = self._begun, ""
            if begun.strip():
                self._pass_on(begun)

    def _pass_on(self, line: str) -> None:
        if self._num_lines > MOST_LINES:
            return
        self._num_lines += 1
        if self._num_lines > MOST_LINES:
            self._say(f"... what it prints beyond {MOST_LINES} lines is left out")
            return
        text = line.rstrip("\r").rpartition("\r")[2]
        self._say(text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "...")


@contextmanager
def printed_lines(stream: TextIO, say: Callable[[str], None]) -> Iterator[None]:
    """Inside the block whole lines that are printed go to `say`, and those of forked processes to `stream`."""
    lines = PrintedLines(stream, say)
    with redirect_stdout(lines):
        try:
            yield
        finally:
            lines.finish()
