"""Timed: any estimator, with what each estimate takes from its device."""

from __future__ import annotations

import sys
import time

import msgspec

from naslab.estimators.estimator import Estimator, Workbench
from naslab.study.outcome import Candidate, Estimate


class Timed(msgspec.Struct, frozen=True):
    """Runs another estimator and notes what it took, in `notes`.

    `device_seconds` is the processor time of the worker on a CPU, which other processes beside it do not lengthen, and
    the wall time with the device's work finished on anything else. `prepare_seconds` is the same of the preparation of
    this worker, which all of its estimates share.
    """

    estimator: Estimator

    def prepare(self, bench: Workbench) -> None:
        """Prepare the other estimator."""
        started = seconds_on(bench.device)
        self.estimator.prepare(bench)
        bench.cache[self] = seconds_on(bench.device) - started

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        """The other estimator's estimate, with the seconds that it took in its notes."""
        started = seconds_on(bench.device)
        estimate = self.estimator.estimate(candidate, bench)
        spent = {"device_seconds": seconds_on(bench.device) - started, "prepare_seconds": bench.cache[self]}
        return msgspec.structs.replace(estimate, notes={**estimate.notes, **spent})


def seconds_on(device: str) -> float:
    """The time that a device has worked for this process, from an arbitrary start.

    >>> seconds_on("cpu") <= seconds_on("cpu")
    True
    """
    if device == "cpu":
        return time.process_time()
    if device.startswith("cuda") and "torch" in sys.modules:
        import torch

        torch.cuda.synchronize(device)
    return time.perf_counter()
