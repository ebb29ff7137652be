"""PlannedSearch: what a search was asked for, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from naslab.arch.block import require
from naslab.execution.admission import MemoryModel
from naslab.execution.workers import Workers
from naslab.lab.priors import PlannedPrior
from naslab.lab.problems import ListedNetwork
from naslab.lab.search_estimators import SearchEstimator
from naslab.lab.search_options import SearchOptions
from naslab.strategies.choosing import StrategyChoice
from naslab.strategies.registry import require_pausing
from naslab.strategies.strategy import Strategy
from naslab.study.outcome import Fidelity
from naslab.study.problem import Problem
from naslab.study.rungs import Rungs

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from naslab.pretrained.search_start import SearchStart


class PlannedSearch(NamedTuple):
    """The options of a search, checked, and what they name; nothing is in a ledger yet.

    `choice` is the strategy of a search that leaves it to naslab. `fidelity` is what is spent on a new network, `start`
    are pretrained weights that it begins with, `prior` is what is known of networks before any training.
    """

    options: SearchOptions
    problem: Problem
    study: str
    strategy: str | BaseSampler | Strategy
    choice: StrategyChoice | None
    rungs: Rungs | None
    baselines: list[ListedNetwork]
    workers: Workers
    memory: MemoryModel | None
    estimator: SearchEstimator | None
    fidelity: Fidelity
    start: SearchStart | None = None
    prior: PlannedPrior | None = None


def rungs_of(options: SearchOptions, epochs: int, strategy: str) -> Rungs | None:
    """The rungs of a search with trainings of so many `epochs`; with pauses one after each.

    Raises `SpecError` for options that pauses exclude, and for a `strategy`, by its name, that cannot pause.
    """
    given = options.rungs
    rungs = given if isinstance(given, Rungs) or given is None else Rungs(tuple(given))
    if not (options.pause or (rungs is not None and rungs.pauses)):
        return rungs
    others = {"rungs": options.pause and rungs is not None, "stop_early": options.stop_early is not None}
    for name, is_given in others.items():
        require(not is_given, "pause", f"decides after each epoch which training goes on: leave {name} out")
    require_pausing(strategy)
    return rungs or Rungs.every_epoch(epochs)
