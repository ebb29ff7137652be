"""Candidate, Estimate, Outcome: one network on its way through a study."""

from __future__ import annotations

import math
from typing import Any, Literal

import msgspec

from naslab.arch.block import require
from naslab.arch.cost import Cost
from naslab.arch.spec import ArchSpec
from naslab.errors import counted
from naslab.metrics import ACCURACY, find_metric, is_described, shown_as
from naslab.space import Genome


class Fidelity(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How much is spent on an estimate. Unset parts are the problem's own.

    `epochs` is how long the network is trained, `images` how many training images are used, `resolution` the (height,
    width) of the network's input, `width` the factor of its channels. `schedule_epochs` is the length of the schedule
    that `epochs` are the beginning of: a rung of successive halving stops 1 epoch into a schedule of 9; `None`, and so
    written where it is `epochs`, says that the schedule ends with the training. Raises `SpecError` for numbers that are
    not above 0.

    Fidelities are ordered by epochs, then images, resolution and width; of equal ones a finished schedule is more.

    >>> Fidelity(epochs=1, schedule_epochs=9) < Fidelity(epochs=3, images=100) < Fidelity(epochs=3)
    True
    >>> Fidelity(epochs=9, schedule_epochs=9) == Fidelity(epochs=9)
    True
    """

    epochs: int = 1
    images: int | None = None
    resolution: tuple[int, int] | None = None
    width: float | None = None
    schedule_epochs: int | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "images", "width"):
            value = getattr(self, name)
            require(value is None or value > 0, name, f"must be above 0, got {value}")
        size = self.resolution
        require(size is None or min(size) > 0, "resolution", f"must be above 0, got {size}")
        if self.schedule_epochs is not None:
            rule = f"must be at least the {counted(self.epochs, 'epoch')} trained, got {self.schedule_epochs}"
            require(self.schedule_epochs >= self.epochs, "schedule_epochs", rule)
        if self.schedule_epochs == self.epochs:
            msgspec.structs.force_setattr(self, "schedule_epochs", None)

    def __lt__(self, other: Fidelity) -> bool:
        return self._spent < other._spent

    def __le__(self, other: Fidelity) -> bool:
        return self == other or self < other

    @property
    def _spent(self) -> tuple[float, ...]:
        """What decides the order; an unset part is the whole of what there is."""
        area = math.inf if self.resolution is None else float(math.prod(self.resolution))
        unfinished = 0 if self.schedule_epochs is None else self.epochs - self.schedule_epochs
        return self.epochs, self.images or math.inf, area, self.width or 1.0, unfinished


class ToBeat(msgspec.Struct, frozen=True):
    """What finished networks that cost no more have measured, where that is more than accuracy alone.

    `points` are the measured objectives of those that none of the others dominates, by metric. `ranges` are the worst
    and the best value of each that a training can be thought to report.
    """

    points: tuple[dict[str, float], ...]
    ranges: dict[str, tuple[float, float]]


Role = Literal["search", "family", "baseline", "pool"]
RESTART = "restart"
"""The operator of candidates that begin a climb of local search; a ledger has an index of them."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A network that a study is to estimate.

    `trial` counts from 0 within the study. `genome` is the space's choices, empty for networks from elsewhere.
    `origin` says where it came from: `{"operator": "mutate", "parents": [3]}`, `{"phi": 1.0}`, `{"zoo": "resnet18"}`;
    `{"operator": "promote", "from": 5}` is the network of trial 5 at a higher fidelity. `start_from` is the content
    hash of a checkpoint that training goes on from; empty for training from scratch. `accuracy_to_beat`, in per cent,
    is what the network must exceed to reach the front at its cost, as known when it started: a training that is clear
    not to may be stopped. `to_beat` says the same of other measured objectives than accuracy alone. One of
    the role `pool` is no trial: a prior is to score it, and `trial` counts from -1 down.
    """

    trial: int
    arch: ArchSpec
    arch_id: str
    cost: Cost
    fidelity: Fidelity
    seed: int
    genome: Genome = Genome()
    role: Role = "search"
    origin: dict[str, Any] = {}
    start_from: str = ""
    accuracy_to_beat: float | None = None
    to_beat: ToBeat | None = None


class EpochRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One epoch of a learning curve: losses in nats, accuracies in per cent, seconds since the estimate began.

    Of other tasks than one label an image the accuracy is their score in per cent: mean average precision, or the share
    of the variance that is explained. `values` is what else was measured or reported of it, by name: a user's own
    training has no losses or accuracies but those.
    """

    epoch: int
    train_loss: float
    validation_loss: float
    validation_accuracy: float
    wall_seconds: float
    values: dict[str, float] = {}

    def value(self, metric: str) -> float:
        """What the epoch says of a metric by its name; NaN where it says nothing.

        >>> EpochRecord(1, 0.5, 0.6, 91.2, 3.0, {"f1": 0.9}).value("f1")
        0.9
        """
        own = {ACCURACY.name: self.validation_accuracy, "validation_loss": self.validation_loss}
        return self.values.get(metric, own.get(metric, self.train_loss if metric == "train_loss" else math.nan))

    @property
    def words(self) -> str:
        """How good the network is after the epoch, for people: the first of what was measured, else the accuracy.

        >>> EpochRecord(1, 0.5, 0.6, 91.2, 3.0).words
        '91.20 %'
        """
        if not self.values:
            return f"{self.validation_accuracy:.2f} %"
        name, value = next(iter(self.values.items()))
        return shown_as(name).brief.format(value)


class Failure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why an estimate has no result; `infeasible` where a limit on what is measured was broken before training."""

    reason: Literal["diverged", "out_of_memory", "timed_out", "worker_died", "invalid", "error", "infeasible"]
    message: str
    traceback: str = ""


LOAD_NOTE = "latency_load"
"""The note of an estimate that says under which load its latency was measured."""


LATER_NOTE = "measured_later"
"""The note of an estimate that says of each metric that was measured later how it was."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of a candidate at its fidelity, or why nothing was.

    `measured` holds the metrics by name (`naslab.metrics`): for a training `accuracy` (validation, per cent) with its
    binomial standard error and, where asked for, the median latency with its interquartile range. `curve` holds every
    epoch of the network, those of the checkpoint that it started from too; `wall_seconds` are those of this estimate
    alone. `notes` hold what else is known of it, under `latency_load` the load that a latency was measured under, under
    `measured_later` how each metric was measured that `naslab measure STUDY --metric` added.
    `weights_sha256` is the content hash of the checkpoint that it left, empty where it left none.
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

    @property
    def is_infeasible(self) -> bool:
        """Whether it broke a limit on what is measured: it was not trained, and counts for no trial."""
        return self.estimate.failure is not None and self.estimate.failure.reason == "infeasible"

    def value(self, metric: str) -> float:
        """A metric of the candidate, described or measured; NaN where it was not measured.

        >>> Outcome.__struct_fields__
        ('candidate', 'estimate', 'finished')
        """
        if metric in Cost.__struct_fields__:
            return float(getattr(self.candidate.cost, metric))
        value = self.estimate.measured.get(metric)
        if value is None and is_described(metric):
            return float(find_metric(metric).of(self.candidate.arch, self.candidate.cost))
        return math.nan if value is None else value
