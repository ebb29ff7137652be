"""Which network to take from a front: what cannot be told apart from the best, the knee, and one for each budget.

Scores are measured on finitely many images, so the best of many networks is partly the luckiest. Two scores with
standard errors s and t are compared by z = difference / sqrt(s^2 + t^2), one side, each pair by itself. All networks of
a study see the same validation images, which makes their true errors of a difference smaller: the test errs to the
side of calling networks alike.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

from naslab.analysis.front import FrontPoint, FrontTable
from naslab.metrics import shown_as
from naslab.study.problem import Limit, Objective

LEVEL = 0.05
"""Networks whose difference would be as large by chance this often are not told apart."""
MOST_BUDGETS = 3
"""The limit, its half and its quarter, as far as there are networks below them."""
LEAST_FOR_KNEE = 4
"""A front of fewer networks has no knee."""


class Take(NamedTuple):
    """A network to take: its `trial`, the `reason` in few letters, the knee or a budget, and `why` in words.

    `budget` is that of a network that is taken for one, as text.
    """

    trial: int
    reason: str
    why: str
    budget: str = ""


class ChoiceTable(NamedTuple):
    """`alike`: the trials that cannot be told apart from the best one that costs no more, those of the front left out.

    `takes` are the networks to take. `level` is that of the test, `along` and `up` are the cost and the score compared;
    `is_tested` says whether scores have standard errors at all.
    """

    along: str
    up: str
    alike: frozenset[int]
    takes: tuple[Take, ...]
    is_tested: bool
    level: float = LEVEL

    @property
    def advice(self) -> list[tuple[int, str]]:
        """The networks to take, each trial with a sentence; budgets of one reason are one sentence.

        >>> takes = tuple(Take(3, f"≤{each}M", "it is the best", f"{each}M") for each in (4, 2, 1))
        >>> ChoiceTable("macs", "accuracy", frozenset(), takes, is_tested=True).advice
        [(3, 'macs up to 4M, 2M and 1M: it is the best')]
        """
        budgets: dict[tuple[int, str], list[str]] = {}
        for each in self.takes:
            budgets.setdefault((each.trial, each.why), []).extend([each.budget] if each.budget else [])
        found = []
        for (trial, why), some in budgets.items():
            amounts = " and ".join(filter(None, (", ".join(some[:-1]), *some[-1:])))
            found.append((trial, f"{self.along} up to {amounts}: {why}" if some else why))
        return found

    @property
    def test(self) -> str:
        """The test in words, for below a figure; empty where no score has a standard error."""
        if not self.is_tested:
            return ""
        return (
            f"Rings: dominated, but their {self.up} cannot be told apart from the best at no higher {self.along} "
            f"(difference of two scores over its standard error, one side, level {100 * self.level:.0f} %, each pair "
            "by itself)."
        )


def choices_of(table: FrontTable, limits: Sequence[Limit] = ()) -> ChoiceTable | None:
    """What to take from a front of two objectives, a score and a cost; `None` for a front of others.

    The cost is the objective that is made small, of two such the second. Budgets are the upper one of `limits` on the
    cost, its half and its quarter; without one the costliest network of the front stands for it. Of a budget the
    cheapest network is taken that cannot be told apart from the best one within it.
    """
    if len(table.objectives) != 2 or all(each.maximise for each in table.objectives):
        return None
    goal, cost = sorted(table.objectives, key=lambda each: not each.maximise)
    along, error = cost.metric, shown_as(goal.metric, goal.maximise).standard_error
    front = sorted(table.front, key=lambda point: point.value(along))
    is_tested = bool(error) and any(error in point.metrics for point in table.points)
    alike = _alike(table.dominated, front, along, goal, error) if is_tested else frozenset()
    takes: list[Take] = []
    bent = knee([(point.value(along), -goal.loss(point.value(goal.metric))) for point in front])
    if bent is not None:
        why = f"the knee, farthest above the line between the ends: beyond it more {along} improve {goal.metric} less"
        takes.append(Take(front[bent].trial, "knee", why))
    for budget in _budgets(front, along, limits):
        within = [point for point in front if point.value(along) <= budget]
        best = within[-1]
        taken = next(each for each in within if each is best or _is_alike(each, best, goal, error))
        why = f"the best is {best.label}"
        if taken is not best:
            why = f"cheaper than {best.label}, from which it cannot be told apart"
        takes.append(Take(taken.trial, f"≤{short_number(budget)}", why, shown_as(along).number(budget)))
    return ChoiceTable(along, goal.metric, alike, tuple(takes), is_tested)


def knee(front: Sequence[tuple[float, float]]) -> int | None:
    """The index of the knee of a front of (cost, score) by rising cost: the farthest above the line between its ends.

    Costs are compared by their logarithms where all are above 0; `None` for fewer than four points, and where none
    lies above the line.

    >>> knee([(1.0, 50.0), (10.0, 90.0), (100.0, 92.0), (1000.0, 93.0)])
    1
    """
    if len(front) < LEAST_FOR_KNEE:
        return None
    is_log = all(cost > 0 for cost, _ in front)
    costs = [math.log(cost) if is_log else cost for cost, _ in front]
    scores = [score for _, score in front]
    width, height = costs[-1] - costs[0], scores[-1] - scores[0]
    if width <= 0 or height <= 0:
        return None
    above = [
        (score - scores[0]) / height - (cost - costs[0]) / width for cost, score in zip(costs, scores, strict=True)
    ]
    best = max(range(len(above)), key=above.__getitem__)
    return best if above[best] > 1e-9 else None


def short_number(value: float) -> str:
    """A number in few letters.

    >>> short_number(3e6), short_number(1.25), short_number(45_000)
    ('3M', '1.25', '45k')
    """
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:.3g}{name}"
    return f"{value:.3g}"


def _budgets(front: Sequence[FrontPoint], along: str, limits: Sequence[Limit]) -> list[float]:
    """The limit on the cost, or the costliest of the `front`, and parts of it that some network is below."""
    bounds = [limit.most for limit in limits if limit.metric == along and limit.most < math.inf]
    most, least = min(bounds, default=front[-1].value(along)), front[0].value(along)
    parts = (most / 2**power for power in range(MOST_BUDGETS if most > 0 else 1))  # of no cost there is no half
    return [budget for budget in parts if budget >= least]


def _alike(
    points: Sequence[FrontPoint], front: Sequence[FrontPoint], along: str, goal: Objective, error: str
) -> frozenset[int]:
    costs = [point.value(along) for point in front]
    found = set()
    for point in points:
        place = bisect_right(costs, point.value(along)) - 1
        if place >= 0 and _is_alike(point, front[place], goal, error):
            found.add(point.trial)
    return frozenset(found)


def _is_alike(point: FrontPoint, best: FrontPoint, goal: Objective, error: str) -> bool:
    """Whether the score of `point` is worse than that of `best` by no more than chance explains at `LEVEL`."""
    spread = math.hypot(point.metrics.get(error, math.nan), best.metrics.get(error, math.nan))
    difference = goal.loss(point.value(goal.metric)) - goal.loss(best.value(goal.metric))
    return bool(difference <= NormalDist().inv_cdf(1 - LEVEL) * spread)
