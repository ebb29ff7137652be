"""Workers without processes, for tests of what a search does with estimates and not of where they are made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import cloudpickle
import pytest

from naslab.estimators.estimator import Estimator
from naslab.execution.executor import EpochDone, Finished
from naslab.execution.worker import Placement, Refused, load_worker
from naslab.execution.workers import Workers
from naslab.study.outcome import Candidate, EpochRecord


class InProcess:
    """An executor of one slot, whose candidate is estimated here, on one thread, when it is waited for.

    The estimator comes by value, as it does to a process: one that cannot be pickled is seen here too.
    """

    num_slots = 1

    def __init__(self, estimator: Estimator) -> None:
        self._worker = load_worker(cloudpickle.dumps(estimator), Placement("worker-0", 0, "cpu", None, 1))
        self._waiting: list[Candidate] = []

    def submit(self, candidate: Candidate) -> None:
        self._waiting.append(candidate)

    def wait(self, timeout: float) -> list[Finished | EpochDone]:
        happened: list[Finished | EpochDone] = []
        for candidate in self._waiting:
            epochs: list[EpochRecord] = []
            done = self._worker.estimate(candidate, epochs.append)
            happened += [*(EpochDone(candidate, epoch) for epoch in epochs), Finished(candidate, done.estimate)]
        self._waiting.clear()
        return happened

    def __enter__(self) -> Self:
        answer = self._worker.prepare()
        if isinstance(answer, Refused):
            raise answer.error
        return self

    def __exit__(self, *error: object) -> None:
        pass


@contextmanager
def workers_in_process() -> Iterator[None]:
    """Whatever workers are asked for, candidates are estimated in this process."""
    import torch

    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Workers, "start", lambda self, estimator, memory=None, threads=None: InProcess(estimator))
        try:
            yield
        finally:
            torch.set_num_threads(threads)
