"""NaslabSampler: a naslab strategy as a sampler of Optuna."""

from __future__ import annotations

import math
import threading
from datetime import datetime
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState

from naslab.arch import ArchSpec
from naslab.errors import SpaceExhaustedError, SpecError, StudyError
from naslab.execution.source import make_candidate
from naslab.metrics import is_described
from naslab.optuna_edge.trials import directions_of, distributions_of, genome_of_params, params_of, suggest_arch
from naslab.space import Genome
from naslab.strategies.registry import make_strategy
from naslab.strategies.strategy import Strategy
from naslab.study.outcome import Candidate, Estimate, Failure, Outcome
from naslab.study.problem import Problem

ORIGIN = "naslab:origin"
PARAMS = "naslab:params"
"""Where a trial keeps what the strategy proposed, for samplers of other processes on the same storage."""


class NaslabSampler(BaseSampler):
    """Any strategy of naslab behind `study.optimize`, over the space of a problem.

    `strategy` is its name. The objective takes its network from `sampler.suggest(trial)` and returns the objectives of
    `problem` in their order. Limits are met and no network comes twice. Trials that failed, were pruned or returned NaN
    are told as failures; trials of the study that hold no network of the space are passed over. Other parameters, and
    what enqueued trials leave open, are drawn at random. Where the space is exhausted `optimize` stops; `study.ask` and
    the first suggestion raise `SpaceExhaustedError`. A study whose directions are not those of the objectives raises
    `StudyError`.

    >>> sampler = NaslabSampler("bayes", problem, seed=0)  # doctest: +SKIP
    >>> study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)  # doctest: +SKIP
    >>> study.optimize(lambda trial: evaluate(sampler.suggest(trial)), n_trials=50)  # doctest: +SKIP
    """

    def __init__(self, strategy: str, problem: Problem, seed: int = 0) -> None:
        self._name = strategy
        self._problem = problem
        self._seed = seed
        self._distributions: dict[str, BaseDistribution] = dict(distributions_of(problem.space))
        self._others = RandomSampler(seed=seed)
        self._lock = threading.Lock()
        self._forget()

    def suggest(self, trial: optuna.Trial) -> ArchSpec:
        """The network that `trial` is to evaluate."""
        return suggest_arch(trial, self._problem.space)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Every choice of the space; a trial suggests those that are active."""
        return self._distributions

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """What the strategy proposes after all that the study holds; nothing for a trial that was enqueued."""
        if "fixed_params" in trial.system_attrs:
            return {}
        with self._lock:
            self._catch_up(study, trial.number)
            try:
                [proposal] = self._strategy.ask(1)
            except SpaceExhaustedError as error:
                _stop(study, error)
            params = params_of(proposal.genome, self._problem.space)
            self._known.add(trial.number)
        _note(study, trial, ORIGIN, proposal.origin)
        _note(study, trial, PARAMS, params)
        return params

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A random value for a parameter that is no choice of the space.

        `study` and `trial` are Optuna's, `param_name` and `param_distribution` the parameter.
        """
        return self._others.sample_independent(study, trial, param_name, param_distribution)

    def reseed_rng(self) -> None:
        """Nothing: proposals depend on the seed and the study alone, also in threads and processes."""

    def _forget(self) -> None:
        self._strategy: Strategy = make_strategy(self._name, self._problem, self._seed)
        self._study = ""
        self._known: set[int] = set()
        self._told: set[int] = set()

    def _catch_up(self, study: optuna.Study, own: int) -> None:
        """Tell the strategy what has finished, in that order, and adopt what runs elsewhere."""
        if study.study_name != self._study:
            self._forget()
            self._study = study.study_name
        if study.directions != directions_of(self._problem):
            wanted = ", ".join(each.name.lower() for each in directions_of(self._problem))
            raise StudyError(f"study '{study.study_name}' needs the directions of the problem's objectives: {wanted}")
        trials = [each for each in study.get_trials(deepcopy=False) if each.number != own]
        for trial in sorted(trials, key=lambda each: (each.datetime_complete or datetime.max, each.number)):
            if trial.state.is_finished() and trial.number not in self._told:
                self._told.add(trial.number)
                self._tell(trial)
            elif trial.state == TrialState.RUNNING and trial.number not in self._known:
                candidate = self._candidate(trial, trial.system_attrs.get(PARAMS, trial.params))
                if candidate is not None:
                    self._known.add(trial.number)
                    self._strategy.adopt([candidate])

    def _tell(self, trial: FrozenTrial) -> None:
        candidate = self._candidate(trial, {**trial.system_attrs.get(PARAMS, {}), **trial.params})
        if candidate is not None:
            self._strategy.tell([Outcome(candidate=candidate, estimate=estimate_of(trial, self._problem))])

    def _candidate(self, trial: FrozenTrial, params: dict[str, Any]) -> Candidate | None:
        genome = genome_of_params(params, self._problem.space)
        arch = None if genome is None else self._decoded(genome)
        if genome is None or arch is None:
            return None
        origin = trial.system_attrs.get(ORIGIN, {})
        return make_candidate(arch, trial.number, 1, self._seed, "search", genome, origin)

    def _decoded(self, genome: Genome) -> ArchSpec | None:
        """The network of a genome, `None` where a trial of another sampler took options that clash."""
        try:
            return self._problem.space.decode(genome)
        except SpecError:
            return None


def estimate_of(trial: FrozenTrial, problem: Problem) -> Estimate:
    """What a finished `trial` measured of the objectives of `problem`, or that it failed."""
    values = trial.values if trial.state == TrialState.COMPLETE else None
    if values is None or any(math.isnan(value) for value in values):
        return Estimate(failure=Failure(reason="error", message=f"the trial is {trial.state.name.lower()}"))
    measured = {
        objective.metric: value
        for objective, value in zip(problem.objectives, values, strict=True)
        if not is_described(objective.metric)
    }
    return Estimate(measured=measured)


def _note(study: optuna.Study, trial: FrozenTrial, key: str, value: Any) -> None:
    study._storage.set_trial_system_attr(trial._trial_id, key, value)


def _stop(study: optuna.Study, error: SpaceExhaustedError) -> None:
    """End `optimize` after this trial, which is pruned; elsewhere the error goes to the caller."""
    try:
        study.stop()
    except RuntimeError:
        raise error from None
    raise optuna.TrialPruned(str(error)) from error
