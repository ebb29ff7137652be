"""Worker: an estimator with its device and data. The one boundary that catches every error, shared by all executors."""

from __future__ import annotations

import pickle
import socket
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from typing import NamedTuple

import msgspec

from naslab.errors import NaslabError, WorkerError
from naslab.estimators.estimator import Estimator, Workbench
from naslab.estimators.failures import failure_of
from naslab.execution.printed import PrintedLines
from naslab.passwords import without_passwords
from naslab.study.outcome import Candidate, EpochRecord, Estimate, Failure
from naslab.training.turns import turns_of_machine


class Placement(NamedTuple):
    """Where a worker runs: its name and number, the device asked for, the GPUs that it may take, its CPU threads.

    `memory_bytes` is the most that a candidate may take beside the idle worker, where that is limited.
    """

    name: str
    number: int
    device: str
    gpus: float | None
    threads: int
    memory_bytes: int | None = None


class Ready(NamedTuple):
    """A worker that is prepared; `device` is the one it chose.

    `place` tells the device from those of other machines and containers, `memory_bytes` is all the memory that it has;
    0 where that is not known. `node` is the name of the machine.
    """

    device: str
    place: str = ""
    memory_bytes: int = 0
    node: str = ""


class Refused(NamedTuple):
    """A worker that cannot be prepared, and why: the run ends with this error, unless others can work.

    `node_id` is Ray's name of its node, empty without Ray.
    """

    error: NaslabError
    node_id: str = ""


class Said(NamedTuple):
    """A line that the candidate's code printed."""

    text: str


class Done(NamedTuple):
    """An estimate. `is_usable` says whether the worker can go on, or left its device broken."""

    estimate: Estimate
    is_usable: bool


Message = Ready | Refused | EpochRecord | Said | Done
"""What a worker sends to its executor."""


class Worker:
    """An estimator with its device and data: prepared once, then candidates one at a time.

    `placement` says where it runs, `printed` takes what it prints. Whatever is raised inside comes back as a `Refused`
    or as an estimate with a failure.
    """

    def __init__(self, estimator: Estimator, placement: Placement, printed: PrintedLines | None = None) -> None:
        self._estimator = estimator
        self._printed = PrintedLines(sys.stdout) if printed is None else printed
        self._placement = placement
        self._bench = Workbench(
            device=placement.device, threads=placement.threads, worker=placement.name, turns=turns_of_machine()
        )

    def prepare(self) -> Ready | Refused:
        """Choose the device and load what every estimate needs."""
        try:
            from naslab.training.device import choose_device, device_memory, device_place

            self._bench.device = choose_device(self._placement.device, self._placement.number, self._placement.gpus)
            self._estimator.prepare(self._bench)
            device = self._bench.device
            if self._placement.memory_bytes is not None:
                from naslab.training.memory_limit import limit_memory

                limit_memory(device, self._placement.memory_bytes)
            return Ready(device, device_place(device), device_memory(device).total_bytes, socket.gethostname())
        except NaslabError as error:
            return Refused(error)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the driver raises it
            return Refused(unprepared(error))

    def estimate(
        self, candidate: Candidate, report: Callable[[EpochRecord], None], say: Callable[[str], None] | None = None
    ) -> Done:
        """Estimate `candidate`; `report` is called with each epoch, and `say`, where it is given, with printed lines.

        An error becomes an estimate with a failure and its traceback.
        """
        started = time.perf_counter()
        turns = self._bench.turns

        def reported(epoch: EpochRecord) -> None:
            report(epoch)
            turns.give_way()  # of a user's own training, which has no other place for it

        self._bench.report = reported
        try:
            with turns.work(), nullcontext() if say is None else self._printed.given_to(say):
                estimate = self._estimator.estimate(candidate, self._bench)
            require_storable(estimate)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the boundary: a candidate's failure is a value
            estimate = Estimate(failure=failure_of(error))
        finally:
            self._bench.report = ignore_epoch
        is_usable = estimate.failure is None or not leaves_device_broken(estimate.failure)
        return Done(self._signed(estimate, time.perf_counter() - started), is_usable)

    def _signed(self, estimate: Estimate, wall_seconds: float) -> Estimate:
        """The estimate with the worker's name, and device and time where the estimator left them open."""
        return msgspec.structs.replace(
            estimate,
            worker=self._placement.name,
            device=estimate.device or self._bench.device,
            wall_seconds=estimate.wall_seconds or wall_seconds,
        )


def load_worker(payload: bytes, placement: Placement) -> Worker:
    """The worker of a pickled estimator, the driver's own; raises `WorkerError` where it cannot be loaded here."""
    printed = PrintedLines(sys.stdout)
    text = printed.text()
    try:
        with redirect_stdout(text), redirect_stderr(text):  # for handlers of logging that a module makes
            estimator = pickle.loads(payload)  # noqa: S301 - over a private connection
        return Worker(estimator, placement, printed)
    except (Exception, SystemExit) as error:  # a module that workers cannot import, say
        raise unprepared(error) from error


def ignore_epoch(_: EpochRecord) -> None:
    """Take no notice of an epoch."""


def require_storable(estimate: Estimate) -> None:
    """Raise `TypeError` unless this is an estimate that the ledger can keep; caught here, it costs one candidate."""
    if not isinstance(estimate, Estimate):
        raise TypeError(f"the estimator must return an Estimate, got {type(estimate).__name__}")
    msgspec.json.encode(estimate)


def unprepared(error: Exception | SystemExit) -> WorkerError:
    """What the driver raises for a preparation that failed by no fault of the user's, with the worker's traceback."""
    told = WorkerError(f"the workers cannot start: {type(error).__name__}: {error}")
    told.add_note(without_passwords("".join(traceback.format_exception(error))))
    return told


def leaves_device_broken(failure: Failure) -> bool:
    """Whether every later use of the GPU in this process would fail as well (a device-side assertion, say).

    >>> leaves_device_broken(Failure("error", "AcceleratorError: CUDA error: device-side assert triggered"))
    True
    """
    return failure.reason == "error" and ("CUDA error" in failure.message or "AcceleratorError" in failure.message)
