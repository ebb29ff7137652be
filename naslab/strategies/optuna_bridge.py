"""Optuna's samplers as proposers: a study in memory, rebuilt from what was told (Optuna 5, Akiba et al. 2019).

The only file that imports Optuna, and only when one of its strategies runs.
"""

from __future__ import annotations

import copy
import importlib.util
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any, Self, TypeAlias

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, NSGAIIISampler, NSGAIISampler, TPESampler
from optuna.trial import FrozenTrial, TrialState
from threadpoolctl import ThreadpoolController

from naslab.errors import SpecError
from naslab.space import Genome
from naslab.space.genome import Hole
from naslab.strategies.composed import ComposedStrategy
from naslab.strategies.domain import ArchDomain, Space
from naslab.strategies.optuna_seeds import reseeded
from naslab.strategies.outcome_history import Observation, OutcomeHistory
from naslab.strategies.strategy import Proposal, Strategy
from naslab.study.problem import Problem

MAX_SUGGESTIONS = 3
"""Suggestions of one ask before the filter looks beside them: a surrogate that is sure repeats itself."""
GENERATION_POPULATION = 20
SAMPLER_STATE = "sampler_state"
"""Where a proposal's origin keeps what the sampler noted on the trial, such as its generation."""
FAILED = "failed"

MakeSampler: TypeAlias = Callable[[int], BaseSampler]
"""A sampler for a seed."""


def tpe(seed: int) -> BaseSampler:
    """The tree-structured Parzen estimator with Optuna's defaults (Watanabe 2023, arXiv 2304.11127)."""
    return TPESampler(seed=seed)


def gp(seed: int) -> BaseSampler:
    """Optuna's Gaussian process with Optuna's defaults; choices that are not always active are drawn at random."""
    return GPSampler(seed=seed, warn_independent_sampling=False)


def nsga2(seed: int) -> BaseSampler:
    """Optuna's NSGA-II, with a population for searches of hundreds of networks."""
    return NSGAIISampler(population_size=GENERATION_POPULATION, seed=seed)


