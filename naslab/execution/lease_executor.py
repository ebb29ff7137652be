"""LeaseExecutor: candidates offered in the ledger, to workers that come from anywhere (`naslab worker`)."""

from __future__ import annotations

import math
import time
from typing import Self

from naslab.errors import UnreachedError, WorkerError
from naslab.execution.executor import EpochDone, Finished
from naslab.ledger.driven import claimed_again
from naslab.ledger.leases import Lease, offer, offered, withdraw
from naslab.ledger.ledger import Ledger
from naslab.study.outcome import Candidate, Estimate, Failure

POLL_SECONDS = 0.1
SILENT_SECONDS = 60.0
"""How long nothing is heard of a worker until it counts as dead: a dozen heartbeats."""


class LeaseExecutor:
    """`num_offered` candidates of the `study` of `ledger` at a time, for workers of any machine that reaches it.

    A worker of which nothing was heard for `silent_seconds`, by default a minute, is dead: its candidate comes back,
    and what it answers later is not taken. Nothing is started or ended here. Where the driver was killed, candidates
    that workers still have stay theirs: they have that time again to be heard of, since the database may have been gone
    for them too. So they have where it was gone under this driver. Raises `WorkerError` where less than one is to be
    offered.
    """

    def __init__(self, ledger: Ledger, study: str, num_offered: int, silent_seconds: float | None = None) -> None:
        if num_offered < 1:
            raise WorkerError(f"num_offered: must be at least 1, got {num_offered}")
        self._ledger = ledger
        self._study = study
        self._num_offered = num_offered
        self._silent_seconds = SILENT_SECONDS if silent_seconds is None else silent_seconds
        self._open: dict[int, Candidate] = {}
        self._attempts: dict[int, int] = {}
        self._found: dict[int, float] = {}
        """When trials that an earlier driver offered were found, by `time.monotonic`."""

    @property
    def num_slots(self) -> int:
        return self._num_offered

    def submit(self, candidate: Candidate) -> None:
        attempt = self._attempts.get(candidate.trial, 0) + 1
        is_new = offer(self._ledger, self._study, candidate.trial, attempt)
        self._attempts[candidate.trial] = attempt
        self._open[candidate.trial] = candidate
        self._found[candidate.trial] = -math.inf if is_new else time.monotonic()

    def wait(self, timeout: float) -> list[Finished | EpochDone]:
        until = time.monotonic() + timeout
        while True:
            happened = self._look()
            left = until - time.monotonic()
            if happened or left <= 0:
                return happened
            time.sleep(min(POLL_SECONDS, left))

    def _look(self) -> list[Finished | EpochDone]:
        """What leases tell now. Where the server goes away in between, what was read before is told first."""
        leases = offered(self._ledger, self._study)
        gone = self._open.keys() - {each.trial for each in leases}
        happened: list[Finished | EpochDone] = [self._withdrawn(trial) for trial in sorted(gone)]
        for each in leases:
            try:
                told = self._told(each)
            except UnreachedError:
                if not happened:
                    raise
                break
            if told is not None:
                happened.append(told)
        return happened

    def _withdrawn(self, trial: int) -> Finished:
        """A candidate that was taken back from a dead worker as the server went away: nobody heard of it."""
        failure = Failure("worker_died", f"the offer of trial {trial} is gone from the ledger")
        return Finished(self._open.pop(trial), Estimate(failure=failure))

    def _told(self, lease: Lease) -> Finished | None:
        """What a lease tells of a candidate that is open; its worker's death takes it back."""
        if lease.trial not in self._open:
            return None
        if lease.estimate is not None:
            return Finished(self._open.pop(lease.trial), lease.estimate)
        since = max(self._found[lease.trial], claimed_again(self._ledger, self._study))
        if min(lease.silent_seconds, time.monotonic() - since) <= self._silent_seconds:
            return None
        if not withdraw(self._ledger, self._study, lease.trial, lease.worker):
            return None  # it answered meanwhile
        words = f"nothing was heard of the worker {lease.worker} on {lease.node} for {lease.silent_seconds:.0f} s"
        failure = Failure("worker_died", words)
        return Finished(self._open.pop(lease.trial), Estimate(failure=failure, worker=lease.worker))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Leave what workers have with them: the same search, begun again, takes their answers."""
