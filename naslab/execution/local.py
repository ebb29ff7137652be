"""LocalExecutor: worker processes on this machine."""

from __future__ import annotations

import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import IO, Any, Self

import cloudpickle

from naslab.errors import WorkerError
from naslab.estimators.estimator import Estimator
from naslab.execution.admission import MemoryModel
from naslab.execution.executor import Happened
from naslab.execution.worker import Message, Placement
from naslab.execution.worker_pool import WorkerPool
from naslab.execution.worker_process import START
from naslab.study.outcome import Candidate, Failure

LAST_WORDS_BYTES = 4000
PATIENT_SPINS = 2_000
"""Looks that a thread of GNU OpenMP takes before it sleeps, 300,000 by itself. Measured with two threads on two cores:
a small training takes 1.2 times as long where nothing else runs, a fifteenth where three others train."""

KEPT_BYTES = 2 * 2**30
"""Freed memory that the C library of a worker keeps for itself while it trains. Otherwise it returns every large tensor
of a step to the system, which hands it out again page by page: a sixth of the time of training networks of 32 x 32
pixels. After each training all of it is returned."""
WORKER_SETTINGS = {
    "MALLOC_MMAP_MAX_": "0",  # of glibc, as the next one; others pass over them
    "MALLOC_TRIM_THRESHOLD_": str(KEPT_BYTES),
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # by itself cuBLAS's sums may change with what else runs on the GPU
}
"""Environment variables of workers, whatever starts them, where the driver's environment does not say otherwise."""


class LocalExecutor:
    """`num_workers` worker processes on this machine that estimate one candidate each with `estimator`.

    They start side by side on entering and load torch while the driver goes on. `device` is a torch device name or
    `auto`; workers take the visible GPUs in turn, `gpus_per_worker=0.5` lets two share one. A candidate that takes
    longer than `timeout_seconds` fails as `timed_out`, its worker replaced; one that takes more than `memory_bytes`
    beside the idle worker fails as `out_of_memory`. With a `memory` model candidates train at once on one device only
    where they are predicted to fit it together; others wait. Workers on one GPU take turns, and their kernels run side
    by side where NVIDIA's Multi-Process Service was started before. The workers need no `__main__` guard, end with the
    driver however it dies, and leave Ctrl-C to it. Each computes with so many `threads`, by default its share of the
    cores. Raises `WorkerError` for less than one worker.

    >>> LocalExecutor(estimator, num_workers=2).num_slots  # doctest: +SKIP
    2
    """

    def __init__(
        self,
        estimator: Estimator,
        num_workers: int = 1,
        device: str = "auto",
        gpus_per_worker: float | None = None,
        timeout_seconds: float | None = None,
        memory: MemoryModel | None = None,
        threads: int | None = None,
        memory_bytes: int | None = None,
    ) -> None:
        if num_workers < 1:
            raise WorkerError(f"num_workers: must be at least 1, got {num_workers}")
        threads = threads or threads_each(num_workers)
        payload = cloudpickle.dumps(estimator)  # by value where a script or a notebook defines it
        self._lifeline = Lifeline()
        self._hosts = [
            ProcessHost(
                Placement(f"worker-{number}", number, device, gpus_per_worker, threads, memory_bytes),
                payload,
                self._lifeline,
            )
            for number in range(num_workers)
        ]
        self._pool = WorkerPool(self._hosts, self._watch, timeout_seconds, memory)

    @property
    def num_slots(self) -> int:
        return len(self._hosts)

    def submit(self, candidate: Candidate) -> None:
        self._pool.submit(candidate)

    def wait(self, timeout: float) -> Sequence[Happened]:
        return self._pool.wait(timeout)

    def __enter__(self) -> Self:
        self._lifeline.open()
        try:
            self._pool.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.end()
        self._lifeline.close()

    def _watch(self, seconds: float) -> None:
        wait([host.channel for host in self._hosts if host.is_open], seconds)