def nsga3(seed: int) -> BaseSampler:
    """Optuna's NSGA-III, with a population for searches of hundreds of networks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # its interface may change; pinned versions are tested
        return NSGAIIISampler(population_size=GENERATION_POPULATION, seed=seed)


def cmaes(seed: int) -> BaseSampler:
    """Optuna's CMA-ES over the ordered choices; the others are drawn at random.

    Raises `SpecError` where the package `cmaes` is not installed.
    """
    if importlib.util.find_spec("cmaes") is None:
        raise SpecError("strategy", "'cmaes' needs the package cmaes, which is not installed: pip install cmaes")
    return CmaEsSampler(seed=seed, warn_independent_sampling=False)


def sampler_strategy(sampler: BaseSampler, problem: Problem, seed: int = 0) -> Strategy:
    """A strategy on `problem` that proposes what `sampler` suggests: one of Optuna, of OptunaHub or of one's own.

    Every ask takes a copy of the sampler, its random generators seeded anew from `seed` and the outcomes told, so that
    a study continues exactly; the seed that the sampler was made with has no say. Raises `SpecError` where `seed` is
    negative, and for preferences, which a sampler does not know.
    """
    if problem.preferences:
        raise SpecError("prefer", f"is for strategies of naslab, got the sampler {type(sampler).__name__}")
    domain = ArchDomain(problem)
    return ComposedStrategy(domain, OptunaBridge(domain.space, partial(reseeded, sampler)), seed)


class OptunaBridge:
    """The `Proposer` of an Optuna sampler, which `make_sampler` makes anew from a seed at every ask.

    The holes of `space` are parameters of the names of their paths; those that are not active are absent.
    Failures are told as complete trials with the worst values so far and a broken constraint: told as failed, TPE never
    leaves its random start.
    """

    def __init__(self, space: Space, make_sampler: MakeSampler) -> None:
        make_sampler(0)  # a sampler that cannot be made is an error now, not at the first ask
        self._space = space
        self._make_sampler = make_sampler
        self._trials: list[FrozenTrial | None] = []
        self._marks_failures = False
        self._distributions: dict[str, BaseDistribution] = {
            hole.path: distribution_of(hole) for hole in space.holes() if len(hole.options) > 1
        }

    def drafts(self, history: OutcomeHistory, rng: np.random.Generator) -> Iterator[Proposal]:
        """A few suggestions of the sampler, each knowing those before it."""
        threads = ThreadpoolController()  # looked for anew: samplers load libraries when they first need them
        with _quietly(threads):
            sampler = self._make_sampler(int(rng.integers(2**31)))
            study = self._study(history, sampler)
        for _ in range(MAX_SUGGESTIONS):
            with _quietly(threads):
                proposal = self._suggest(study)
            yield proposal

    def _suggest(self, study: optuna.Study) -> Proposal:
        trial = study.ask()

        def choose(hole: Hole) -> int:
            last = len(hole.options) - 1
            if last == 0:
                return 0
            if hole.is_ordered:
                return trial.suggest_int(hole.path, 0, last)
            return trial.suggest_categorical(hole.path, range(last + 1))

        genome = self._space.fill(choose)
        attributes = study.get_trials(deepcopy=False)[trial.number].system_attrs
        noted = {key: value for key, value in attributes.items() if "relative_params" not in key}
        origin: dict[str, Any] = {"operator": type(study.sampler).__name__}
        return Proposal(genome, {**origin, SAMPLER_STATE: noted} if noted else origin)

    def _study(self, history: OutcomeHistory, sampler: BaseSampler) -> optuna.Study:
        """The study that the history makes: what was told in order, then what is in flight."""
        directions = [optuna.study.StudyDirection.MINIMIZE] * history.num_objectives
        study = optuna.create_study(storage=optuna.storages.InMemoryStorage(), sampler=sampler, directions=directions)
        losses = history.told.columns(len(history.told)).losses
        has_failures = bool(np.isnan(losses).any())
        worst = np.fmax.reduce(losses, axis=0, initial=-np.inf)
        values = [float(each) if np.isfinite(each) else 0.0 for each in worst]
        study.add_trials(self._told(history.told, values, has_failures))
        study.add_trials(self._trial(genome, TrialState.RUNNING) for genome in history.pending.values())
        return study

    def _told(self, told: Sequence[Observation], worst: list[float], has_failures: bool) -> list[FrozenTrial]:
        """What was told as trials; those of networks that worked are made once."""
        if has_failures != self._marks_failures:
            self._trials, self._marks_failures = [], has_failures
        for observation in told[len(self._trials) :]:
            self._trials.append(None if observation.losses is None else self._finished(observation, observation.losses))
        return [
            self._finished(observation, worst) if trial is None else trial
            for observation, trial in zip(told, self._trials, strict=True)
        ]

    def _finished(self, observation: Observation, values: Sequence[float]) -> FrozenTrial:
        noted = observation.origin.get(SAMPLER_STATE)
        trial = self._trial(observation.genome, TrialState.COMPLETE, list(values), noted)
        if self._marks_failures:
            trial.set_constraint(FAILED, float(observation.losses is None))
        return trial

    def _trial(
        self,
        genome: Genome,
        state: TrialState,
        values: list[float] | None = None,
        noted: dict[str, Any] | None = None,
    ) -> FrozenTrial:
        active = [gene for gene in genome.genes if gene.hole in self._distributions]
        now = datetime.now()
        return _KnownTrial(
            number=-1,  # storage numbers it, here and below
            trial_id=-1,
            state=state,
            value=None,
            values=values,
            datetime_start=now,
            datetime_complete=now if state.is_finished() else None,
            params={gene.hole: gene.option for gene in active},
            distributions={gene.hole: self._distributions[gene.hole] for gene in active},
            user_attrs={},
            system_attrs=dict(noted or {}),  # Optuna writes constraints into it
            intermediate_values={},
        )


class _KnownTrial(FrozenTrial):
    """A trial whose parameters nothing changes any more.

    Storage copies each trial it is given. A copy of this one shares its parameters: copied whole, those of a study that
    is made anew for every ask took more time than the samplers.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = copy.copy(self)
        twin.system_attrs = copy.deepcopy(self.system_attrs, memo)
        return twin


def distribution_of(hole: Hole) -> BaseDistribution:
    """The indices of a hole's options as an Optuna distribution: integers where they are ordered, else categories."""
    last = len(hole.options) - 1
    return IntDistribution(0, last) if hole.is_ordered else CategoricalDistribution(tuple(range(last + 1)))


@contextmanager
def _quietly(threads: ThreadpoolController) -> Iterator[None]:
    """No log lines below warnings, and one thread; settings are left as they were.

    The workers have the cores: several threads that wait for each other there make an ask ten times slower.
    """
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with threads.limit(limits=1):
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)
