"""What every estimator does: turn a candidate into an estimate, inside a worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from naslab.study.outcome import Candidate, EpochRecord, Estimate


class Workbench(msgspec.Struct):
    """What a worker offers to estimators, kept between candidates.

    `device` is a torch device name, `threads` its CPU threads, `cache` holds what is costly to load (the data set on
    the device), `report` takes each epoch as it ends.
    """

    device: str
    threads: int = 1
    worker: str = "worker-0"
    cache: dict[Any, Any] = {}
    report: Callable[[EpochRecord], None] = lambda _: None


class Estimator(Protocol):
    """A picklable value. What a candidate does wrong (divergence, memory) is an estimate with a failure."""

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        """Estimate a candidate at its fidelity."""
        ...

    def prepare(self, bench: Workbench) -> None:
        """Load what every estimate needs, so that the first one does not wait for it; errors end the run."""
        ...
