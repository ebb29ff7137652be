"""Processes that searches of tables run in, side by side."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


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
    pool = _Pool(count, context, _prepare, (watched,))
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


class _Pool(ProcessPoolExecutor):
    """A pool that an interrupt does not find half way through taking work.

    There it would leave a lock of the pool's queues held, which the pool's own thread then waits for, and whoever shuts
    the pool down for that thread.
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Take work; an interrupt meanwhile is raised behind it."""
        with interrupts_deferred():
            return super().submit(fn, *args, **kwargs)


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Raise what Ctrl-C would raise here at the end; only a main thread is interrupted at all."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    deferred: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: deferred.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if deferred:
            signal.raise_signal(signal.SIGINT)


def _prepare(watched: Connection) -> None:
    """End silently at an interrupt, and when the other end of the pipe closes, by whatever hand."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with, args=(watched,), daemon=True).start()


def _end_with(watched: Connection) -> None:
    try:
        watched.recv()
    except EOFError:
        os._exit(1)
