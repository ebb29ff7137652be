"""Estimators that train nothing: they wait, fail, die or hang as told, and leave a file for every run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from naslab.arch import ArchSpec, ConvBlock, Stage, arch_id, cost
from naslab.errors import DataError
from naslab.estimators.estimator import Workbench
from naslab.study.outcome import Candidate, EpochRecord, Estimate, Fidelity

PREPARATION = -1
"""Stands for a trial in files that count preparations."""


def numbered_candidate(trial: int, kind: str = "good", **origin: Any) -> Candidate:
    """A tiny network of its own for every trial; `kind` tells `Scripted` what to do with it."""
    arch = ArchSpec(input=(1, 8, 8), stages=(Stage(block=ConvBlock(), width=1 + trial),), num_classes=2)
    return Candidate(
        trial=trial,
        arch=arch,
        arch_id=arch_id(arch),
        cost=cost(arch),
        fidelity=Fidelity(epochs=2),
        seed=0,
        origin={"kind": kind, **origin},
    )


def epoch_record(epoch: int) -> EpochRecord:
    return EpochRecord(epoch, 1.0, 1.0, 50.0 + epoch, 0.1)


def meeting_candidates(folder: Path) -> list[Candidate]:
    """Candidates 0 and 1, which end once both have begun: then two workers are ready, however long each took."""
    return [numbered_candidate(trial, "waits", until=str(run_file(folder, 1 - trial))) for trial in range(2)]


class Scripted(msgspec.Struct, frozen=True):
    """Does what the candidate's origin says; every run and every preparation leaves a file in `folder`.

    Trials from `holds_from` on wait for the file `go`, those from the number of a gate in `gates` on for its file, and
    preparations for the file `prepare_until` where it is named.
    """

    folder: str
    holds_from: int | None = None
    prepare_until: str = ""
    gates: tuple[tuple[int, str], ...] = ()

    def prepare(self, bench: Workbench) -> None:
        self.prepare_as(note_run(Path(self.folder), PREPARATION), bench)

    def prepare_as(self, run: int, bench: Workbench) -> None:
        """Prepare the `run`-th worker, counted from 1."""
        if self.prepare_until:
            wait_for(Path(self.prepare_until))
        bench.cache["prepared"] = bench.cache.get("prepared", 0) + 1

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        run = note_run(Path(self.folder), candidate.trial)
        if self.holds_from is not None and candidate.trial >= self.holds_from:
            wait_for(Path(self.folder, "go"))
        for first, name in self.gates:
            if candidate.trial >= first:
                wait_for(Path(self.folder, name))
        kind = candidate.origin.get("kind", "good")
        if kind == "dies" or (kind == "dies_once" and run == 1):
            print("last words", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "speaks":
            print("one line")
            print("begun", end="")
        if kind == "exits":
            os._exit(3)
        if kind == "raises":
            raise ValueError("a bad network")
        if kind == "memory":
            raise MemoryError
        if kind == "device":
            raise RuntimeError("CUDA error: device-side assert triggered")
        if kind == "unstorable":
            return Estimate(notes={"module": object()})
        if kind == "hangs":
            time.sleep(1000)
        if kind == "hangs_late":
            bench.report(epoch_record(0))
            time.sleep(1000)
        if kind == "waits":
            wait_for(Path(candidate.origin["until"]))
        if kind == "has_child":
            child = subprocess.Popen(["sleep", "1000"])
            Path(self.folder, f"child-{candidate.trial}").write_text(str(child.pid), encoding="ascii")
            if candidate.origin.get("dies"):
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(1000)
        if kind == "prints":
            print("on stdout")
        for epoch in range(candidate.fidelity.epochs):
            bench.report(epoch_record(epoch))
        return Estimate(
            measured={"accuracy": 50.0 + candidate.trial % 10},
            notes={"pid": os.getpid(), "prepared": bench.cache["prepared"], "threads": bench.threads},
        )


class Sleeping(msgspec.Struct, frozen=True):
    """Takes a time that differs from run to run, and tells an accuracy that depends on the network alone."""

    seed: int

    def prepare(self, bench: Workbench) -> None:
        """Nothing to load."""

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        time.sleep(random.Random(f"{self.seed} {candidate.trial}").random() / 10)
        return Estimate(
            measured={"accuracy": int(candidate.arch_id[:6], 16) % 1000 / 10}, notes={"threads": bench.threads}
        )


class Measuring(msgspec.Struct, frozen=True):
    """Measures a metric of somebody's own, `name`, beside the accuracy: a made-up function of the network's cost."""

    name: str
    error_name: str = ""

    def prepare(self, bench: Workbench) -> None:
        pass

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        macs = candidate.cost.macs
        errors = {self.error_name: 0.01} if self.error_name else {}
        return Estimate(measured={"accuracy": 50.0 + macs % 40, self.name: -1.0 + macs % 97 / 97, **errors})


class NoData(msgspec.Struct, frozen=True):
    """An estimator whose data are not there."""

    def prepare(self, bench: Workbench) -> None:
        raise DataError("no folder /nowhere; set --data-dir")

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        raise AssertionError("never prepared")


class NeedsData(Scripted, frozen=True):
    """One whose data are not there where NASLAB_DATA is `/nowhere`."""

    def prepare(self, bench: Workbench) -> None:
        if os.environ.get("NASLAB_DATA") == "/nowhere":
            raise DataError("no folder /nowhere; set --data-dir")
        super().prepare(bench)


class BrokenPreparation(msgspec.Struct, frozen=True):
    """An estimator with a bug."""

    def prepare(self, bench: Workbench) -> None:
        raise KeyError("bug")

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        raise AssertionError("never prepared")


class RefusesLater(Scripted, frozen=True):
    """The first workers are prepared; of those that replace them only the third one and later are."""

    num_first: int = 1
    num_refusals: int = 2

    def prepare_as(self, run: int, bench: Workbench) -> None:
        if self.num_first < run <= self.num_first + self.num_refusals:
            raise MemoryError
        super().prepare_as(run, bench)


class DiesPreparing(msgspec.Struct, frozen=True):
    """An estimator whose workers die before they are ready."""

    def prepare(self, bench: Workbench) -> None:
        os._exit(7)

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        raise AssertionError("never prepared")


def wait_for(path: Path) -> None:
    """Return once a file is there."""
    while not path.exists():
        time.sleep(0.01)


def run_file(folder: Path, trial: int, run: int = 1) -> Path:
    """The file that the `run`-th run of a trial leaves; it holds the worker's process id."""
    return folder / f"run-{trial}-{run}"


def note_run(folder: Path, trial: int) -> int:
    """Leave a file for a run of a trial; the how-manieth it is."""
    draft = folder / f".draft-{os.getpid()}-{threading.get_ident()}"
    draft.write_text(str(os.getpid()), encoding="ascii")
    number = 1
    while True:
        try:
            run_file(folder, trial, number).hardlink_to(draft)
        except FileExistsError:
            number += 1
        else:
            draft.unlink()
            return number


def runs_of(folder: Path) -> dict[int, int]:
    """How many runs each trial had."""
    counts: dict[int, int] = {}
    for path in folder.glob("run-[0-9]*"):
        trial = int(path.name.split("-")[1])
        counts[trial] = counts.get(trial, 0) + 1
    return counts
