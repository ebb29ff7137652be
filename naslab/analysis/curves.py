"""Learning curves of the networks that matter: what each epoch of their training gave."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from naslab.analysis.labels import label_of
from naslab.arch.summary import describe_arch
from naslab.metrics import ACCURACY
from naslab.study.outcome import EpochRecord, Outcome


class LearningCurve(msgspec.Struct, frozen=True):
    """A network's epochs: losses in nats, what was measured after each, seconds since its training began."""

    trial: int
    label: str
    macs: int
    epochs: tuple[EpochRecord, ...]
    stages: tuple[str, ...]


class CurveTable(msgspec.Struct, frozen=True):
    """Learning curves of a `metric`, cheapest network first; `num_without` networks recorded none."""

    curves: tuple[LearningCurve, ...]
    num_without: int = 0
    metric: str = ACCURACY.name

    def rows(self) -> list[dict[str, Any]]:
        """The table as JSON values, one a network and epoch."""
        return [
            {"trial": curve.trial, "label": curve.label, **msgspec.to_builtins(epoch)}
            for curve in self.curves
            for epoch in curve.epochs
        ]


def epoch_value(epoch: EpochRecord, metric: str) -> float:
    """The value of `metric` after an epoch; NaN where it was not measured.

    >>> epoch_value(EpochRecord(1, 0.5, 0.6, 91.2, 3.0), "accuracy")
    91.2
    """
    default = epoch.validation_accuracy if metric == ACCURACY.name else math.nan
    return epoch.values.get(metric, default)


def learning_curves(
    outcomes: Sequence[Outcome], trials: Collection[int] | None = None, metric: str = ACCURACY.name
) -> CurveTable:
    """The learning curves of the outcomes numbered in `trials`, or of all outcomes, the cheapest network first.

    They are of `metric`; where no epoch has that, of the first number that epochs have, else of accuracy.
    """
    chosen = [each for each in outcomes if trials is None or each.candidate.trial in trials]
    with_curve = sorted(
        (each for each in chosen if each.estimate.curve),
        key=lambda each: (each.candidate.cost.macs, each.candidate.trial),
    )
    curves = tuple(
        LearningCurve(
            trial=each.candidate.trial,
            label=label_of(each),
            macs=each.candidate.cost.macs,
            epochs=each.estimate.curve,
            stages=tuple(describe_arch(each.candidate.arch)),
        )
        for each in with_curve
    )
    epochs = [epoch for curve in curves for epoch in curve.epochs]
    names = (metric, *(name for epoch in epochs[:1] for name in epoch.values), ACCURACY.name)
    has_any = (name for name in names if any(math.isfinite(epoch_value(epoch, name)) for epoch in epochs))
    return CurveTable(curves, len(chosen) - len(curves), next(has_any, ACCURACY.name))
