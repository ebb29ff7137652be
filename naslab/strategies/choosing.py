"""`--strategy auto`: a strategy by what the search is, and why that one."""

from __future__ import annotations

import msgspec

from naslab.errors import counted
from naslab.study.problem import Problem

AUTO = "auto"
"""The name that leaves the choice to naslab. It is no strategy itself: a study keeps the one that was chosen."""
LARGE_BUDGET = 5_000
"""Outcomes from which a model's thinking costs more than the trainings it saves."""
MANY_OBJECTIVES = 4
"""From how many on crowding distance stops to spread a population."""


class StrategyChoice(msgspec.Struct, frozen=True):
    """The name of a strategy, and why it was chosen."""

    name: str
    reason: str


def choose_strategy(
    problem: Problem, trials: int, *, by_time: bool = False, inherits: bool = False, needs_model: bool = False
) -> StrategyChoice:
    """The strategy for a `problem` and a budget in `trials`: by the size of the space, the budget and the objectives.

    `by_time` says that the budget is one of hours, too; `inherits` that candidates begin with the weights of those that
    they were made from; `needs_model` that a prior, or pauses, are asked for, which only a model makes use of.

    >>> from naslab.study.problem import DataChoice, Objective
    >>> from naslab.space import load_space
    >>> from naslab.study.recipe import Recipe
    >>> goals = (Objective.named("accuracy"), Objective.named("macs"))
    >>> problem = Problem(load_space("nas_bench_macro"), goals, DataChoice("digits"), Recipe())
    >>> choose_strategy(problem, 100).name, choose_strategy(problem, 6_561).name
    ('bayes', 'random')
    """
    return choose_by_size(
        problem.space.size(),
        len(problem.objectives),
        trials,
        by_time=by_time,
        inherits=inherits,
        needs_model=needs_model,
        prefers=bool(problem.preferences),
    )


def choose_by_size(
    size: int,
    num_objectives: int,
    trials: int,
    *,
    by_time: bool = False,
    inherits: bool = False,
    needs_model: bool = False,
    prefers: bool = False,
) -> StrategyChoice:
    """`choose_strategy` for a space of `size` genomes, as a table has, and `num_objectives`.

    `trials`, `by_time`, `inherits` and `needs_model` are those of `choose_strategy`; `prefers` says that a part of the
    front is preferred.

    >>> choose_by_size(size=6_561, num_objectives=1, trials=100).name
    'bayes'
    """
    goals = num_objectives
    if inherits and not needs_model:
        name = "evolution" if goals == 1 else "nsga2"
        return StrategyChoice(
            name, "weights are inherited, and it makes each network from one or two that were trained"
        )
    if needs_model:
        return StrategyChoice(
            "bayes_per_second" if by_time else "bayes",
            "a prior and pauses are for models" + (", and the budget is time" if by_time else ""),
        )
    if trials >= size and not prefers:
        reach = "reaches" if trials == 1 else "reach"
        reason = f"{counted(trials, 'trial')} {reach} all of the space's {counted(size, 'genome')}, in whatever order"
        return StrategyChoice("random", reason)
    if trials >= LARGE_BUDGET:
        name = "evolution" if goals == 1 else "nsga2" if goals < MANY_OBJECTIVES else "nsga3"
        return StrategyChoice(
            name,
            f"with {counted(trials, 'trial')} a population learns as much as a model, and asks cost next to nothing",
        )
    are = "is" if trials == 1 else "are"
    reason = f"{counted(trials, 'trial')} of {size:.3g} genomes {are} few, and a model makes the most of each"
    if by_time:
        return StrategyChoice("bayes_per_second", f"{reason}; the budget is time, so that gains count by the second")
    return StrategyChoice("bayes", reason)
