"""Strategies compared on real searches: the studies of each strategy, as figures over their seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from naslab.analysis.reference import ReferencePoint, reference_point
from naslab.analysis.study import StudyView
from naslab.bench.standing import Curve, Spread, curve
from naslab.errors import StudyError
from naslab.metrics import ACCURACY
from naslab.pareto import hypervolume
from naslab.study.problem import Problem


class RealStanding(msgspec.Struct, frozen=True):
    """How the studies of one strategy did, over seeds.

    `hypervolume` is the share of the box between the corner and the ideal (100 % at no cost), by trials made
    ("12", "24", ...), `accuracy` the best validation accuracy in per cent. Of each trial the `hypervolume_curve` and
    `accuracy_curve` are the same. `train_seconds` is the sum of the trainings of one study.
    """

    seeds: int
    trials: int
    failed: int
    hypervolume: dict[str, Spread]
    accuracy: dict[str, Spread]
    hypervolume_curve: Curve
    accuracy_curve: Curve
    train_seconds: Spread


def corner(problem: Problem, floor: float) -> ReferencePoint:
    """The reference point of a problem, its accuracy `floor` per cent: what is below is worth nothing."""
    known = reference_point(problem)
    values = tuple(
        floor if goal.metric == ACCURACY.name else value
        for goal, value in zip(known.objectives, known.values, strict=True)
    )
    return msgspec.structs.replace(known, values=values)


def judge_studies(views: Sequence[StudyView], marks: Sequence[int], floor: float = 0.0) -> RealStanding:
    """How studies of one problem and as many trials did, after each number of trials in `marks`.

    Networks below an accuracy of `floor` add no hypervolume: it tells good fronts apart that seen from 0 look alike.
    Trials count in the order they finished, failures among them. Raises `StudyError` where the studies differ in their
    problem or in their number of trials.
    """
    lengths = {len(view.outcomes) for view in views}
    if len(lengths) != 1 or any(view.problem != views[0].problem for view in views):
        raise StudyError(f"studies to compare share a problem and a number of trials, got {sorted(lengths)} trials")
    [length] = lengths
    if not 0 < min(marks) <= max(marks) <= length:
        raise StudyError(f"the trials to look at must be 1 to the {length} of the studies, got {sorted(marks)}")
    reference = corner(views[0].problem, floor)
    shares = np.array([_shares(view, reference) for view in views])
    best = np.array([_best_accuracies(view) for view in views])
    return RealStanding(
        seeds=len(views),
        trials=length,
        failed=sum(not outcome.is_complete for view in views for outcome in view.outcomes),
        hypervolume={str(mark): Spread.of(shares[:, mark - 1]) for mark in marks},
        accuracy={str(mark): Spread.of(best[:, mark - 1]) for mark in marks},
        hypervolume_curve=curve(shares),
        accuracy_curve=curve(best),
        train_seconds=Spread.of(
            np.array([sum(each.estimate.wall_seconds for each in view.outcomes) for view in views], dtype=np.float64)
        ),
    )


def _shares(view: StudyView, reference: ReferencePoint) -> NDArray[np.float64]:
    """The share of the box that the front dominates after each trial, shape (trials,)."""
    found: list[list[float]] = []
    shares = []
    for outcome in view.outcomes:
        losses = [goal.loss(outcome.value(goal.metric)) for goal in view.problem.objectives]
        if outcome.is_complete and all(map(math.isfinite, losses)):
            found.append(losses)
        shares.append(hypervolume(found, reference.losses) / reference.box_volume if found else 0.0)
    return np.array(shares, dtype=np.float64)


def _best_accuracies(view: StudyView) -> NDArray[np.float64]:
    """The best validation accuracy after each trial, per cent, 0 before there is one: shape (trials,)."""
    values = [each.value(ACCURACY.name) if each.is_complete else 0.0 for each in view.outcomes]
    return np.asarray(np.maximum.accumulate(np.nan_to_num(np.array(values, dtype=np.float64))))
