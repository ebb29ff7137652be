"""LocalExecutor: worker processes on this machine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import IO, Any, Self

from naslab.errors import WorkerError
from naslab.estimators.estimator import Estimator
from naslab.execution.executor import Finished, Progress
from naslab.execution.worker import Message, Placement, Ready, Refused
from naslab.execution.worker_process import START
from naslab.outcome import Candidate, EpochRecord, Estimate, Failure

POLL_SECONDS = 0.25
"""How often deaths are looked for whose pipe stays open (a child of the worker holds it), and time-outs."""
MAX_FAILED_STARTS = 3
"""Workers that die in a row before any is ready, until the run is given up."""
LAST_WORDS_BYTES = 4000


class LocalExecutor:
    """Worker processes that estimate one candidate each.

    They start side by side on entering and load torch while the driver goes on. `device` is a torch device name or
    `auto`; workers take the visible GPUs in turn, `gpus_per_worker=0.5` lets two share one. A candidate that takes
    longer than `timeout_seconds` fails as `timed_out`, its worker replaced. The workers need no `__main__` guard, end
    with the driver however it dies, and leave Ctrl-C to it.

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
    ) -> None:
        import cloudpickle

        if num_workers < 1:
            raise WorkerError(f"num_workers: must be at least 1, got {num_workers}")
        threads = max(1, count_cores() // num_workers)
        # By value where it is defined in a script or a notebook, which workers cannot import.
        self._estimator = cloudpickle.dumps(estimator)
        self._slots = [
            Slot(Placement(f"worker-{index}", index, device, gpus_per_worker, threads)) for index in range(num_workers)
        ]
        self._timeout_seconds = timeout_seconds
        self._lifeline = (-1, -1)
        self._failed_starts = 0

    @property
    def num_slots(self) -> int:
        return len(self._slots)

    def submit(self, candidate: Candidate) -> None:
        free = [slot for slot in self._slots if slot.candidate is None]
        assert free, "more candidates than slots"
        slot = next((slot for slot in free if slot.is_ready), free[0])
        slot.take(candidate)

    def wait(self, timeout: float) -> list[Finished | Progress]:
        until = time.monotonic() + timeout
        while True:
            rest = max(0.0, until - time.monotonic())
            wait([slot.channel for slot in self._slots], min(rest, POLL_SECONDS))
            happened = [event for slot in self._slots for event in self._look_at(slot)]
            if happened or time.monotonic() >= until:
                return happened

    def __enter__(self) -> Self:
        self._lifeline = os.pipe()
        try:
            for slot in self._slots:
                slot.launch(self._lifeline[0])
            for slot in self._slots:
                slot.greet(self._estimator)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        for slot in self._slots:
            slot.end()
        for end in self._lifeline:
            if end >= 0:
                os.close(end)
        self._lifeline = (-1, -1)

    def _look_at(self, slot: Slot) -> Iterator[Finished | Progress]:
        """What happened in a slot; a worker that died or overran its time is replaced."""
        is_usable = True
        for message in slot.messages():
            if isinstance(message, Refused):
                raise message.error
            if isinstance(message, Ready):
                self._failed_starts = 0
                slot.become_ready(message)
            elif isinstance(message, EpochRecord):
                yield Progress(slot.working_on, message)
            else:
                is_usable = message.is_usable
                yield Finished(slot.release(), message.estimate)
        if not is_usable:
            self._restart(slot)
        elif slot.is_dead():
            yield from self._replace(slot, slot.death())
        elif self._timeout_seconds is not None and slot.seconds_busy() > self._timeout_seconds:
            yield from self._replace(slot, Failure("timed_out", f"took longer than {self._timeout_seconds:g} seconds"))

    def _replace(self, slot: Slot, failure: Failure) -> Iterator[Finished]:
        """A new worker for a slot; what the old one was working on is handed back."""
        if not slot.is_ready:
            self._failed_starts += 1
            if self._failed_starts >= MAX_FAILED_STARTS:
                error = WorkerError(f"the workers cannot start: {failure.message}")
                error.add_note(failure.traceback)
                raise error
        failed = slot.failed(failure) if slot.is_ready and slot.candidate is not None else None
        if failed is not None:
            slot.release()
            yield failed
        self._restart(slot)

    def _restart(self, slot: Slot) -> None:
        """A new worker for a slot; a candidate that waits there for the old one to start goes to the new one."""
        slot.end()
        slot.launch(self._lifeline[0])
        slot.greet(self._estimator)
        if slot.candidate is not None:
            slot.take(slot.candidate)


class Slot:
    """A place for a worker process, and what it is doing."""

    channel: Connection[Any, Any]

    def __init__(self, placement: Placement) -> None:
        self._placement = placement
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._device = ""
        self._is_open = False
        self._busy_since = 0.0
        self.is_ready = False
        self.candidate: Candidate | None = None

    @property
    def working_on(self) -> Candidate:
        assert self.candidate is not None, "a worker spoke of a candidate that it was not given"
        return self.candidate

    def launch(self, lifeline: int) -> None:
        """Start the process."""
        ours, theirs = socket.socketpair()
        self.channel = Connection(ours.detach())
        self._is_open, self.is_ready = True, False
        # Not the driver's stderr: a worker's prints would tear a live display; they are shown if it dies.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", START, str(theirs.fileno()), str(lifeline), *sys.path],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=(theirs.fileno(), lifeline),
                start_new_session=True,
                env=environment(self._placement.threads),
            )

    def greet(self, estimator: bytes) -> None:
        """Tell the process where it stands, and hand it the estimator."""
        with suppress(BrokenPipeError, ConnectionResetError):  # it died at once: noticed like any other death
            self.channel.send(self._placement)
            self.channel.send_bytes(estimator)

    def end(self) -> None:
        """Kill the process with all that it started, and reap it."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError, PermissionError):  # nobody of the group is left
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if self._is_open:
            self.channel.close()
            self._is_open = False
        if self._log is not None:
            self._log.close()
            self._log = None

    def take(self, candidate: Candidate) -> None:
        """Send a candidate; one that is not ready yet reads it when it is."""
        self.candidate = candidate
        self._busy_since = time.monotonic()
        with suppress(BrokenPipeError, ConnectionResetError):  # a death: noticed by the next wait
            self.channel.send(candidate)

    def become_ready(self, ready: Ready) -> None:
        self.is_ready = True
        self._device = ready.device
        self._busy_since = time.monotonic()

    def release(self) -> Candidate:
        """The candidate that the slot was working on; the slot is free again."""
        candidate = self.working_on
        self.candidate = None
        return candidate

    def failed(self, failure: Failure) -> Finished:
        """The slot's candidate with a failure of its worker."""
        estimate = Estimate(
            failure=failure,
            wall_seconds=self.seconds_busy(),
            device=self._device,
            worker=self._placement.name,
        )
        return Finished(self.working_on, estimate)

    def seconds_busy(self) -> float:
        """How long the worker has been at its candidate; 0 where it is idle or still starting."""
        return time.monotonic() - self._busy_since if self.is_ready and self.candidate is not None else 0.0

    def messages(self) -> Iterator[Message]:
        """What the worker has sent."""
        try:
            while self._is_open and self.channel.poll():
                yield self.channel.recv()
        except (EOFError, OSError):
            self.channel.close()
            self._is_open = False

    def is_dead(self) -> bool:
        """Whether the process has ended, or closed its side."""
        assert self._process is not None
        return not self._is_open or self._process.poll() is not None

    def death(self) -> Failure:
        """How the process ended, with the last lines that it wrote."""
        assert self._process is not None
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        return Failure("worker_died", f"the worker died: {ending(self._process.returncode)}", self._last_words())

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
    """The environment of a worker: numeric libraries start `threads` threads where the user did not say otherwise."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {name: str(threads) for name in names} | os.environ


def count_cores() -> int:
    """The CPU cores that this process may use, the container's quota counted in."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))
