"""Learning curves of the networks that matter: what each epoch of their training gave."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from naslab.analysis.labels import label_of
from naslab.arch.summary import describe_arch
from naslab.study.outcome import EpochRecord, Outcome


class LearningCurve(msgspec.Struct, frozen=True):
    """A network's epochs: losses in nats, accuracies in per cent, seconds since its training began."""

    trial: int
    label: str
    macs: int
    epochs: tuple[EpochRecord, ...]
    stages: tuple[str, ...]


class CurveTable(msgspec.Struct, frozen=True):
    """Learning curves, cheapest network first; `num_without` networks recorded none."""

    curves: tuple[LearningCurve, ...]
    num_without: int = 0

    def rows(self) -> list[dict[str, Any]]:
        """The table as JSON values, one a network and epoch."""
        return [
            {"trial": curve.trial, "label": curve.label, **msgspec.to_builtins(epoch)}
            for curve in self.curves
            for epoch in curve.epochs
        ]


def learning_curves(outcomes: Sequence[Outcome], trials: Collection[int] | None = None) -> CurveTable:
    """The learning curves of the outcomes numbered in `trials`, or of all outcomes, the cheapest network first."""
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
    return CurveTable(curves, num_without=len(chosen) - len(curves))
