"""Studies compared: their fronts, and their hypervolumes over candidates and over seconds, with bands over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from naslab.analysis.facts import budget_words
from naslab.analysis.front import FrontTable, front
from naslab.analysis.progress import progress
from naslab.analysis.reference import ReferencePoint, common_reference
from naslab.analysis.study import StudyView
from naslab.bench.standing import Curve, Spread, curve
from naslab.errors import StudyError, shown
from naslab.ledger.record import StudyRecord
from naslab.pareto import is_non_dominated
from naslab.study.outcome import Outcome
from naslab.study.problem import Objective

MOST_SECONDS = 400
"""Moments that hypervolumes over seconds are told at."""


class StudyGroup(NamedTuple):
    """Studies that are seeds of one search: the `label` that they have in tables, and each of them in `views`."""

    label: str
    views: tuple[StudyView, ...]


class GroupStanding(msgspec.Struct, frozen=True, kw_only=True):
    """How the studies of a group did, over its `studies`, which are seeds of one search.

    `fronts` are their Pareto fronts, one each. `hypervolume` is the share of the box between the reference point and
    the ideal that each front dominates at its end, `best` the best value of the first objective, `seconds` the time
    spent searching. `num_on_common_front` counts the networks that no network of any group dominates. Curves are of the
    hypervolume: `over_candidates` after 1, 2, ... finished candidates, `over_seconds` at the comparison's moments.
    """

    label: str
    studies: tuple[str, ...]
    trials: tuple[int, ...]
    num_failed: int
    fronts: tuple[FrontTable, ...]
    hypervolume: Spread
    best: Spread
    seconds: Spread
    num_on_common_front: int
    over_candidates: Curve
    over_seconds: Curve


class StudyComparison(msgspec.Struct, frozen=True, kw_only=True):
    """Groups of studies with equal `objectives`, all measured from one `reference` point.

    `moments` are the seconds of searching at which hypervolumes are told; `notes` say what the studies differ in that
    makes their numbers hard to compare.
    """

    objectives: tuple[Objective, ...]
    reference: ReferencePoint
    groups: tuple[GroupStanding, ...]
    moments: tuple[float, ...]
    notes: tuple[str, ...] = ()

    def rows(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        names = [each.metric for each in self.objectives]
        return {
            "objectives": [
                {"metric": each.metric, "direction": "maximise" if each.maximise else "minimise"}
                for each in self.objectives
            ],
            "reference_point": dict(zip(names, self.reference.values, strict=True)),
            "reference_rules": dict(zip(names, self.reference.rules, strict=True)),
            "notes": list(self.notes),
            "seconds": list(self.moments),
            "groups": [self._group_row(each) for each in self.groups],
        }

    def _group_row(self, each: GroupStanding) -> dict[str, Any]:
        fronts = zip(each.studies, each.fronts, strict=True)
        return {
            "label": each.label,
            "studies": list(each.studies),
            "trials": list(each.trials),
            "failed": each.num_failed,
            "hypervolume_share": msgspec.to_builtins(each.hypervolume),
            "best": {"metric": self.objectives[0].metric, **msgspec.to_builtins(each.best)},
            "seconds": msgspec.to_builtins(each.seconds),
            "on_common_front": each.num_on_common_front,
            "hypervolume_over_candidates": msgspec.to_builtins(each.over_candidates),
            "hypervolume_over_seconds": msgspec.to_builtins(each.over_seconds),
            "fronts": [
                {
                    "study": name,
                    "hypervolume": table.hypervolume,
                    "hypervolume_share": table.hypervolume_share,
                    "front": [point.row() for point in table.front],
                }
                for name, table in fronts
            ],
        }


class _Course(NamedTuple):
    """Hypervolume shares of one study after each of its candidates, with the seconds of searching until then."""

    shares: NDArray[np.float64]
    seconds: NDArray[np.float64]


def label_of_group(names: Sequence[str]) -> str:
    """What a group of studies is called: what stands before their numbers, else all of their names.

    >>> label_of_group(["bayes-0", "bayes-1"]), label_of_group(["monday", "morning"]), label_of_group(["one-1"])
    ('bayes', 'monday, morning', 'one-1')
    """
    starts = {name.rstrip("0123456789").rstrip("-_.:/ ") for name in names}
    return starts.pop() if len(names) > 1 and len(starts) == 1 and "" not in starts else ", ".join(names)


def compare_groups(groups: Sequence[StudyGroup], asked: dict[str, float] | None = None) -> StudyComparison:
    """Compare `groups` of studies from one reference point: that `asked` for, by metric, else the worst of their own.

    Raises `StudyError` where their objectives differ, where a study has no result, and where one is named twice.
    """
    views = [view for group in groups for view in group.views]
    _require_comparable(groups, views)
    objectives = views[0].problem.objectives
    problems = [msgspec.structs.replace(view.problem, objectives=objectives) for view in views]
    reference = common_reference(problems, [view.outcomes for view in views])
    if asked is not None:
        values = tuple(asked[each.metric] for each in objectives)
        reference = msgspec.structs.replace(reference, values=values, rules=("as asked for",) * len(values))
    fronts = {view.record.name: _front(view, objectives, reference) for view in views}
    courses = {view.record.name: _course(view, reference) for view in views}
    moments = _moments([each.seconds for each in courses.values()])
    longest = max(len(each.shares) for each in courses.values())
    common = _common_front(fronts, objectives)
    return StudyComparison(
        objectives=objectives,
        reference=reference,
        groups=tuple(_standing(group, objectives, fronts, courses, moments, longest, common) for group in groups),
        moments=tuple(moments.tolist()),
        notes=_notes(views),
    )


def _standing(
    group: StudyGroup,
    objectives: Sequence[Objective],
    fronts: dict[str, FrontTable],
    courses: dict[str, _Course],
    moments: NDArray[np.float64],
    longest: int,
    common: set[tuple[str, int]],
) -> GroupStanding:
    names = [view.record.name for view in group.views]
    first = objectives[0]
    own = [fronts[name] for name in names]
    best = [min((point.value(first.metric) for point in table.points), key=first.loss) for table in own]
    shares = [courses[name].shares for name in names]
    by_candidate = [np.pad(each, (0, longest - len(each)), mode="edge") for each in shares]
    by_second = [_at(courses[name], moments) for name in names]
    return GroupStanding(
        label=group.label,
        studies=tuple(names),
        trials=tuple(map(len, shares)),
        num_failed=sum(table.num_failed for table in own),
        fronts=tuple(own),
        hypervolume=Spread.of(np.array([table.hypervolume_share for table in own])),
        best=Spread.of(np.array(best)),
        seconds=Spread.of(np.array([courses[name].seconds[-1] for name in names])),
        num_on_common_front=sum(name in names for name, _ in common),
        over_candidates=curve(np.array(by_candidate)),
        over_seconds=curve(np.array(by_second)),
    )


def _require_comparable(groups: Sequence[StudyGroup], views: Sequence[StudyView]) -> None:
    names = [view.record.name for view in views]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise StudyError(f"study '{shown(twice)}' is named twice: name each study once")
    labels = [group.label for group in groups]
    again = next((label for label in labels if labels.count(label) > 1), None)
    if again is not None:
        raise StudyError(f"two groups are called '{shown(again)}': name one, as other=A1,A2")
    first = views[0]
    for view in views[1:]:
        mine, theirs = (
            sorted(f"{goal.metric}:{'max' if goal.maximise else 'min'}" for goal in each.problem.objectives)
            for each in (first, view)
        )
        if mine != theirs:
            raise StudyError(
                f"studies that are compared share their objectives: '{shown(first.record.name)}' has "
                f"{', '.join(mine)}, '{shown(view.record.name)}' {', '.join(theirs)}"
            )


def _front(view: StudyView, objectives: Sequence[Objective], reference: ReferencePoint) -> FrontTable:
    try:
        return front(view.outcomes, objectives, reference)
    except StudyError as error:
        raise StudyError(f"study '{shown(view.record.name)}': {error}") from None


def _course(view: StudyView, reference: ReferencePoint) -> _Course:
    """Networks that broke a limit before training are no candidates here: they cost next to nothing."""
    counted: list[Outcome] = [each for each in view.outcomes if not each.is_infeasible]
    table = progress(counted, reference, view.runs)
    return _Course(np.array(table.hypervolume_share), np.array(table.search_seconds))


def _moments(seconds: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The moments at which any study had a result, thinned out where they are many: shape (moments,)."""
    every = np.unique(np.concatenate(seconds))
    return every if len(every) <= MOST_SECONDS else np.linspace(every[0], every[-1], MOST_SECONDS)


