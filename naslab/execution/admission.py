"""Which candidates may train at once on one device: those whose predicted memory fits it together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from naslab.execution.worker import Ready
from naslab.study.outcome import Candidate

USABLE = 0.9
"""The share of a device's memory that predictions may fill."""
MOST_PER_GPU = 16

Taken = Sequence[tuple[Ready, Candidate | None]]
"""The workers whose place is known, each with the candidate that it trains."""


class MemoryModel(Protocol):
    """Predicts the memory that workers take of a device, in bytes, from descriptions alone.

    The driver asks it whenever a candidate waits, so it is quick, raises nothing and answers equal questions alike. A
    `device` is a torch device name (`cpu`, `cuda`, `cuda:1`).

    >>> from naslab.execution.source import make_candidate
    >>> from naslab.zoo import model
    >>> class ByWeights:
    ...     def idle_bytes(self, device):
    ...         return 100_000_000
    ...     def candidate_bytes(self, candidate, device):
    ...         return 16 * candidate.cost.params
    >>> candidate = make_candidate(model("resnet18"), trial=0, epochs=1, seed=0, role="search")
    >>> one = other = Ready("cuda:0", place="host/first", memory_bytes=10**9)  # two workers on one GPU
    >>> Admission(ByWeights()).room_for(candidate, other, taken=[(one, candidate), (other, None)]) // 10**6
    325.0
    """

    def idle_bytes(self, device: str) -> int:
        """The bytes of a worker that trains nothing on `device`: its process, and the images that it holds."""
        ...

    def candidate_bytes(self, candidate: Candidate, device: str) -> int | None:
        """The bytes that training `candidate` takes on `device` beside those of the idle worker; `None` if unknown.

        At its peak, at the candidate's fidelity. What is unknown is trained as if there were room for it.
        """
        ...


class Admission:
    """Decides whether a candidate may start on a device, given what runs there.

    `model` predicts the memory; with `None` every candidate may start.
    """

    def __init__(self, model: MemoryModel | None) -> None:
        self._model = model

    def room_for(self, candidate: Candidate, ready: Ready, taken: Taken) -> float:
        """Bytes left on the device of the worker `ready` if `candidate` starts there: below 0 it must wait.

        `taken` are the workers whose place is known, each with the candidate that it trains. A candidate alone on its
        device may always start, also where it is predicted not to fit: a prediction may be wrong, and memory that does
        run out is an outcome with that reason. One of which nothing is known, or beside which such a one runs, may
        start as if there were no model.
        """
        if self._model is None or not ready.memory_bytes:
            return 0.0
        there = [running for other, running in taken if other.place == ready.place]
        running = [each for each in there if each is not None]
        if not running:
            return math.inf
        idle = len(there) * self._model.idle_bytes(ready.device)
        predicted = [self._model.candidate_bytes(each, ready.device) for each in (*running, candidate)]
        needs = [each for each in predicted if each is not None]
        if len(needs) < len(predicted):
            return 0.0
        return USABLE * ready.memory_bytes - idle - sum(needs)


def workers_per_gpu(gpu_bytes: int, worker_bytes: int, cores_per_gpu: int) -> int:
    """How many workers share a GPU: as many as fit its memory, at most one a core that feeds it, and at most 16.

    >>> workers_per_gpu(gpu_bytes=80 * 2**30, worker_bytes=4 * 2**30, cores_per_gpu=12)
    12
    """
    return max(1, min(int(USABLE * gpu_bytes) // max(1, worker_bytes), cores_per_gpu, MOST_PER_GPU))
