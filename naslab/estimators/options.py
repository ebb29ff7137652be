"""What may be said behind an estimator's name, one struct an estimator: `short:epochs=2,images=5000`."""

from __future__ import annotations

from typing import Literal

import msgspec

from naslab.arch.block import require
from naslab.errors import counted
from naslab.estimators.ensemble import MEMBERS
from naslab.metrics import EXTRAPOLATED_ACCURACY
from naslab.study.outcome import Fidelity

LATER_OPTIONS = ("by", "study")
"""Options that names of studies may be without: such studies go on as long as these have their defaults."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What may be said behind an estimator's name, and what follows from it; this one takes nothing."""

    @property
    def metric(self) -> str:
        """Which of `measured` ranks networks; empty where no option says so."""
        return ""

    @property
    def fidelity(self) -> Fidelity | None:
        """What is spent on a network, where the options say it."""
        return None

    @property
    def num_known(self) -> int:
        """How many known results a calibration teaches the estimator."""
        return 0


class ShortOptions(Options, frozen=True):
    """Short training: epochs, training images, the side of square images, the factor of the widths, the batch size.

    The learning rate follows the batch size in proportion (Goyal et al. 2017, arXiv 1706.02677): a training of few
    images needs small batches, or it ends after a handful of steps.
    """

    epochs: int = 1
    images: int | None = None
    resolution: int | None = None
    width: float | None = None
    batch: int | None = None

    @property
    def fidelity(self) -> Fidelity:
        """The fidelity that the options are."""
        side = self.resolution
        return Fidelity(
            epochs=self.epochs,
            images=self.images,
            resolution=None if side is None else (side, side),
            width=self.width,
        )


class ExtrapolatedOptions(ShortOptions, frozen=True):
    """Short training that ends on the way to `of` epochs, and whose curve says where they would lead.

    Networks are ranked `by` the extrapolated `loss`, or `accuracy`, which takes an epoch more.
    """

    epochs: int = 4
    of: int = 8
    by: Literal["accuracy", "loss"] = "accuracy"

    @property
    def metric(self) -> str:
        """Which of `measured` ranks networks."""
        return EXTRAPOLATED_ACCURACY.name if self.by == "accuracy" else "extrapolated_log_likelihood"

    @property
    def fidelity(self) -> Fidelity:
        """The fidelity that the options are. Raises `SpecError` where the schedule is shorter than the training."""
        rule = f"must be at least the {counted(self.epochs, 'epoch')} trained, got {self.of}"
        require(self.of >= self.epochs, "extrapolated:of", rule)
        return msgspec.structs.replace(super().fidelity, schedule_epochs=self.of)


class FullOptions(Options, frozen=True):
    """Training to the end, by the recipe `full`."""

    epochs: int = 20

    @property
    def fidelity(self) -> Fidelity:
        """The fidelity that the options are."""
        return Fidelity(epochs=self.epochs)


class ProxyOptions(Options, frozen=True):
    """The images of one batch."""

    batch: int = 32


class EnsembleOptions(Options, frozen=True):
    """The members as `naswot*2+layers+macs*-0.5`, the networks they are compared with, the images of one batch."""

    members: str = "+".join(f"{name}*{weight:g}" if weight != 1 else name for name, weight in MEMBERS)
    reference: int = 32
    batch: int = 32

    @property
    def member_names(self) -> tuple[str, ...]:
        """The members one by one, each with its weight."""
        return _names(self.members)


class PredictorOptions(Options, frozen=True):
    """What it learns from, and proxies that it sees beside choices and cost, joined by +.

    A calibration teaches it `known` results, a search all that a `study` has measured.
    """

    known: int = 100
    study: str = ""
    proxies: str = ""
    batch: int = 32

    @property
    def proxy_names(self) -> tuple[str, ...]:
        """The proxies one by one."""
        return _names(self.proxies)

    @property
    def num_known(self) -> int:
        """How many known results a calibration teaches it."""
        return self.known


class SupernetOptions(Options, frozen=True):
    """The file of `naslab supernet`, and the training images that batch norms are recalibrated on."""

    path: str = ""
    images: int = 512


class TableOptions(Options, frozen=True):
    """A CSV file of known results, its columns of keys and of accuracies; without a `path` the table of `name`.

    Without either it is the table that is known of the space.
    """

    path: str = ""
    name: str = ""
    key: str = "arch"
    accuracy: str = "mean_acc"


class DenseOptions(Options, frozen=True):
    """The data set, as `coco:DIR`, what stands on a network, at which strides (`4-8-16-32`), of how many channels.

    Without a `kind` it is the first of the task, without `levels` the strides that it usually stands on.
    """

    data: str = ""
    kind: str = ""
    levels: str = ""
    channels: int = 256


def _names(joined: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in joined.split("+") if name.strip())
