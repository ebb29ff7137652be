"""Searches by users' own code, in the test's own process and folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

import naslab
from naslab.arch import ConvBlock, MBConv
from naslab.estimators.estimator import Estimator
from naslab.execution.executor import EpochDone, Finished
from naslab.execution.worker import Placement, Worker, ignore_epoch
from naslab.execution.workers import Workers
from naslab.space import SearchSpace, choice
from naslab.study.outcome import Candidate

LAYER = {"block": choice(ConvBlock(), MBConv()), "width": choice(4, 8, 12)}
SPACE = SearchSpace({"input": [2, 8, 8], "stages": [LAYER, LAYER], "num_classes": 3}, "own")
"""36 small networks for images of two channels, which no data set of naslab has."""


class InProcess:
    """An executor without processes: one slot, whose candidate is estimated when it is waited for."""

    num_slots = 1

    def __init__(self, estimator: Estimator) -> None:
        self._worker = Worker(estimator, Placement("worker-0", 0, "cpu", None, 1))
        self._waiting: list[Candidate] = []

    def submit(self, candidate: Candidate) -> None:
        self._waiting.append(candidate)

    def wait(self, timeout: float) -> list[Finished | EpochDone]:
        done = [Finished(each, self._worker.estimate(each, ignore_epoch).estimate) for each in self._waiting]
        self._waiting.clear()
        return list(done)

    def __enter__(self) -> Self:
        self._worker.prepare()
        return self

    def __exit__(self, *error: object) -> None:
        pass


@contextmanager
def own_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder of the user's, whose searches run in this process; what is imported there is forgotten."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(Workers, "start", lambda self, estimator, memory=None, threads=None: InProcess(estimator))
    known = set(sys.modules)
    yield folder
    forget(known)


def forget(known: set[str]) -> None:
    """Forget the modules that were imported since there were the `known` ones."""
    for name in set(sys.modules) - known:
        file = getattr(sys.modules[name], "__file__", None)
        if file is not None and Path(file).parent == Path.cwd():
            del sys.modules[name]


def search(estimator: Any, trials: int = 3, **asked: Any) -> naslab.StudyView:
    """A random search of the space by an estimator of the user's."""
    given = {"strategy": "random", "ledger": "own.db", "study": "own", "objectives": ("f1:max", "macs"), **asked}
    return naslab.search(given.pop("space", SPACE), estimator=estimator, trials=trials, **given)
