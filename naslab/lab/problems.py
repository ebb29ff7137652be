"""The problem of a search: from names and text to a problem, a strategy and the networks beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import msgspec

from naslab import zoo
from naslab.arch import ArchSpec
from naslab.arch.blocks.outside import block_class, own_blocks
from naslab.dense_prediction.tasks import DENSE_TASKS
from naslab.errors import StudyError, UnknownNameError, counted
from naslab.estimators.limited import target_goals
from naslab.estimators.rows import ROWS
from naslab.metrics import (
    ACCURACY,
    DEPLOYMENT,
    EVALUATION,
    FOREIGN_LAYERS,
    HEADS,
    MACS,
    TIMING,
    find_metric,
    is_declared,
)
from naslab.outside import find_outside, name_of, source_of
from naslab.space import SearchSpace, load_space
from naslab.strategies.own import is_strategy, strategy_of
from naslab.strategies.registry import make_pausing_strategy, make_strategy, strategy_names
from naslab.strategies.strategy import Strategy
from naslab.study.data_choice import OWN_DATA
from naslab.study.problem import DataChoice, Limit, Objective, Problem
from naslab.study.recipe import Recipe, default_recipe
from naslab.study.rungs import Rungs
from naslab.study.task import TASKS
from naslab.targets.metrics import is_at, require_metric
from naslab.training.datasets.choosing import choose_data
from naslab.training.datasets.facts import DataFacts
from naslab.training.datasets.fitting import require_measurable, require_of_task, require_recipe_fits, require_split
from naslab.training.datasets.given import Data
from naslab.training.datasets.info import DATASETS, dataset_names, facts_of
from naslab.training.recipe_files import find_recipe

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

DENSE_SCORES = {row.main for row in DENSE_TASKS.values()}
"""What searches for detectors and segmenters rank networks by."""
ListedNetwork = tuple[ArchSpec, dict[str, Any]]
"""A network to train beside a search, and where it came from."""


def make_problem(
    space: SearchSpace | str | Path,
    dataset: str | DataChoice | Data | None,
    objectives: Sequence[str] | None,
    limits: Sequence[str],
    recipe: Recipe | str | Path | None,
    max_images: int | None = None,
    score: str | None = None,
    brings_data: bool = False,
    data_dir: str | None = None,
    resolution: tuple[int, int] | Sequence[tuple[int, int]] | None = None,
    prefer: Sequence[str] = (),
) -> Problem:
    """The problem that a search is about; every name in it, and all of its data, are checked here.

    `space`, `dataset`, `limits`, `recipe`, `max_images`, `data_dir`, `resolution` and `prefer` are those of
    `naslab.search`.
    `objectives` are by default the main metric of the data's task (accuracy for classes) and macs, or the `score` by
    which an estimator ranks networks, and macs. An estimator that `brings_data` needs no data set: without one, the
    images and classes are those that the space says. Raises `StudyError` for objectives that are none, named twice or
    measured by nothing, and `NaslabError` for whatever else does not fit.
    """
    template = space if isinstance(space, SearchSpace) else load_space(space)
    data, facts = _data_and_facts(template, dataset, brings_data, max_images, data_dir)
    channels, num_classes = template.inputs[0][0], template.template["num_classes"]
    if facts is not None:
        channels, num_classes = facts.channels, facts.num_classes
    template = template.for_data(channels, num_classes, resolution)
    if isinstance(recipe, str | Path):
        recipe = find_recipe(recipe, data.name)
    goals = _goals(objectives, score, facts)
    how = recipe or default_recipe(data.name)
    if facts is not None:
        require_recipe_fits(how, facts, data.name)
        require_split(data, data_dir)
        _require_scorable(score, brings_data, facts, data.name)
    read = [_limit(text, score) for text in limits]
    for metric in dict.fromkeys((*(goal.metric for goal in goals), *(limit.metric for limit in read))):
        if is_at(metric):
            require_metric(metric)
    return Problem(
        space=template,
        objectives=goals,
        data=data,
        recipe=how,
        limits=tuple(limit for limit in read if limit.is_described),
        measured_limits=tuple(limit for limit in read if not limit.is_described),
        preferences=_preferences(prefer, goals),
    )


def _preferences(prefer: Sequence[str], goals: tuple[Objective, ...]) -> tuple[Limit, ...]:
    """The preferences that are written, at most one of an objective."""
    found = tuple(Limit.preferred(text, goals) for text in prefer)
    if len({each.metric for each in found}) < len(found):
        raise StudyError(f"an objective is preferred twice: {', '.join(map(str, found))}")
    return found


def _data_and_facts(
    template: SearchSpace,
    dataset: str | DataChoice | Data | None,
    brings_data: bool,
    max_images: int | None,
    data_dir: str | None,
) -> tuple[DataChoice, DataFacts | None]:
    """The data and what is known of them; nothing is known of data that the estimator brings."""
    if dataset is None and brings_data:
        return DataChoice(name=OWN_DATA, max_images=max_images), None
    data = choose_data(fitting_dataset(template) if dataset is None else dataset, data_dir)
    if not isinstance(dataset, DataChoice):
        data = msgspec.structs.replace(data, max_images=max_images)
    return data, facts_of(data, data_dir)


def _goals(objectives: Sequence[str] | None, score: str | None, facts: DataFacts | None) -> tuple[Objective, ...]:
    """The objectives, by default the `score` or the main metric of the task and macs; each is measured by something."""
    if objectives is None:
        main = ACCURACY if facts is None else TASKS[facts.task].main
        objectives = tuple(dict.fromkeys((score or main.name, MACS.name)))
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
        _require_trained(goal, facts)
    if len({goal.metric for goal in goals}) < len(goals):
        raise StudyError(f"an objective is named twice: {', '.join(objectives)}")
    return goals


def _require_trained(goal: Objective, facts: DataFacts | None) -> None:
    """Refuse an objective that no training and no description tells, and one of another task than the data's."""
    row = find_metric(goal.metric, "objective")
    if not (row.is_described or row.measure or row.measured_by in (EVALUATION, TIMING, DEPLOYMENT)):
        raise StudyError(f"no estimator of a search measures the objective {row.name}: leave it out")
    if facts is not None and row.measured_by == EVALUATION:
        require_of_task(row, facts)
    if facts is not None and is_at(row.name) and not row.is_limitable:
        require_of_task(ACCURACY, facts)