def _at(course: _Course, moments: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share at each of `moments`, shape (moments,); 0 before the first candidate, the last one's from then on."""
    done = np.searchsorted(course.seconds, moments, side="right")
    return np.concatenate(([0.0], course.shares))[done]


def _common_front(fronts: dict[str, FrontTable], objectives: Sequence[Objective]) -> set[tuple[str, int]]:
    """The networks, by study and trial, that no network of any study dominates."""
    points = [(name, point) for name, table in fronts.items() for point in table.front]
    losses = [[goal.loss(point.value(goal.metric)) for goal in objectives] for _, point in points]
    kept = is_non_dominated(np.array(losses).reshape(len(points), len(objectives)))
    return {(name, point.trial) for (name, point), is_on in zip(points, kept, strict=True) if is_on}


def _notes(views: Sequence[StudyView]) -> tuple[str, ...]:
    """What the studies differ in beside their space and strategy."""
    told: list[str] = []
    for what, words in (
        ("data", [view.problem.data.name for view in views]),
        ("content of the data", [view.problem.data.fingerprint for view in views]),
        ("budget of a network", [_budget_of_one(view.record) for view in views]),
    ):
        if len(set(words)) > 1 and not (what == "content of the data" and told):
            pairs = ", ".join(
                f"{view.record.name} {word or 'unknown'}" for view, word in zip(views, words, strict=True)
            )
            told.append(f"the studies differ in the {what}: {pairs}")
    return tuple(told)


def _budget_of_one(record: StudyRecord) -> str:
    """What a study spends on a network, as `2 epochs`."""
    words = budget_words(msgspec.structs.replace(record, trials=1))
    return words.removeprefix("1 trial of ").removeprefix("1 network, ")
