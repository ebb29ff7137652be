"""Preferences: strategies search the part of a front that is asked for, and refuse nothing beyond it."""

from __future__ import annotations

from copy import copy

import numpy as np
import pytest
from numpy.typing import NDArray
from optuna.samplers import TPESampler

from naslab.bench.made_table import make_table
from naslab.bench.simulate import simulate
from naslab.bench.table import TableDomain
from naslab.errors import NaslabError, SpecError
from naslab.pareto import dominates
from naslab.space import load_space
from naslab.strategies.acquisition import expected_approach
from naslab.strategies.choosing import choose_strategy
from naslab.strategies.optuna_bridge import sampler_strategy
from naslab.strategies.outcome_history import Unread
from naslab.strategies.preferred_part import ranked_behind, shortfall
from naslab.strategies.registry import WITH_PREFERENCES, make_search, strategy_names
from naslab.study.problem import DataChoice, Limit, Objective, Problem
from naslab.study.recipe import Recipe

GOALS = (Objective.named("accuracy"), Objective.named("macs"))
TRIALS = 40


def preferring(share: float, worst: bool = False) -> TableDomain:
    """A made-up table of scores and macs, on which the best `share` of the scores is preferred; none with `worst`."""
    domain = copy(make_table((4, 3, 3), (3, 3), objectives=("score", "macs"), seed=4))
    bound = np.quantile(domain.losses[:, 0], share) - (100.0 if worst else 0.0)
    domain.preferred = np.array([bound, np.nan])
    return domain


def num_within(domain: TableDomain, rows: NDArray[np.int64]) -> int:
    assert domain.preferred is not None
    return int((shortfall(domain.losses[rows], domain.preferred) == 0).sum())


def test_networks_within_come_before_all_beyond_and_the_nearest_of_those_first() -> None:
    rng = np.random.default_rng(0)
    losses, preferred = rng.standard_normal((40, 3)) * [1.0, 100.0, 1e9], np.array([-0.2, np.nan, 2e8])
    told = ranked_behind(losses, preferred)
    is_within = (losses[:, 0] <= -0.2) & (losses[:, 2] <= 2e8)
    assert 5 < is_within.sum() < 35
    assert (told[is_within] == losses[is_within]).all()
    far = np.maximum(losses[:, 0] + 0.2, 0) / 0.2 + np.maximum(losses[:, 2] - 2e8, 0) / 2e8
    for one in range(40):
        for two in range(40):
            if not is_within[two]:
                assert dominates(told[one], told[two]) == (is_within[one] or far[one] < far[two])


def test_failures_stay_failures() -> None:
    told = ranked_behind(np.array([[np.nan, np.nan], [1.0, 2.0]]), np.array([0.5, np.nan]))
    assert np.isnan(told[0]).all()
    assert np.isfinite(told[1]).all()


@pytest.mark.parametrize("name", WITH_PREFERENCES)
def test_more_of_what_is_preferred_is_tried(name: str) -> None:
    domain = preferring(0.1)
    plain = make_table((4, 3, 3), (3, 3), objectives=("score", "macs"), seed=4)
    seeds, trials = (range(1), 30) if name.startswith("bayes") else (range(3), 120)
    counts = [
        [num_within(domain, simulate(table, make_search(name, table, seed), trials).rows) for seed in seeds]
        for table in (domain, plain)
    ]
    assert sum(counts[0]) > sum(counts[1])


@pytest.mark.parametrize("name", WITH_PREFERENCES)
def test_what_no_network_reaches_is_no_limit(name: str) -> None:
    """The search goes on, towards the best scores."""
    domain = preferring(0.1, worst=True)
    trace = simulate(domain, make_search(name, domain, 1), TRIALS)
    assert len(trace.rows) == TRIALS
    found, chance = domain.losses[trace.rows[-TRIALS // 2 :], 0], domain.losses[:, 0]
    assert found.mean() < chance.mean()


def test_a_search_with_preferences_is_a_function_of_its_seed() -> None:
    domain = preferring(0.1)
    one, two = (simulate(domain, make_search("bayes", domain, 3), 20).rows for _ in range(2))
    assert (one == two).all()


def test_outcomes_taken_up_by_columns_are_told_as_those_told_one_by_one() -> None:
    domain = preferring(0.2)
    told = [domain.look_up(domain.space.genome(row)) for row in range(0, 200, 5)]
    one, two = make_search("nsga2", domain, 0), make_search("nsga2", domain, 0)
    one.learn(told)
    losses = np.array([each.losses for each in told])
    ids = [each.network_id for each in told]
    two.take_up(Unread(None, np.arange(len(told)), losses, np.ones(len(told)), ids))  # type: ignore[arg-type]
    assert (one.history.told.columns(40).losses == two.history.told.columns(40).losses).all()
    assert (one.history.told.columns(40).losses >= 1e29).any()


@pytest.mark.parametrize("name", sorted(set(strategy_names()) - set(WITH_PREFERENCES)))
def test_strategies_that_know_no_preferences_refuse_them(name: str) -> None:
    with pytest.raises(SpecError, match=r"prefer: is for --strategy bayes, bayes_per_second, evolution, .* got"):
        make_search(name, preferring(0.1))


def test_a_sampler_of_optuna_refuses_them() -> None:
    problem = Problem(load_space("nas_bench_macro"), GOALS, DataChoice("digits"), Recipe())
    preferred = Problem(
        problem.space, GOALS, problem.data, problem.recipe, preferences=(Limit.preferred("macs<=9M", GOALS),)
    )
    with pytest.raises(SpecError, match="prefer: is for strategies of naslab, got the sampler TPESampler"):
        sampler_strategy(TPESampler(), preferred)
    assert choose_strategy(problem, 6561).name == "random"
    assert choose_strategy(preferred, 6561).name in WITH_PREFERENCES


def test_the_expected_approach_is_that_of_many_draws() -> None:
    """Against the closed form of one preferred loss: E max(0, 1 - max(0, f)), f normal of mean 1 and deviation 1/2."""
    draws = np.random.default_rng(0).standard_normal((20_000, 2))
    found = expected_approach(
        np.array([[1.0, 5.0], [9.0, 0.0]]), np.array([[0.5, 0.0]] * 2), np.ones((1, 2)), np.array([0.0, np.nan]), draws
    )
    assert found[0] == pytest.approx(0.5 * 0.3989 - 0.5 * (0.05399 - 2 * 0.02275), abs=0.01)
    assert found[1] < 0


@pytest.mark.parametrize(
    ("text", "goals", "words"),
    [
        ("accuracy<=90", GOALS, "accuracy is made large: write accuracy>=..., got 'accuracy<=90'"),
        ("macs>=5M", GOALS, "macs is made small: write macs<=..., got"),
        ("accuracy>=90", GOALS[:1], "of one objective alone .accuracy. there is none"),
        ("params<=1M", GOALS, "unknown objective to prefer 'params'"),
        ("accuracy", GOALS, "prefer: must look like"),
        ("accuracy>=-1", GOALS, "prefer: needs a positive bound"),
    ],
)
def test_what_is_no_preference_is_refused(text: str, goals: tuple[Objective, ...], words: str) -> None:
    with pytest.raises(NaslabError, match=words):
        Limit.preferred(text, goals)
