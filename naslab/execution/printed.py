"""What code in a worker prints: passed on line by line, a bounded number of lines for each candidate."""

from __future__ import annotations

import codecs
import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import Any, TextIO

UTF_8 = codecs.getincrementaldecoder("utf-8")
MOST_LINES = 200
"""Lines of one candidate; those behind them are left out, and that is said."""
MOST_CHARACTERS = 500
"""Characters of a line."""


class PrintedLines(io.BufferedIOBase):
    """What a worker prints, in bytes: each whole line goes to the candidate that is estimated, the rest to `stream`.

    There is one of a worker, since what a candidate leaves behind (a thread, a handler of `logging`) goes on writing to
    the stream that it has. Of a line that is overwritten (`\\r`) what stands there at its end is passed on. What
    processes forked from this one print goes to `stream`, too, since only this one may speak to the driver.
    """

    name = "<stdout>"

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._say: Callable[[str], None] | None = None
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._decoder = UTF_8(errors="replace")
        self._begun = ""
        self._num_lines = 0

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, data: Any) -> int:
        if os.getpid() != self._process:
            self._stream.write(bytes(data).decode(errors="replace"))
            return len(data)
        with self._lock:
            text = self._decoder.decode(data)
            if self._say is None:
                self._stream.write(text)
                return len(data)
            *lines, self._begun = (self._begun + text).split("\n")
            self._begun = self._begun[-MOST_CHARACTERS:]
            for line in lines:
                self._pass_on(line, self._say)
        return len(data)

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        """Stay open: a candidate may close its own stream of text, and not that of the next one."""

    def text(self) -> TextIO:
        """A stream of text that writes here, with all that `sys.stdout` has."""
        return io.TextIOWrapper(self, encoding="utf-8", errors="replace", newline="", write_through=True)

    @contextmanager
    def given_to(self, say: Callable[[str], None]) -> Iterator[None]:
        """Inside the block whole lines that are printed go to `say`, as many as one candidate may have."""
        with self._lock:
            self._say, self._begun, self._num_lines = say, "", 0
        stdout = self.text()
        try:
            with redirect_stdout(stdout):
                yield
        finally:
            with suppress(ValueError):  # closed, or taken apart
                stdout.flush()
            with self._lock:
                if self._begun.strip():
                    self._pass_on(self._begun, say)
                self._say = None

    def _pass_on(self, line: str, say: Callable[[str], None]) -> None:
        if self._num_lines > MOST_LINES:
            return
        self._num_lines += 1
        if self._num_lines > MOST_LINES:
            say(f"... what it prints beyond {MOST_LINES} lines is left out")
            return
        text = line.rstrip("\r").rpartition("\r")[2]
        say(text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "...")
