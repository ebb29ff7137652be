"""Searches whose candidates begin with pretrained weights: what such a search changes of its problem."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from naslab.errors import StudyError, shown
from naslab.estimators.named import EstimatorName
from naslab.lab.detector_search import detector_words
from naslab.lab.problems import adapted_words
from naslab.lab.search_options import SearchOptions
from naslab.space import SearchSpace, load_space
from naslab.strategies.registry import make_strategy
from naslab.study.problem import Problem
from naslab.study.recipe import Recipe
from naslab.training.datasets.class_names import class_names

if TYPE_CHECKING:
    from naslab.pretrained.search_start import SearchStart

FINE_TUNE = "fine-tune"
FEW = 4
"""Networks of a space that is around none which must take over layers."""


def recipe_or_default(options: SearchOptions) -> Recipe | str | Path | None:
    """The recipe that a search is asked for: `fine-tune` where it says none and begins with pretrained weights.

    An estimator beside these has its own.
    """
    is_tuned = options.recipe is None and options.pretrained is not None and options.estimator is None
    return FINE_TUNE if is_tuned else options.recipe


def begun_from(
    problem: Problem, options: SearchOptions, asked: EstimatorName | None = None
) -> tuple[Problem, SearchStart]:
    """The `problem` of a search with the windows and norms of its pretrained weights, and these.

    `options` are the search's, whose estimator is `asked` for. Raises `StudyError` beside one that begins networks in
    its own way, and `DataError` for weights that do not fit the space.
    """
    from naslab.pretrained.search_start import search_start

    assert options.pretrained is not None
    if asked is not None and not asked.row.goes_on:
        raise StudyError("an estimator trains in its own way or not at all: leave it or pretrained out")
    if not 0.0 <= options.least_match <= 1.0:
        raise StudyError(f"least_match must be a share from 0 to 1, got {options.least_match:g}")
    if options.keep_channels not in ("largest", "first"):
        raise StudyError(f"keep_channels must be largest or first, got '{shown(options.keep_channels)}'")
    written = options.space if isinstance(options.space, SearchSpace) else load_space(options.space)
    if len(problem.space.inputs) > 1:
        raise StudyError("pretrained weights begin networks of one input size: give one resolution, or leave them out")
    channels, height, width = problem.space.inputs[0]
    space = written.for_data(channels, problem.space.template["num_classes"], (height, width))
    drawn = make_strategy("random", problem, options.seed).ask(FEW)
    folder = None if options.data_dir is None else Path(options.data_dir)
    start = search_start(
        space,
        options.pretrained,
        ledger=options.ledger,
        class_names=() if asked is not None else class_names(problem.data, folder),
        least_share=options.least_match,
        seed=options.seed,
        keep=options.keep_channels,
        typical=[space.decode(each.genome) for each in drawn],
    )
    return msgspec.structs.replace(problem, space=start.fitted_space(space)), start


def fitting_words(space: SearchSpace | str | Path, problem: Problem, start: SearchStart | None) -> str:
    """What was made to fit, a line each: the `space` to the data of a `problem`, and to pretrained weights (`start`).

    What is counted in a search for detectors is among them.
    """
    lines = (adapted_words(space, problem), detector_words(problem), *(() if start is None else start.begun.lines))
    return "\n".join(line for line in lines if line)
