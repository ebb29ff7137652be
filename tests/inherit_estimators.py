"""An inheriting short training that says what it trains, and whose worker is killed once while it writes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import msgspec
from first_time import is_first_time

from naslab.estimators.estimator import Estimator, Workbench
from naslab.estimators.inheritance import INHERITS
from naslab.study.outcome import Candidate, Estimate


class Watched(msgspec.Struct, frozen=True):
    """A line in FOLDER/runs for every training; the first that inherits is killed with half a checkpoint written."""

    training: Estimator
    folder: str

    def prepare(self, bench: Workbench) -> None:
        self.training.prepare(bench)

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        with Path(self.folder, "runs").open("a") as runs:
            runs.write(f"{candidate.trial}\n")
        if INHERITS in candidate.origin and is_first_time(self.folder):
            os.fsync = lambda fd: os.kill(os.getpid(), signal.SIGKILL)
        return self.training.estimate(candidate, bench)