def _require_scorable(score: str | None, brings_data: bool, facts: DataFacts, name: str) -> None:
    """Refuse the data set `name` where neither training nor the estimator of the `score` has what it measures by."""
    if score is None:
        require_measurable(facts, name)
    elif not brings_data and facts.task != "classification":
        raise StudyError(
            f"the estimator of {score} ranks networks by one label an image, {name} has "
            f"{TASKS[facts.task].words} ({facts.task}): leave --estimator out, or give one of your own"
        )


def _limit(text: str, score: str | None) -> Limit:
    """The limit that is written, refused where nothing tells its metric before a training for the `score`."""
    limit = Limit.parse(text)
    row = find_metric(limit.metric)
    counted = (TIMING, DEPLOYMENT, HEADS) if score in DENSE_SCORES else (TIMING, DEPLOYMENT)
    if not (row.is_described or row.measure or row.measured_by in counted):
        raise StudyError(f"nothing measures {limit.metric} before training: leave the limit {limit} out")
    return limit


def operators_limit(operators: str) -> str:
    """The limit by which every layer is of the named set `operators`. Raises `UnknownNameError` for another name.

    >>> operators_limit("cmsis-nn")
    'foreign_layers_cmsis_nn<=0.5'
    """
    if operators not in FOREIGN_LAYERS:
        raise UnknownNameError("set of operators", operators, FOREIGN_LAYERS)
    return f"{FOREIGN_LAYERS[operators].name}<=0.5"


