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


class NodeNoted(NamedTuple):
    """A line of `text` about a machine of a cluster: it joined, left, is left out and why, or its clock is off."""

    text: str


Happened: TypeAlias = Taken | EpochDone | Printed | Finished | NodeNoted
"""What an executor reports."""


class Executor(Protocol):
    """Worker slots. A worker that dies is replaced, and its candidate comes back with a `worker_died` failure.

    A context manager, entered once: leaving it ends every worker, also on errors and signals; no process is left
    behind. One thread, that of the search, calls all of it, and only within the context.

    >>> from naslab.execution.source import make_candidate
    >>> from naslab.zoo import model
    >>> class InThisProcess:  # estimates while it is waited for, one candidate at a time
    ...     num_slots = 1
    ...     def __init__(self, estimate):
    ...         self._estimate, self._waiting = estimate, []
    ...     def submit(self, candidate):
    ...         self._waiting.append(candidate)
    ...     def wait(self, timeout):
    ...         waiting, self._waiting = self._waiting, []
    ...         return [Finished(candidate, self._estimate(candidate)) for candidate in waiting]
    ...     def __enter__(self):
    ...         return self
    ...     def __exit__(self, *error):
    ...         self._waiting = []
    >>> candidate = make_candidate(model("lenet5"), trial=0, epochs=1, seed=0, role="search")
    >>> with InThisProcess(lambda candidate: Estimate(measured={"smallness": 1e6 / candidate.cost.params})) as executor:
    ...     executor.submit(candidate)
    ...     [done] = executor.wait(timeout=1.0)
    >>> done.candidate == candidate, executor.wait(timeout=0.0)
    (True, [])
    """

    @property
    def num_slots(self) -> int:
        """How many candidates are estimated at once, at least one; may change where machines join and leave."""
        ...

    def submit(self, candidate: Candidate) -> None:
        """Start `candidate` in a free slot, without waiting for a worker; at most `num_slots` may be in flight.

        The slot is free again as soon as `wait` has given the candidate back. One that came back may be submitted anew,
        also where its slot is gone: it waits for the next one.
        """
        ...

    def wait(self, timeout: float) -> Sequence[Happened]:
        """What happened since the last call; blocks until something does or `timeout` seconds pass.

        Every candidate comes back once, in the order in which they finish, with an estimate or a failure. Its epochs,
        and the lines that it printed, come before it and in their own order.

        Raises what a worker's preparation raised (`DataError`, `DeviceError`), and `WorkerError` where workers cannot
        start at all.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...
