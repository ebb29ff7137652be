"""Looking after processes in tests: which run, and whose children they are."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from pathlib import Path

HANG_SECONDS = 900.0
"""Longer than anything here takes on a busy machine: a guard against hanging, not a promise of speed."""

LOADED = ("pytest", "hypothesis", "sqlalchemy", "psycopg", "naslab.ledger", "naslab.lab.search", "naslab.lab.families")
"""What the process that forks `several_programs` has imported: each of them would take seconds for it."""


def several_programs() -> ForkServerContext:
    """Processes that share nothing with the test's own, forks of one that has imported what they need."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(LOADED))
    return context


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def wait_until(holds: Callable[[], bool]) -> bool:
    """Whether something comes true; it does not where everything else seems to hang."""
    start = time.monotonic()
    while not holds():
        waited = time.monotonic() - start
        if waited > HANG_SECONDS:
            return False
        time.sleep(min(0.25, 0.02 + waited / 20))  # looking costs those that are looked at their time
    return True


def wait_until_dead(pid: int) -> bool:
    """Whether a process ends."""
    return wait_until(lambda: not is_alive(pid))


def running_with(text: str) -> list[int]:
    """The living processes whose command line or environment holds a text."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            told = folder.joinpath("cmdline").read_bytes() + folder.joinpath("environ").read_bytes()
        except OSError:
            continue
        if text.encode() in told and is_alive(int(folder.name)):
            found.append(int(folder.name))
    return sorted(found)