def target_source(problem: Problem) -> dict[str, str]:
    """The SHA-256 of each file that metrics in targets are read from, by the metric's name."""
    found = {name: require_metric(name) for name in target_goals(problem)}
    return {name: sha256 for name, sha256 in found.items() if sha256}


def adapted_words(space: SearchSpace | str | Path, problem: Problem) -> str:
    """What of the `space` was made to fit the data of a problem, in a sentence; empty where nothing was.

    >>> from naslab.space import load_space
    >>> adapted_words("digits_demo", make_problem("digits_demo", None, None, (), None))
    ''
    """
    template = space if isinstance(space, SearchSpace) else load_space(space)
    own, now = template.template["num_classes"], problem.space.template["num_classes"]
    (channels, *_), *_ = was = template.inputs
    (new_channels, *_), *_ = taken = problem.space.inputs
    changes = []
    if channels != new_channels:
        changes.append(f"{counted(new_channels, 'input channel')} in place of {channels}")
    if own != now:
        changes.append(f"{counted(now, 'output')} in place of {own}")
    sizes = [" or ".join(f"{height} x {width}" for _, height, width in each) for each in (taken, was)]
    if sizes[0] != sizes[1]:
        changes.append(f"an input of {sizes[0]} in place of {sizes[1]}")
    return f"the space is fitted to the data: {', '.join(changes)}" if changes else ""


def fitting_dataset(space: SearchSpace) -> str:
    """The data set whose images and classes `space` is made for. Raises `StudyError` where there is none."""
    wanted = (*space.inputs[0], space.template["num_classes"])
    for name, facts in DATASETS.items():
        if (facts.channels, facts.height, facts.width, facts.num_classes) == wanted:
            return name
    size = " x ".join(map(str, wanted[:3]))
    raise StudyError(
        f"no data set has images of {size} in {counted(wanted[3], 'class', 'classes')} as the space does; "
        f"name one: {', '.join(dataset_names())}"
    )


def baseline(name: str, problem: Problem) -> ListedNetwork:
    """A zoo network for a problem's images and classes, at the space's resolution, the largest of several."""
    channels, height, width = max(problem.space.inputs, key=lambda shape: shape[1] * shape[2])
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


def metric_source(problem: Problem) -> dict[str, str]:
    """The source of the user's own metrics that are objectives or limits (`naslab.outside.source_of`)."""
    found: dict[str, str] = {}
    named: Sequence[Objective | Limit] = (*problem.objectives, *problem.limits, *problem.measured_limits)
    for each in named:
        row = find_metric(each.metric) if is_declared(each.metric) else None
        function = None if row is None else row.read or row.measure
        if function is not None:
            found |= source_of(function)
    return found


def strategy_source(strategy: str | BaseSampler | Strategy) -> dict[str, str]:
    """The source of a user's own strategy (`naslab.outside.source_of`); nothing for naslab's and Optuna's."""
    if isinstance(strategy, str):
        found = None if strategy in strategy_names() else find_outside(strategy, "strategy", "naslab.strategies")
        return {} if found is None else source_of(found)
    return source_of(strategy) if is_strategy(strategy) else {}


def resolve_strategy(
    strategy: str | BaseSampler | Strategy, problem: Problem, seed: int, rungs: Rungs | None = None
) -> Strategy:
    """The strategy of a name, a user's own, or a sampler of Optuna's.

    `strategy` is its name or object; it is on `problem`, its random numbers follow from `seed`. Where `rungs` pause it
    also says what goes on after each epoch.
    """
    if isinstance(strategy, str) and rungs is not None and rungs.pauses:
        return make_pausing_strategy(strategy, problem, seed, rungs.epochs[-1])
    if isinstance(strategy, str):
        return make_strategy(strategy, problem, seed)
    if is_sampler(strategy):
        from naslab.strategies.optuna_bridge import sampler_strategy

        return sampler_strategy(strategy, problem, seed)
    return strategy_of(strategy, name_of(strategy), problem, seed)
