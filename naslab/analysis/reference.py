"""The reference point of a hypervolume: the corner that a front is measured from.

It must not move while a study runs, or the volumes of two moments could not be compared. So it is taken from the
problem: 0 for what is made large; for what is made small its hard limit, else more than what networks of the space
cost. Only where neither says anything (a measured latency, outcomes without a problem) do the outcomes set it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from naslab.arch.cost import Cost, cost
from naslab.errors import StudyError
from naslab.study.outcome import Outcome
from naslab.study.problem import ANALYTIC_METRICS, Objective, Problem

NUM_SAMPLED_NETWORKS = 256
"""How many networks of a space are costed, always the same ones, for an objective without a limit."""
ROOM = 1.1
"""By what factor a reference lies beyond the worst cost that it was taken from."""


class ReferencePoint(msgspec.Struct, frozen=True):
    """The worst corner, one value an objective, with the rule that gave each.

    `ideals` is the best corner: 100 % of accuracy, no cost.
    """

    objectives: tuple[Objective, ...]
    values: tuple[float, ...]
    rules: tuple[str, ...]

    @property
    def ideals(self) -> tuple[float, ...]:
        """The values that nothing can beat."""
        return tuple(100.0 if each.maximise else 0.0 for each in self.objectives)

    @property
    def losses(self) -> tuple[float, ...]:
        """The values as losses (to make small), as `naslab.pareto` takes them."""
        return tuple(each.loss(value) for each, value in zip(self.objectives, self.values, strict=True))

    @property
    def box_volume(self) -> float:
        """The volume between this corner and the ideal one, in the objectives' units."""
        return math.prod(abs(ideal - value) for ideal, value in zip(self.ideals, self.values, strict=True))


def reference_point(
    problem: Problem, outcomes: Sequence[Outcome] = (), objectives: Sequence[Objective] | None = None
) -> ReferencePoint:
    """The reference point of a problem, for its own objectives or for others.

    Raises `StudyError` where an objective has neither a limit, an analytic cost nor a measured outcome.
    """
    wanted = tuple(problem.objectives if objectives is None else objectives)
    limits = {limit.metric: limit.most for limit in problem.limits if limit.most < math.inf}
    unlimited = [each.metric for each in wanted if each.metric in ANALYTIC_METRICS and each.metric not in limits]
    sampled = _sampled_costs(problem) if unlimited else ()
    chosen: list[tuple[float, str]] = []
    for objective in wanted:
        metric = objective.metric
        if objective.maximise or metric not in ANALYTIC_METRICS:
            chosen.append(_from_outcomes(objective, outcomes))
        elif metric in limits:
            chosen.append((limits[metric], "the hard limit"))
        else:
            worst = max(float(getattr(each, metric)) for each in sampled)
            rule = f"{ROOM:g} times the largest of {len(sampled)} networks sampled from the space"
            chosen.append((ROOM * worst, rule))
    return ReferencePoint(wanted, tuple(value for value, _ in chosen), tuple(rule for _, rule in chosen))


def reference_of_outcomes(objectives: Sequence[Objective], outcomes: Sequence[Outcome]) -> ReferencePoint:
    """The reference point where no problem is at hand: 0, and beyond the worst cost; it moves with the outcomes."""
    chosen = [_from_outcomes(objective, outcomes) for objective in objectives]
    return ReferencePoint(tuple(objectives), tuple(value for value, _ in chosen), tuple(rule for _, rule in chosen))


def _from_outcomes(objective: Objective, outcomes: Sequence[Outcome]) -> tuple[float, str]:
    if objective.maximise:
        return 0.0, "the least there is"
    values = [each.value(objective.metric) for each in outcomes if each.is_complete]
    known = [value for value in values if math.isfinite(value)]
    if not known:
        raise StudyError(
            f"no reference point for {objective.metric}: none of {len(outcomes)} outcomes measured it; "
            f"search with it among the objectives, or leave it out"
        )
    return ROOM * max(known), f"{ROOM:g} times the worst complete outcome, which moves with the outcomes"


def _sampled_costs(problem: Problem) -> tuple[Cost, ...]:
    """The costs of the same networks of a space every time."""
    rng = np.random.default_rng(0)
    space = problem.space
    return tuple(cost(space.decode(space.sample(rng))) for _ in range(NUM_SAMPLED_NETWORKS))
