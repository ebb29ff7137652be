"""How a search went: the best accuracy and the hypervolume after every candidate, over trials and over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from naslab.analysis.front import losses_of
from naslab.analysis.reference import ReferencePoint
from naslab.errors import StudyError
from naslab.ledger.record import RunRecord
from naslab.metrics import ACCURACY
from naslab.pareto import hypervolume
from naslab.study.outcome import Outcome


class ProgressTable(msgspec.Struct, frozen=True, kw_only=True):
    """One entry a finished outcome, in the order they finished; all tuples are of the same length.

    `search_seconds` is the time spent searching, pauses between runs left out. `best_accuracy` is in per cent, NaN
    before the first result; for a study that ranks by another `metric` it is the best of that. `hypervolume_share` is
    the part of the box between reference point and ideal. The `has_` fields say whether this outcome made them grow.
    """

    trials: tuple[int, ...]
    search_seconds: tuple[float, ...]
    best_accuracy: tuple[float, ...]
    hypervolume_share: tuple[float, ...]
    has_better_accuracy: tuple[bool, ...]
    has_more_hypervolume: tuple[bool, ...]
    metric: str = ACCURACY.name

    def rows(self) -> list[dict[str, Any]]:
        """The table as JSON values, one an outcome."""
        return [
            {
                "trial": trial,
                "search_seconds": seconds,
                "best_accuracy": None if math.isnan(best) else best,
                "hypervolume_share": share,
            }
            for trial, seconds, best, share in zip(
                self.trials, self.search_seconds, self.best_accuracy, self.hypervolume_share, strict=True
            )
        ]


def progress(
    outcomes: Sequence[Outcome],
    reference: ReferencePoint,
    runs: Sequence[RunRecord] = (),
    metric: str = ACCURACY.name,
    maximise: bool = True,
) -> ProgressTable:
    """The progress of a search with these `outcomes`, in the order of their ends. `StudyError` where none finished.

    `reference` is the corner that hypervolumes are measured from, `runs` tell when the search paused. `metric` is what
    networks are ranked by, larger for better where `maximise`. Only outcomes at the highest fidelity that any reached
    raise it: with rungs, those of the highest.
    """
    if not outcomes:
        raise StudyError("the study has no finished trial yet; run its search, or wait for the first one")
    ordered = sorted(outcomes, key=lambda each: (each.finished, each.candidate.trial))
    highest = max((each.candidate.fidelity for each in ordered if each.is_complete), default=None)
    best, volume = -math.inf, 0.0  # as something to make large
    sign = 1 if maximise else -1
    accuracies, shares, grown = [], [], []
    kept = np.empty((0, len(reference.objectives)))
    for outcome in ordered:
        counts = outcome.is_complete and outcome.candidate.fidelity == highest
        accuracy = sign * outcome.value(metric) if counts else math.nan
        best = max(best, accuracy) if math.isfinite(accuracy) else best
        losses = losses_of([outcome], reference.objectives)
        grew = False
        if counts and np.isfinite(losses).all() and not _is_covered(losses[0], kept):
            kept = np.concatenate([kept[~np.all(kept >= losses[0], axis=1)], losses])
            before, volume = volume, hypervolume(kept, np.asarray(reference.losses))
            grew = volume > before
        accuracies.append(best if math.isfinite(best) else math.nan)
        shares.append(volume / reference.box_volume if reference.box_volume else 0.0)
        grown.append(grew)
    return ProgressTable(
        trials=tuple(each.candidate.trial for each in ordered),
        search_seconds=search_seconds(ordered, runs),
        best_accuracy=tuple(sign * each for each in accuracies),
        hypervolume_share=tuple(shares),
        has_better_accuracy=tuple(
            not math.isnan(now) and (math.isnan(before) or now > before)
            for before, now in zip([math.nan, *accuracies], accuracies, strict=False)
        ),
        has_more_hypervolume=tuple(grown),
        metric=metric,
    )


def search_seconds(ordered: Sequence[Outcome], runs: Sequence[RunRecord]) -> tuple[float, ...]:
    """Seconds of searching until each outcome (ordered by when they finished), pauses between runs left out.

    A run lasts from its start to its last outcome. Outcomes from before every run count from the first one's start.
    """
    if not ordered:
        return ()
    first = min(each.finished - each.estimate.wall_seconds for each in ordered)
    starts = sorted({run.started for run in runs if run.started <= ordered[-1].finished})
    if not starts or starts[0] > ordered[0].finished:
        starts = [first, *starts]
    seconds: list[float] = []
    spent, run = 0.0, 0
    for outcome in ordered:
        while run + 1 < len(starts) and starts[run + 1] <= outcome.finished:
            spent = seconds[-1] if seconds else 0.0
            run += 1
        seconds.append(spent + max(0.0, outcome.finished - starts[run]))
    return tuple(seconds)


def _is_covered(loss: np.ndarray[Any, np.dtype[np.float64]], kept: np.ndarray[Any, np.dtype[np.float64]]) -> bool:
    """Whether a point of shape (objectives,) is nowhere better than one of the kept points (points, objectives)."""
    return bool(np.any(np.all(kept <= loss, axis=1)))
