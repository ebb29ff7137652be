"""NaslabSampler: what `study.optimize` sees of a strategy, and what the strategy sees of the study."""

from __future__ import annotations

import math
from functools import cache

import optuna
import pytest
from optuna.trial import TrialState

from naslab.arch import ArchSpec, ConvBlock, MBConv, Skip, arch_id, cost
from naslab.errors import SpaceExhaustedError, StudyError
from naslab.optuna_edge import NaslabSampler, suggest_arch
from naslab.optuna_edge.trials import genome_of_params, params_of, readable_options
from naslab.space import SearchSpace, choice
from naslab.space.genome import Hole
from naslab.study.problem import DataChoice, Limit, Objective, Problem
from naslab.study.recipe import Recipe

optuna.logging.set_verbosity(optuna.logging.WARNING)


@cache
def small_problem(*objectives: str, limits: tuple[str, ...] = ()) -> Problem:
    """45 genomes, with a conditional choice."""
    blocks = choice(MBConv(kernel=3), {"type": "conv", "kernel": choice(3, 5, 7)}, Skip())
    stages = [{"block": blocks, "width": 8}, {"block": blocks, "width": choice(8, 16, 24), "stride": 2}]
    template = {
        "input": [1, 8, 8],
        "num_classes": 10,
        "stem": [{"block": ConvBlock(), "width": 8}],
        "stages": [stages[0], {**stages[1], "block": choice(MBConv(kernel=3), ConvBlock())}],
    }
    return Problem(
        space=SearchSpace(template, "small"),
        objectives=tuple(map(Objective.named, objectives)),
        data=DataChoice(name="digits"),
        recipe=Recipe(),
        limits=tuple(map(Limit.parse, limits)),
    )


def made_up(arch: ArchSpec) -> tuple[float, float]:
    macs = cost(arch).macs
    return 10 * math.log10(macs), float(macs)


def run(study: optuna.Study, problem: Problem, trials: int) -> list[str]:
    found: list[str] = []

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        arch = suggest_arch(trial, problem.space)
        found.append(arch_id(arch))
        return made_up(arch)

    study.optimize(objective, n_trials=trials)
    return found


def two_sided(sampler: NaslabSampler) -> optuna.Study:
    return optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)


@pytest.mark.parametrize("strategy", ["random", "evolution", "bayes", "tpe"])
def test_optimize_meets_limits_and_repeats_no_network(strategy: str) -> None:
    problem = small_problem("accuracy", "macs", limits=("macs<=100e3",))
    found = run(two_sided(NaslabSampler(strategy, problem, seed=1)), problem, 8)
    assert len(set(found)) == 8
    allowed = {
        arch_id(problem.space.decode(genome))
        for genome in problem.space.enumerate()
        if cost(problem.space.decode(genome)).macs <= 100e3
    }
    assert 8 <= len(allowed) < 30
    assert allowed.issuperset(found)


@pytest.mark.parametrize("strategy", ["evolution", "bayes"])
def test_a_fresh_sampler_continues_a_stored_study_exactly(strategy: str) -> None:
    problem = small_problem("accuracy", "macs")
    whole = run(two_sided(NaslabSampler(strategy, problem, seed=3)), problem, 16)
    study = two_sided(NaslabSampler(strategy, problem, seed=3))
    first = run(study, problem, 9)
    study.sampler = NaslabSampler(strategy, problem, seed=3)
    assert first + run(study, problem, 7) == whole


def test_an_exhausted_space_ends_optimize_and_refuses_an_ask() -> None:
    problem = small_problem("accuracy", "macs", limits=("macs<=100e3",))
    study = two_sided(NaslabSampler("random", problem))
    found = run(study, problem, 100)
    states = [trial.state for trial in study.trials]
    assert states == [TrialState.COMPLETE] * len(found) + [TrialState.PRUNED]
    assert len(set(found)) == len(found) < 30
    with pytest.raises(SpaceExhaustedError):
        study.sampler.suggest(study.ask())  # type: ignore[attr-defined]


def test_failures_reach_the_strategy_and_other_parameters_are_free() -> None:
    problem = small_problem("accuracy")
    sampler = NaslabSampler("evolution", problem, seed=2)
    study = optuna.create_study(direction="maximize", sampler=sampler)

    def objective(trial: optuna.Trial) -> float:
        arch = sampler.suggest(trial)
        assert 0 < trial.suggest_float("learning_rate", 1e-3, 1e-1, log=True) < 1
        if trial.number % 4 == 1:
            raise RuntimeError("diverged")
        return math.nan if trial.number % 4 == 2 else made_up(arch)[0]

    study.optimize(objective, n_trials=20, catch=(RuntimeError,))
    history = sampler._strategy._search.history  # type: ignore[attr-defined]
    assert [each.losses is None for each in history.told] == [number % 4 in (1, 2) for number in range(19)]


def test_what_runs_elsewhere_is_not_proposed_again() -> None:
    problem = small_problem("accuracy", "macs")
    study = two_sided(NaslabSampler("random", problem, seed=4))
    running = {arch_id(suggest_arch(study.ask(), problem.space)) for _ in range(10)}
    study.sampler = NaslabSampler("random", problem, seed=4)
    others = {arch_id(suggest_arch(study.ask(), problem.space)) for _ in range(10)}
    assert len(running) == len(others) == 10
    assert running.isdisjoint(others)


def test_enqueued_trials_run_as_they_are_and_teach() -> None:
    problem = small_problem("accuracy", "macs")
    genome = next(problem.space.enumerate())
    sampler = NaslabSampler("evolution", problem)
    study = two_sided(sampler)
    study.enqueue_trial(params_of(genome, problem.space))
    found = run(study, problem, 12)
    assert found[0] == arch_id(problem.space.decode(genome))
    assert len(set(found)) == 12
    history = sampler._strategy._search.history  # type: ignore[attr-defined]
    assert (len(history.told), len(history.pending)) == (11, 1)


def test_directions_must_be_the_problems() -> None:
    problem = small_problem("accuracy", "macs")
    study = optuna.create_study(direction="maximize", sampler=NaslabSampler("random", problem))
    with pytest.raises(StudyError, match="needs the directions of the problem's objectives: maximize, minimize"):
        run(study, problem, 1)


def test_parameters_are_genomes_both_ways() -> None:
    space = small_problem("accuracy").space
    for genome in space.enumerate():
        assert genome_of_params(params_of(genome, space), space) == genome
    assert genome_of_params({}, space) is None
    assert readable_options(Hole(path="flag", options=(1, True))) == ("1", "true")
