"""The problem of a search: from names and text to a problem, a strategy and the networks beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from naslab.arch import ArchSpec
from naslab.arch.blocks.outside import block_class, own_blocks
from naslab.errors import StudyError
from naslab.estimators.rows import ROWS
from naslab.metrics import ACCURACY, EVALUATION, MACS, TIMING, find_metric, is_declared
from naslab.outside import find_outside, name_of, source_of
from naslab.space import SearchSpace, load_space
from naslab.strategies.own import is_strategy, strategy_of
from naslab.strategies.registry import make_strategy, strategy_names
from naslab.strategies.strategy import Strategy
from naslab.study.data_choice import OWN_DATA
from naslab.study.problem import DataChoice, Limit, Objective, Problem
from naslab.study.recipe import Recipe, default_recipe
from naslab.training.datasets.info import DATASETS, dataset_info
from naslab.training.recipe_files import find_recipe

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

ListedNetwork = tuple[ArchSpec, dict[str, Any]]
"""A network to train beside a search, and where it came from."""


def make_problem(
    space: SearchSpace | str | Path,
    dataset: str | DataChoice | None,
    objectives: Sequence[str] | None,
    limits: Sequence[str],
    recipe: Recipe | str | Path | None,
    max_images: int | None = None,
    score: str | None = None,
    brings_data: bool = False,
) -> Problem:
    """The problem that a search is about; every name in it is checked here.

    `space`, `dataset`, `limits`, `recipe` and `max_images` are those of `naslab.search`. `objectives` are by default
    accuracy and macs, or the `score` by which an estimator ranks networks, and macs. An estimator that `brings_data`
    needs no data set: without one, the images and classes are those that the space says. Raises `StudyError` for
    objectives that are none, named twice or measured by nothing, and `NaslabError` for whatever else does not fit.
    """
    template = space if isinstance(space, SearchSpace) else load_space(space)
    if isinstance(dataset, DataChoice):
        data = dataset
    elif dataset is None and brings_data:
        data = DataChoice(name=OWN_DATA, max_images=max_images)
    else:
        data = DataChoice(name=dataset or fitting_dataset(template), max_images=max_images)
    name = data.name
    if name != OWN_DATA:
        facts = dataset_info(name)
        template = template.for_data(facts.channels, facts.num_classes)
    if isinstance(recipe, str | Path):
        recipe = find_recipe(recipe, name)
    if objectives is None:
        objectives = tuple(dict.fromkeys((score or ACCURACY.name, MACS.name)))
    scores = {row.metrics[0]: row.name for row in ROWS}
    for metric in objectives:
        if metric != score and not is_declared(metric) and metric in scores:
            raise StudyError(
                f"{metric} is the score of an estimator: add --estimator {scores[metric]}, or leave it out"
            )
    goals = tuple(Objective.of_score(name) if name == score else Objective.named(name) for name in objectives)
    if not goals:
        raise StudyError(f"a search needs at least one objective, such as {ACCURACY.name}")
    for goal in goals if score is None else ():
        row = find_metric(goal.metric, "objective")
        if not row.is_described and row.measured_by not in (EVALUATION, TIMING):
            raise StudyError(f"no estimator of a search measures the objective {row.name}: leave it out")
    if len({goal.metric for goal in goals}) < len(goals):
        raise StudyError(f"an objective is named twice: {', '.join(objectives)}")
    read = [Limit.parse(text) for text in limits]
    for limit in read:
        if not limit.is_described and find_metric(limit.metric).measured_by != TIMING:
            raise StudyError(f"nothing measures {limit.metric} before training: leave the limit {limit} out")
    return Problem(
        space=template,
        objectives=goals,
        data=data,
        recipe=recipe or default_recipe(name),
        limits=tuple(limit for limit in read if limit.is_described),
        measured_limits=tuple(limit for limit in read if not limit.is_described),
    )


def fitting_dataset(space: SearchSpace) -> str:
    """The data set whose images and classes `space` is made for. Raises `StudyError` where there is none."""
    wanted = (*space.template["input"], space.template["num_classes"])
    for name, facts in DATASETS.items():
        if (facts.channels, facts.height, facts.width, facts.num_classes) == wanted:
            return name
    size = " x ".join(map(str, wanted[:3]))
    raise StudyError(
        f"no data set has images of {size} in {wanted[3]} classes as the space does; "
        f"name one: {', '.join(DATASETS)} or image_folder:PATH"
    )


def baseline(name: str, problem: Problem) -> ListedNetwork:
    """A zoo network for a problem's images and classes, at the space's resolution."""
    from naslab import zoo

    channels, height, width = problem.space.template["input"]
    arch = zoo.model(
        name, num_classes=problem.space.template["num_classes"], resolution=(height, width), in_channels=channels
    )
    return arch, {"zoo": name}


def is_sampler(strategy: object) -> TypeGuard[BaseSampler]:
    """Whether a strategy is a sampler of Optuna; told without loading Optuna."""
    return not is_strategy(strategy)


def strategy_name(strategy: str | BaseSampler | Strategy) -> str:
    """What a study calls its strategy; `auto` is the name of one that is yet to be chosen."""
    if isinstance(strategy, str):
        return strategy
    return name_of(strategy) if is_strategy(strategy) else f"optuna.{type(strategy).__name__}"


def block_source(problem: Problem) -> dict[str, str]:
    """The source of the user's own blocks in a problem's space (`naslab.outside.source_of`)."""
    found: dict[str, str] = {}
    for name in sorted(own_blocks(problem.space.template)):
        found |= source_of(block_class(name))
    return found


def strategy_source(strategy: str | BaseSampler | Strategy) -> dict[str, str]:
    """The source of a user's own strategy (`naslab.outside.source_of`); nothing for naslab's and Optuna's."""
    if isinstance(strategy, str):
        found = None if strategy in strategy_names() else find_outside(strategy, "strategy", "naslab.strategies")
        return {} if found is None else source_of(found)
    return source_of(strategy) if is_strategy(strategy) else {}


def resolve_strategy(strategy: str | BaseSampler | Strategy, problem: Problem, seed: int) -> Strategy:
    """The strategy of a name, a user's own, or one that thinks with a sampler of Optuna."""
    if isinstance(strategy, str):
        return make_strategy(strategy, problem, seed)
    if is_sampler(strategy):
        from naslab.strategies.optuna_bridge import sampler_strategy

        return sampler_strategy(strategy, problem, seed)
    return strategy_of(strategy, name_of(strategy), problem, seed)
