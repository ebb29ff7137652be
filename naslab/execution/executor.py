"""The protocol of executors: run estimates in worker slots and return what finishes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, Self, TypeAlias

from naslab.study.outcome import Candidate, EpochRecord, Estimate


class Finished(NamedTuple):
    """A `candidate` whose `estimate` is there, failed ones among them."""

    candidate: Candidate
    estimate: Estimate


class Taken(NamedTuple):
    """A `candidate` that a `worker` began to estimate, on the machine `node`."""

    candidate: Candidate
    worker: str
    node: str


class EpochDone(NamedTuple):
    """An `epoch` of a `candidate` that is still training."""

    candidate: Candidate
    epoch: EpochRecord


class Printed(NamedTuple):
    """A line of `text` that the code of a `candidate` printed in its worker."""

    candidate: Candidate
    text: str


Happened: TypeAlias = Taken | EpochDone | Printed | Finished
"""What an executor reports."""


class Executor(Protocol):
    """Worker slots. A worker that dies is replaced, and its candidate comes back with a `worker_died` failure.

    A context manager: leaving it ends every worker, also on errors and signals; no process is left behind.
    """

    @property
    def num_slots(self) -> int:
        """How many candidates are estimated at once."""
        ...

    def submit(self, candidate: Candidate) -> None:
        """Start `candidate` in a free slot; at most `num_slots` may be in flight."""
        ...

    def wait(self, timeout: float) -> Sequence[Happened]:
        """What happened since the last call; blocks until something does or `timeout` seconds pass.

        Raises what a worker's preparation raised (`DataError`, `DeviceError`), and `WorkerError` where workers cannot
        start at all.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...
