"""The points of a scaling law: trained networks with their errors, over costs or over numbers of images."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal, get_args

import msgspec
import numpy as np

from naslab.analysis.labels import label_of
from naslab.analysis.study import StudyView
from naslab.errors import StudyError, counted
from naslab.metrics import ACCURACY, COUNTED_METRICS, IMAGES, MACS
from naslab.scaling.laws import FORMS
from naslab.study.outcome import Outcome

LAW_METRICS: tuple[str, ...] = (*COUNTED_METRICS, IMAGES.name)
"""What an error falls with: a cost of the network, or the number of images that one network is trained on."""
Chosen = Literal["auto", "family", "search", "baselines", "all"]
"""Which networks a law is of; `auto` takes the family where it has enough, else everything."""
CHOICES: tuple[str, ...] = get_args(Chosen)

NEEDED = FORMS["saturating"] + 2
"""Networks at different costs that a law needs, or numbers of images."""


class LawPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A network with its error in per cent, the mean over its trainings; `sem` is NaN for one training.

    `costs` holds `images` where the training images were counted out.
    """

    label: str
    arch_id: str
    role: str
    costs: dict[str, float]
    error: float
    sem: float
    num_trainings: int
    phi: float
    rule: str


def points_over_costs(view: StudyView, of: str) -> tuple[str, list[LawPoint]]:
    """Which networks were taken, in words of `CHOICES`, and one point a network, trained for the study's epochs on all
    of its images."""
    taken, outcomes = chosen_outcomes(view, of)
    epochs = view.record.epochs
    alike = [each for each in outcomes if each.candidate.fidelity.epochs == epochs and not counted_images(each)]
    return taken, law_points(alike)


def points_over_images(view: StudyView) -> list[LawPoint]:
    """One point a number of images of the network that was trained on several; `StudyError` where that is not one."""
    points = law_points([each for each in (*view.outcomes, *view.family) if counted_images(each)])
    networks = {each.arch_id for each in points}
    if len(networks) != 1:
        raise StudyError(
            f"a law of images is of one network trained on different numbers of them, study '{view.record.name}' has "
            f"{counted(len(networks), 'such network')}: make one with naslab data-law MODEL"
        )
    return sorted(points, key=lambda point: point.costs[IMAGES.name])


def holds_numbers_of_images(view: StudyView) -> bool:
    """Whether a study is about one network on different numbers of images."""
    return len({counted_images(each) for each in (*view.outcomes, *view.family)} - {None}) > 1


def counted_images(outcome: Outcome) -> int | None:
    """How many training images were counted out for a training; `None` where it had all of its study's."""
    return outcome.candidate.fidelity.images


def chosen_outcomes(view: StudyView, of: str) -> tuple[str, Sequence[Outcome]]:
    """Which networks are taken, in words of `CHOICES`, and their outcomes."""
    everything = (*view.outcomes, *view.family, *view.baselines)
    # The network that a family comes from is its member at phi 0.
    family = (*view.family, *_alone(view)) if view.family else ()
    sets = {"family": family, "search": view.outcomes, "baselines": view.baselines, "all": everything}
    if of == "auto":
        of = "family" if len({each.arch_id for each in law_points(family)}) >= NEEDED else "all"
    return of, sets[of]


def law_points(outcomes: Sequence[Outcome]) -> list[LawPoint]:
    """Complete outcomes as points, one a network and number of images, by macs."""
    groups: dict[tuple[str, int | None], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.is_complete and math.isfinite(outcome.value(ACCURACY.name)):
            groups[outcome.candidate.arch_id, counted_images(outcome)].append(outcome)
    points = [_point(group) for group in groups.values()]
    return sorted(points, key=lambda point: (point.costs[MACS.name], point.arch_id))


def _alone(view: StudyView) -> Sequence[Outcome]:
    """The searched outcomes, where they are all of one network: the baseline that the study's family is of."""
    return view.outcomes if len({each.candidate.arch_id for each in view.outcomes}) == 1 else ()


def _point(group: Sequence[Outcome]) -> LawPoint:
    first = group[0]
    errors = np.array([ACCURACY.most - each.value(ACCURACY.name) for each in group])
    images = counted_images(first)
    costs: dict[str, float] = {metric: first.value(metric) for metric in COUNTED_METRICS}
    return LawPoint(
        label=label_of(first) if images is None else counted(images, "image", form=","),
        arch_id=first.candidate.arch_id,
        role=first.candidate.role,
        costs=costs if images is None else {**costs, IMAGES.name: float(images)},
        error=float(errors.mean()),
        sem=float(errors.std(ddof=1) / math.sqrt(len(errors))) if len(errors) > 1 else math.nan,
        num_trainings=len(errors),
        phi=float(first.candidate.origin.get("phi", math.nan)),
        rule=str(first.candidate.origin.get("rule", "")),
    )
