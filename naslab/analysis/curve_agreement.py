"""What the first epochs of learning curves tell: how scores of a curve's beginning rank networks beside a reference."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from naslab.analysis.rank_agreement import (
    LEVEL,
    Agreement,
    kendall_tau,
    resampled_agreement,
    resampled_taus,
    top_precision,
)
from naslab.errors import StudyError
from naslab.estimators.extrapolated import extrapolated_loss
from naslab.estimators.extrapolation import LEAST_EPOCHS, extrapolate
from naslab.study.outcome import EpochRecord, Outcome

NUM_RESAMPLES = 1000
LEAST_NETWORKS = 10

Beginning: TypeAlias = Sequence[EpochRecord]
CurveScore: TypeAlias = Callable[[Beginning, int, Sequence[float]], float]
"""A curve's beginning, the epochs of the whole training and its annealing in; larger for better."""


class CurveLine(msgspec.Struct, frozen=True, kw_only=True):
    """How a `score` of the first `epochs` of `of_epochs` ranks `num_networks` networks.

    `tau` and `precision` are those of `RankAgreement`; `gain` is tau less that of the whole curve's last accuracy.
    Intervals are of 90 %, by resampling the networks; the gain's takes the same networks for both.
    """

    score: str
    epochs: int
    of_epochs: int
    num_networks: int
    tau: Agreement
    precision: Agreement
    gain: Agreement

    def row(self) -> dict[str, Any]:
        """The line as JSON values."""
        builtins: dict[str, Any] = msgspec.to_builtins(self)
        return builtins


def last_accuracy(seen: Beginning, end: int, annealing: Sequence[float]) -> float:
    """The validation accuracy of the last epoch seen, per cent."""
    return seen[-1].validation_accuracy


def last_loss(seen: Beginning, end: int, annealing: Sequence[float]) -> float:
    """Minus the validation loss of the last epoch seen, nats: finer steps than the accuracy's."""
    return -seen[-1].validation_loss


def training_speed(seen: Beginning, end: int, annealing: Sequence[float]) -> float:
    """Minus the sum of the epochs' mean training losses, nats (Ru et al. 2021, arXiv 2006.04492, equation 1)."""
    return -sum(each.train_loss for each in seen)


def extrapolated_accuracy(seen: Beginning, end: int, annealing: Sequence[float]) -> float:
    """The median accuracy extrapolated to the end of the training, per cent; NaN where that cannot be."""
    if not LEAST_EPOCHS <= len(seen) < end:
        return math.nan
    return extrapolate([each.validation_accuracy for each in seen], end, annealing).quantile(0.5)


def extrapolated_log_likelihood(seen: Beginning, end: int, annealing: Sequence[float]) -> float:
    """Minus the validation loss extrapolated to the end of the training, nats; NaN where that cannot be."""
    return -extrapolated_loss(seen, end)


CURVE_SCORES: dict[str, CurveScore] = {
    "last accuracy": last_accuracy,
    "last loss": last_loss,
    "training speed": training_speed,
    "extrapolated accuracy": extrapolated_accuracy,
    "extrapolated loss": extrapolated_log_likelihood,
}


def curve_agreement(
    outcomes: Sequence[Outcome], truth: Mapping[str, float], annealing: Sequence[float] = (), seed: int = 0
) -> tuple[CurveLine, ...]:
    """Each score of each beginning of whole learning curves, beside the true values of networks.

    `outcomes` hold the curves; `truth` has a value of each network by identity, larger for better. `annealing` is the
    share by which the learning rate has fallen at the end of each epoch, empty for a constant rate. Outcomes without a
    result or a true value are left out. Raises `StudyError` for fewer than 10 networks, and where curves have different
    lengths.
    """
    curves = {
        each.candidate.arch_id: each.estimate.curve
        for each in outcomes
        if each.is_complete and each.candidate.arch_id in truth
    }
    if len(curves) < LEAST_NETWORKS:
        raise StudyError(f"beginnings of curves need at least {LEAST_NETWORKS} networks, got {len(curves)}")
    lengths = sorted({len(curve) for curve in curves.values()})
    if len(lengths) > 1:
        raise StudyError(f"learning curves must be of one length to be compared, got {lengths} epochs")
    end = lengths[0]
    true = np.array([truth[each] for each in curves])
    whole = np.array([last_accuracy(curve, end, annealing) for curve in curves.values()])
    source = np.random.default_rng(seed)
    picks = [source.integers(len(true), size=len(true)) for _ in range(NUM_RESAMPLES)]
    whole_tau, whole_taus = kendall_tau(whole, true), resampled_taus(whole, true, picks)

    def line(name: str, epochs: int, values: NDArray[np.float64]) -> CurveLine:
        tau, taus = kendall_tau(values, true), resampled_taus(values, true, picks)
        return CurveLine(
            score=name,
            epochs=epochs,
            of_epochs=end,
            num_networks=len(true),
            tau=_interval(tau, taus),
            precision=resampled_agreement(top_precision, values, true, picks),
            gain=_interval(tau - whole_tau, taus - whole_taus),
        )

    lines = []
    for epochs in range(1, end + 1):
        for name, score in CURVE_SCORES.items():
            values = np.array([score(curve[:epochs], end, annealing) for curve in curves.values()])
            if np.isfinite(values).all():
                lines.append(line(name, epochs, values))
    return tuple(lines)


def _interval(value: float, drawn: NDArray[np.float64]) -> Agreement:
    """A value with the interval of what was drawn, NaNs left out."""
    low, high = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Agreement(value, float(low), float(high))