class Lifeline:
    """A pipe whose one end the driver alone holds: at the other end, workers see it go."""

    def __init__(self) -> None:
        self._ends: tuple[int, int] | None = None

    def open(self) -> None:
        self._ends = os.pipe()

    def close(self) -> None:
        ends, self._ends = self._ends, None
        for end in ends or ():
            os.close(end)

    def fileno(self) -> int:
        """The end for the workers."""
        assert self._ends is not None, "the executor is not entered"
        return self._ends[0]


class ProcessHost:
    """A worker process at the other end of a socket, the leader of a process group of its own."""

    channel: Connection[Any, Any]
    is_open: bool
    _news: select.poll

    def __init__(self, placement: Placement, estimator: bytes, lifeline: Lifeline) -> None:
        self.name = placement.name
        self._placement = placement
        self._estimator = estimator
        self._lifeline = lifeline
        self._process: subprocess.Popen[bytes] | None = None
        self.is_open = False
        self._log: IO[bytes] | None = None

    def start(self) -> None:
        ours, theirs = socket.socketpair()
        self.channel = Connection(ours.detach())
        self._news = select.poll()  # one for all looks: `Connection.poll` makes a new one at each
        self._news.register(self.channel, select.POLLIN)
        self.is_open = True
        # Not the driver's stderr: a worker's prints would tear a live display. They are shown if it dies.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        with theirs:
            descriptors = (theirs.fileno(), self._lifeline.fileno())
            self._process = subprocess.Popen(
                [sys.executable, "-c", START, *map(str, descriptors), *sys.path],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=descriptors,
                start_new_session=True,
                env=environment(self._placement.threads),
            )
        with suppress(BrokenPipeError, ConnectionResetError):  # it died at once: `death` will tell
            self.channel.send(self._placement)
            self.channel.send_bytes(self._estimator)

    def send(self, candidate: Candidate) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # likewise
            self.channel.send_bytes(pickle.dumps(candidate, pickle.HIGHEST_PROTOCOL))

    def messages(self) -> Iterator[Message]:
        try:
            while self.is_open and self._news.poll(0):
                yield self.channel.recv()
        except (EOFError, OSError):
            self._hang_up()

    def death(self) -> Failure | None:
        process = self._process
        assert process is not None
        if self.is_open and process.poll() is None:
            return None
        with suppress(subprocess.TimeoutExpired):
            process.wait(1.0)
        return Failure("worker_died", f"the worker died: {ending(process.returncode)}", self._last_words())

    def end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError, PermissionError):  # nobody of the group is left
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._hang_up()
        if self._log is not None:
            self._log.close()
            self._log = None

    def _hang_up(self) -> None:
        if self.is_open:
            self.channel.close()
            self.is_open = False

    def _last_words(self) -> str:
        assert self._log is not None
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - LAST_WORDS_BYTES))
        return self._log.read().decode(errors="replace")


def ending(exit_code: int | None) -> str:
    """How a process ended.

    >>> ending(-11), ending(3)
    ('killed by SIGSEGV', 'exit code 3')
    """
    if exit_code is None:
        return "it closed its connection"
    if exit_code >= 0:
        return f"exit code {exit_code}"
    if -exit_code == signal.SIGKILL:
        return "killed by SIGKILL (the system does so when memory runs out)"
    return f"killed by {signal.Signals(-exit_code).name}"


def environment(threads: int) -> dict[str, str]:
    """The environment of a worker: numeric libraries start `threads` threads where the user did not say otherwise.

    Where there are several, those that wait for the others soon give their core away.
    """
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    patience = {"GOMP_SPINCOUNT": str(PATIENT_SPINS)} if threads > 1 else {}
    return {name: str(threads) for name in names} | patience | WORKER_SETTINGS | os.environ


def threads_each(num_workers: int) -> int:
    """The threads that each of several workers computes with: its share of the cores, fewer where the user said so."""
    share = max(1, count_cores() // num_workers)
    said = os.environ.get("OMP_NUM_THREADS", "")
    return min(share, int(said)) if said.isdecimal() and int(said) > 0 else share


def count_cores() -> int:
    """The CPU cores that this process may use, the container's quota counted in."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))
