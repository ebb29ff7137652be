"""How a search went: the best accuracy and the hypervolume after every candidate, over trials and over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from naslab.analysis.front import losses_of
from naslab.analysis.reference import ReferencePoint
from naslab.analysis.whole_study import WholeStudy
from naslab.errors import StudyError
from naslab.ledger.record import RunRecord
from naslab.metrics import ACCURACY
from naslab.pareto import hypervolume
from naslab.study.outcome import Fidelity, Outcome

AT_ONCE = 512
"""Outcomes that are compared at once with what a search has achieved."""


class ProgressTable(msgspec.Struct, frozen=True, kw_only=True):
    """One entry a finished outcome, in the order they finished; all tuples are of the same length.

    `search_seconds` is the time spent searching, pauses between runs left out. `best_accuracy` is in per cent, NaN
    before the first result; for a study that ranks by another `metric` it is the best of that. `hypervolume_share` is
    the part of the box between reference point and ideal. The `has_` fields say whether this outcome made them grow.
    `numbers` are the places in the order of finishing, from 1, where only some of the outcomes have an entry.
    """

    trials: tuple[int, ...]
    search_seconds: tuple[float, ...]
    best_accuracy: tuple[float, ...]
    hypervolume_share: tuple[float, ...]
    has_better_accuracy: tuple[bool, ...]
    has_more_hypervolume: tuple[bool, ...]
    metric: str = ACCURACY.name
    numbers: tuple[int, ...] = ()

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
    only_growth: bool = False,
) -> ProgressTable:
    """The progress of a search with these `outcomes`, in the order of their ends. `StudyError` where none finished.

    `reference` is the corner that hypervolumes are measured from, `runs` tell when the search paused. `metric` is what
    networks are ranked by, larger for better where `maximise`. Only outcomes at the highest fidelity that any reached
    raise it: with rungs, those of the highest. With `only_growth` the table has no entry where nothing grew.
    """
    if not outcomes:
        raise StudyError("the study has no finished trial yet; run its search, or wait for the first one")
    ordered = sorted(outcomes, key=lambda each: (each.finished, each.candidate.trial))
    highest = max((each.candidate.fidelity for each in ordered if each.is_complete), default=None)
    course = Course(reference, highest, metric, maximise)
    course.add_all(ordered)
    return course.table(search_seconds(ordered, runs), only_growth)


def of_all(course: ProgressTable, whole: WholeStudy) -> ProgressTable:
    """The `course` of a part of a study, where it grew alone, with numbers and seconds as in the `whole`."""
    places = [number - 1 for number in course.numbers]
    return msgspec.structs.replace(
        course,
        numbers=tuple(whole.places[place] for place in places),
        search_seconds=tuple(whole.search_seconds[place] for place in places),
    )


class Course:
    """The progress of a search, told one outcome after the other in the order of their ends.

    `reference` is the corner that hypervolumes are measured from. Outcomes at the fidelity `highest` raise the best of
    `metric`, which is made large where `maximise`, and the hypervolume.
    """

    def __init__(
        self,
        reference: ReferencePoint,
        highest: Fidelity | None,
        metric: str = ACCURACY.name,
        maximise: bool = True,
    ) -> None:
        self.reference = reference
        self.highest = highest
        self._metric = metric
        self._sign = 1 if maximise else -1
        self._best, self._volume = -math.inf, 0.0  # as something to make large
        self._kept = np.empty((0, len(reference.objectives)))
        self._trials: list[int] = []
        self._accuracies: list[float] = []
        self._shares: list[float] = []
        self._grown: list[bool] = []
        self._better: list[bool] = []
        self._growths: list[int] = []

    def add(self, outcome: Outcome) -> None:
        """Take up the next outcome."""
        corner = self.reference
        counts = outcome.is_complete and outcome.candidate.fidelity == self.highest
        accuracy = self._sign * outcome.value(self._metric) if counts else math.nan
        self._best = max(self._best, accuracy) if math.isfinite(accuracy) else self._best
        grew = False
        if counts:
            losses = losses_of([outcome], corner.objectives)
            if np.isfinite(losses).all() and not _is_covered(losses[0], self._kept):
                self._kept = np.concatenate([self._kept[~np.all(self._kept >= losses[0], axis=1)], losses])
                before, self._volume = self._volume, hypervolume(self._kept, np.asarray(corner.losses))
                grew = self._volume > before
        self._note(outcome, grew)

    def add_all(self, outcomes: Sequence[Outcome]) -> None:
        """Take up `outcomes` in their order, which is quick where few of many make the hypervolume grow."""
        corner = self.reference
        for first in range(0, len(outcomes), AT_ONCE):
            part = outcomes[first : first + AT_ONCE]
            losses = losses_of(part, corner.objectives)
            counts = [each.is_complete and each.candidate.fidelity == self.highest for each in part]
            may_grow = np.isfinite(losses).all(axis=1) & np.array(counts)
            for kept in self._kept:
                may_grow &= ~np.all(kept <= losses, axis=1)
            for each, own, may in zip(part, counts, may_grow, strict=True):
                if may:
                    self.add(each)
                    continue
                accuracy = self._sign * each.value(self._metric) if own else math.nan
                self._best = max(self._best, accuracy) if math.isfinite(accuracy) else self._best
                self._note(each, False)

    def _note(self, outcome: Outcome, grew: bool) -> None:
        """Keep how things stand behind `outcome`."""
        corner = self.reference
        now = self._best if math.isfinite(self._best) else math.nan
        before = self._accuracies[-1] if self._accuracies else math.nan
        is_better = not math.isnan(now) and (math.isnan(before) or now > before)
        if is_better or grew:
            self._growths.append(len(self._trials))
        self._trials.append(outcome.candidate.trial)
        self._accuracies.append(now)
        self._better.append(is_better)
        self._shares.append(self._volume / corner.box_volume if corner.box_volume else 0.0)
        self._grown.append(grew)

    def table(self, seconds: Sequence[float], only_growth: bool = False) -> ProgressTable:
        """The table of all outcomes so far; `seconds` are those of searching until each.

        With `only_growth` it has the first outcome, the last one and those that made something grow: between them
        nothing changes.
        """
        count = len(self._trials)
        chosen = sorted({0, *self._growths, count - 1}) if only_growth and count else range(count)
        return ProgressTable(
            trials=tuple(self._trials[place] for place in chosen),
            search_seconds=tuple(seconds[place] for place in chosen),
            best_accuracy=tuple(self._sign * self._accuracies[place] for place in chosen),
            hypervolume_share=tuple(self._shares[place] for place in chosen),
            has_better_accuracy=tuple(self._better[place] for place in chosen),
            has_more_hypervolume=tuple(self._grown[place] for place in chosen),
            metric=self._metric,
            numbers=tuple(place + 1 for place in chosen) if only_growth else (),
        )


def search_seconds(ordered: Sequence[Outcome], runs: Sequence[RunRecord]) -> tuple[float, ...]:
    """Seconds of searching until each outcome (ordered by when they finished), pauses between runs left out.

    A run lasts from its start to its last outcome. Outcomes from before every run count from the first one's start.
    """
    if not ordered:
        return ()
    first = min(each.finished - each.estimate.wall_seconds for each in ordered)
    return seconds_until([each.finished for each in ordered], runs, first)


def seconds_until(
    ends: Sequence[float] | NDArray[np.float64], runs: Sequence[RunRecord], first: float
) -> tuple[float, ...]:
    """`search_seconds` of outcomes that finished at `ends`, shape (outcomes,), in order.

    `first` is when the first of them began, `runs` are the launches of the study.
    """
    starts = sorted({run.started for run in runs if run.started <= ends[-1]})
    if not starts or starts[0] > ends[0]:
        starts = [first, *starts]
    found = np.array(ends, dtype=np.float64)
    run = np.maximum(np.searchsorted(starts, found, side="right") - 1, 0)
    found = np.maximum(found - np.array(starts)[run], 0.0)
    edges = [*(np.flatnonzero(np.diff(run)) + 1).tolist(), len(found)]
    for begin, end in pairwise(edges):  # the outcomes of a later run: what was spent before it is added
        found[begin:end] += found[begin - 1]
    return tuple(found.tolist())


def _is_covered(loss: np.ndarray[Any, np.dtype[np.float64]], kept: np.ndarray[Any, np.dtype[np.float64]]) -> bool:
    """Whether a point of shape (objectives,) is nowhere better than one of the kept points (points, objectives)."""
    return bool(np.any(np.all(kept <= loss, axis=1)))
