"""The reference point of a hypervolume: the corner that a front is measured from.

It must not move while a study runs, or the volumes of two moments could not be compared. So it is taken from the
metric and the problem: for what is made large the least that there is (0 per cent of accuracy); for what is made small
its hard limit, else more than what networks of the space cost. Only where neither says anything (a measured latency, a
metric without bounds, outcomes without a problem) do the outcomes set it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from naslab.analysis.no_front import nothing_to_show
from naslab.arch.cost import cost
from naslab.errors import SpecError, StudyError, UnknownNameError, shown
from naslab.metrics import find_metric, is_declared, is_described, shown_as
from naslab.study.outcome import Outcome
from naslab.study.problem import Objective, Problem, read_number

NUM_SAMPLED_NETWORKS = 256
"""How many networks of a space are costed, always the same ones, for an objective without a limit."""
ROOM = 1.1
"""By what factor a reference lies beyond the worst cost that it was taken from."""


class ReferencePoint(msgspec.Struct, frozen=True):
    """The worst corner, one value an objective, with the rule that gave each.

    `ideals` is the best corner: 100 % of accuracy, no cost; of a metric without such a bound the best outcome.
    """

    objectives: tuple[Objective, ...]
    values: tuple[float, ...]
    rules: tuple[str, ...]
    ideals: tuple[float, ...]

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
    unlimited = [each.metric for each in wanted if is_described(each.metric) and each.metric not in limits]
    sampled = _sampled_values(problem, unlimited) if unlimited else {}
    chosen: list[tuple[float, str]] = []
    for objective in wanted:
        metric = objective.metric
        if objective.maximise or not is_described(metric):
            chosen.append(_from_outcomes(objective, outcomes))
        elif metric in limits:
            chosen.append((limits[metric], "the hard limit"))
        else:
            rule = f"{ROOM:g} times the largest of {NUM_SAMPLED_NETWORKS} networks sampled from the space"
            chosen.append((ROOM * max(sampled[metric]), rule))
    return _reference(wanted, chosen, outcomes)


def reference_of_outcomes(objectives: Sequence[Objective], outcomes: Sequence[Outcome]) -> ReferencePoint:
    """The reference point where no problem is at hand: 0, and beyond the worst cost; it moves with the outcomes."""
    chosen = [_from_outcomes(objective, outcomes) for objective in objectives]
    return _reference(tuple(objectives), chosen, outcomes)


def common_reference(problems: Sequence[Problem], outcomes: Sequence[Sequence[Outcome]]) -> ReferencePoint:
    """One reference point for studies of `problems` with equal objectives: of each objective the worst of their own.

    `outcomes` are those of each study. Raises `StudyError` as `reference_point`.
    """
    own: list[ReferencePoint] = []
    for problem in dict.fromkeys(problems):
        every = [each for other, found in zip(problems, outcomes, strict=True) if other == problem for each in found]
        own.append(reference_point(problem, every, problems[0].objectives))
    chosen, ideals = [], []
    for index, goal in enumerate(problems[0].objectives):
        worst = max(own, key=lambda each: goal.loss(each.values[index]))
        differs = len({each.values[index] for each in own}) > 1
        chosen.append((worst.values[index], worst.rules[index] + (", the worst of the studies" if differs else "")))
        ideals.append(min((each.ideals[index] for each in own), key=goal.loss))
    values, rules = zip(*chosen, strict=True)
    return ReferencePoint(problems[0].objectives, values, rules, tuple(ideals))


def asked_reference(text: str, objectives: Sequence[Objective]) -> dict[str, float]:
    """The value of each of `objectives` by name from a `text` as `accuracy=90,macs=50M`.

    Raises `SpecError` for an objective that is missing or no finite number, `UnknownNameError` for another name.
    """
    aims = [each.metric for each in objectives]
    values: dict[str, float] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, told = map(str.strip, part.partition("="))
        if name not in aims:
            raise UnknownNameError("objective of the reference point", name, aims)
        try:
            values[name] = read_number(told)
        except ValueError:
            values[name] = math.nan
        if not math.isfinite(values[name]):
            raise SpecError("reference", f"must be a finite number of each objective, got '{shown(part)}'")
    missing = [name for name in aims if name not in values]
    if missing:
        raise SpecError("reference", f"needs a value of {', '.join(missing)}, as {missing[0]}=VALUE")
    return {name: values[name] for name in aims}


def _from_outcomes(objective: Objective, outcomes: Sequence[Outcome]) -> tuple[float, str]:
    least = shown_as(objective.metric).least
    if objective.maximise and math.isfinite(least):
        return least, "the least there is"
    known = _known(objective, outcomes)
    if outcomes and not any(each.is_complete for each in outcomes):
        raise StudyError(nothing_to_show(outcomes, [objective]))
    if not known:
        lacks = f"no reference point for {objective.metric}: no outcome measured it"
        if is_declared(objective.metric):
            raise StudyError(f"{lacks}; search with it among the objectives, or leave it out")
        raise StudyError(f"{lacks}, and no metric is declared under that name; declare it first, or leave it out")
    worst = max(map(objective.loss, known))
    beyond = objective.loss(ROOM * worst if worst > 0 else worst / ROOM)
    return beyond, f"{ROOM:g} times the worst complete outcome, which moves with the outcomes"


def _known(objective: Objective, outcomes: Sequence[Outcome]) -> list[float]:
    """The values of the outcomes that have one."""
    values = [each.value(objective.metric) for each in outcomes if each.is_complete]
    return [value for value in values if math.isfinite(value)]


def _reference(
    objectives: tuple[Objective, ...], chosen: Sequence[tuple[float, str]], outcomes: Sequence[Outcome]
) -> ReferencePoint:
    """The corner of values and their rules, with the ideal that stands against it."""
    values = tuple(value for value, _ in chosen)
    ideals = tuple(_ideal(each, value, outcomes) for each, value in zip(objectives, values, strict=True))
    return ReferencePoint(objectives, values, tuple(rule for _, rule in chosen), ideals)


def _ideal(objective: Objective, worst: float, outcomes: Sequence[Outcome]) -> float:
    """The bound of a metric; without one the best outcome, or one unit from the worst corner where none is better."""
    row = shown_as(objective.metric)
    bound = row.most if objective.maximise else row.least
    if math.isfinite(bound):
        return bound
    losses = [objective.loss(value) for value in _known(objective, outcomes)]
    best = min(losses, default=math.inf)
    floor = objective.loss(worst)
    return objective.loss(best if best < floor else floor - 1)


def _sampled_values(problem: Problem, metrics: Sequence[str]) -> dict[str, list[float]]:
    """Described metrics of the same networks of a space every time."""
    rng = np.random.default_rng(0)
    space = problem.space
    archs = [space.decode(space.sample(rng)) for _ in range(NUM_SAMPLED_NETWORKS)]
    return {name: [float(find_metric(name).of(arch, cost(arch))) for arch in archs] for name in metrics}
