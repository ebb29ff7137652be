"""Processes that searches of tables run in, side by side."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection


def num_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def process_pool(count: int) -> Iterator[Executor | None]:
    """A pool of `count` processes, `None` for one: there is nothing to run beside.

    They end at once where this process is interrupted, fails or is killed.
    """
    if count == 1:
        yield None
        return
    context = multiprocessing.get_context("spawn")
    watched, held = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(count, context, _prepare, (watched,))
    try:
        yield pool
    except BaseException:
        held.close()
        pool.shutdown(cancel_futures=True)
        raise
    finally:
        watched.close()
    pool.shutdown()
    held.close()


def _prepare(watched: Connection) -> None:
    """End silently at an interrupt, and when the other end of the pipe closes, by whatever hand."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with, args=(watched,), daemon=True).start()


def _end_with(watched: Connection) -> None:
    try:
        watched.recv()
    except EOFError:
        os._exit(1)
