"""Candidate, Estimate, Outcome: one network on its way through a study."""

from __future__ import annotations

import math
from typing import Any, Literal

import msgspec

from naslab.arch.cost import Cost
from naslab.arch.spec import ArchSpec
from naslab.space import Genome


class Fidelity(msgspec.Struct, frozen=True, order=True):
    """How much is spent on an estimate. Unset parts are the problem's own."""

    epochs: int = 1


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A network that a study is to estimate.

    `trial` counts from 0 within the study. `genome` is the space's choices, empty for networks from elsewhere.
    `origin` says where it came from: `{"operator": "mutate", "parents": [3]}`, `{"phi": 1.0}`, `{"zoo": "resnet18"}`.
    """

    trial: int
    arch: ArchSpec
    arch_id: str
    cost: Cost
    fidelity: Fidelity
    seed: int
    genome: Genome = Genome()
    role: Literal["search", "family", "baseline"] = "search"
    origin: dict[str, Any] = {}


class EpochRecord(msgspec.Struct, frozen=True):
    """One epoch of a learning curve: losses in nats, accuracies in per cent, seconds since the estimate began."""

    epoch: int
    train_loss: float
    validation_loss: float
    validation_accuracy: float
    wall_seconds: float


class Failure(msgspec.Struct, frozen=True):
    """Why an estimate has no result."""

    reason: Literal["diverged", "out_of_memory", "timed_out", "worker_died", "invalid", "error"]
    message: str
    traceback: str = ""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of a candidate at its fidelity, or why nothing was.

    `measured` holds `accuracy` (validation, per cent), `accuracy_sem` (its binomial standard error) and, where asked
    for, `latency_ms` (median of one image's forward pass) with `latency_ms_iqr`.
    """

    measured: dict[str, float] = {}
    curve: tuple[EpochRecord, ...] = ()
    failure: Failure | None = None
    wall_seconds: float = 0.0
    device: str = ""
    worker: str = ""
    peak_memory_bytes: int = 0
    notes: dict[str, Any] = {}
    weights_sha256: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate with its estimate. `finished` is in seconds since the epoch (UTC)."""

    candidate: Candidate
    estimate: Estimate
    finished: float = 0.0

    @property
    def is_complete(self) -> bool:
        """Whether there is a result rather than a failure."""
        return self.estimate.failure is None

    def value(self, metric: str) -> float:
        """A metric of the candidate, analytic or measured; NaN where it was not measured.

        >>> Outcome.__struct_fields__
        ('candidate', 'estimate', 'finished')
        """
        if metric in Cost.__struct_fields__:
            return float(getattr(self.candidate.cost, metric))
        return self.estimate.measured.get(metric, math.nan)
