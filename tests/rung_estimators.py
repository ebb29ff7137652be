"""Estimators that die or hang in the middle of a rung: a real short training, and one that trains nothing."""

from __future__ import annotations

import os
import signal
import time

import msgspec
from first_time import is_first_time

from naslab.estimators.estimator import Workbench
from naslab.estimators.short_training import ShortTraining
from naslab.study.outcome import Candidate, EpochRecord, Estimate


class DiesOnce(msgspec.Struct, frozen=True):
    """A short training whose worker is killed in the second epoch of the first training that gets there."""

    training: ShortTraining
    folder: str

    def prepare(self, bench: Workbench) -> None:
        self.training.prepare(bench)

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        plain = bench.report

        def report(epoch: EpochRecord) -> None:
            plain(epoch)
            if epoch.epoch == 2 and is_first_time(self.folder):
                os.kill(os.getpid(), signal.SIGKILL)

        bench.report = report
        return self.training.estimate(candidate, bench)


class Faulty(msgspec.Struct, frozen=True):
    """Trains nothing: networks of more channels are better; those of some die or hang on the second rung."""

    dies_at: int
    hangs_at: int

    def prepare(self, bench: Workbench) -> None:
        pass

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        channels = candidate.arch.stages[0].width
        assert isinstance(channels, int)
        if candidate.fidelity.epochs == 3 and channels == self.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if candidate.fidelity.epochs == 3 and channels == self.hangs_at:
            time.sleep(1000)
        return Estimate(measured={"accuracy": 50.0 + channels + candidate.fidelity.epochs / 10})
