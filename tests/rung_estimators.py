"""Real short trainings that die, hang or fail as told at an epoch, to test searches with rungs."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import msgspec

from naslab.estimators.estimator import Workbench
from naslab.estimators.short_training import ShortTraining
from naslab.outcome import Candidate, EpochRecord, Estimate


class Disturbed(msgspec.Struct, frozen=True):
    """A short training that is disturbed in epoch 2, by `how`, in the first `times` trainings that come so far."""

    training: ShortTraining
    folder: str
    how: str
    times: int = 1

    def prepare(self, bench: Workbench) -> None:
        self.training.prepare(bench)

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        plain = bench.report

        def report(epoch: EpochRecord) -> None:
            plain(epoch)
            if epoch.epoch == 2 and self._is_due():
                time.sleep(0.5)  # the driver hears of the epoch first
                if self.how == "dies":
                    os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(1000)

        bench.report = report
        return self.training.estimate(candidate, bench)

    def _is_due(self) -> bool:
        for number in range(self.times):
            try:
                Path(self.folder, f"disturbed-{number}").touch(exist_ok=False)
            except FileExistsError:
                continue
            return True
        return False
