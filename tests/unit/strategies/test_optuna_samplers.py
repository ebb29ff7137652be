"""Any sampler of Optuna as a strategy: seeded by the study, not by itself."""

from __future__ import annotations

import logging

import numpy as np
import optuna
import pytest
from optuna.samplers import BaseSampler, NSGAIISampler, QMCSampler, RandomSampler, TPESampler

from naslab.bench.table import TableDomain, TableSpace, full_keys
from naslab.space import load_space
from naslab.space.genome import Hole
from naslab.strategies.composed import Search
from naslab.strategies.domain import ArchDomain
from naslab.strategies.optuna_bridge import OptunaBridge
from naslab.strategies.optuna_seeds import reseeded
from naslab.strategies.outcome_history import Observation
from naslab.strategies.registry import make_search
from naslab.study.problem import DataChoice, Objective, Problem
from naslab.study.recipe import named_recipe

SAMPLERS = [
    RandomSampler(seed=1),
    TPESampler(n_startup_trials=4),
    NSGAIISampler(population_size=4, crossover=optuna.samplers.nsgaii.UniformCrossover()),
]


class Hidden(RandomSampler):
    """Keeps generators of every kind in its parts."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = {"inner": TPESampler(), "generators": [np.random.default_rng()]}
        self.itself = self


def make_domain() -> TableDomain:
    holes = [Hole(path=f"knob{index}", options=("a", "b", "c")) for index in range(4)]
    keys = full_keys(holes)
    return TableDomain(TableSpace(holes, keys), keys.sum(axis=1, keepdims=True).astype(float))


def found(sampler: BaseSampler, trials: int, seed: int, domain: TableDomain, cut: int | None = None) -> list[int]:
    """Rows proposed one after the other; after `cut` trials a fresh strategy goes on from what was told."""

    def fresh() -> Search:
        return Search(domain, OptunaBridge(domain.space, lambda number: reseeded(sampler, number)), seed)

    search, told = fresh(), []
    for trial in range(trials):
        if trial == cut:
            search = fresh()
            search.learn(told)
        proposal = search.ask(1)[0]
        seen = domain.look_up(proposal.genome)
        told.append(Observation(seen.genome, seen.network_id, seen.losses, proposal.origin, trial))
        search.learn(told[-1:])
    return [int(each.network_id) for each in told]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: type(sampler).__name__)
def test_a_study_with_a_sampler_is_exact_and_continues_exactly(sampler: BaseSampler) -> None:
    domain = make_domain()
    whole = found(sampler, 14, 5, domain)
    assert len(set(whole)) == 14
    assert found(sampler, 14, 5, domain, cut=9) == whole
    assert found(sampler, 14, 6, domain) != whole


def test_every_generator_in_a_sampler_is_seeded() -> None:
    one, two, other = (reseeded(Hidden(), seed) for seed in (3, 3, 4))
    assert isinstance(one, Hidden)
    assert isinstance(two, Hidden)
    assert isinstance(other, Hidden)
    draws = [
        (each._rng.rng.random(), each.parts["inner"]._rng.rng.random(), each.parts["generators"][0].random())
        for each in (one, two, other)
    ]
    assert draws[0] == draws[1]
    assert not set(draws[0]) & set(draws[2])
    assert len(set(draws[0])) == 3


def test_the_sampler_itself_is_left_as_it_was() -> None:
    sampler = RandomSampler(seed=8)
    expected = RandomSampler(seed=8)._rng.rng.random()
    reseeded(sampler, 1)
    assert sampler._rng.rng.random() == expected


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_samplers_whose_seed_is_a_number_keep_it() -> None:
    assert len(set(found(QMCSampler(seed=2), 6, 1, make_domain()))) == 6


def test_gp_searches_conditional_choices_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    problem = Problem(
        load_space("digits_demo"),
        (Objective.named("accuracy"),),
        DataChoice(name="digits"),
        named_recipe("short", "digits"),
    )
    domain = ArchDomain(problem)
    search = make_search("gp", domain, 0)
    logging.getLogger("optuna").addHandler(caplog.handler)  # it hands nothing on to the root logger
    for trial in range(13):
        proposal = search.ask(1)[0]
        network = domain.examine(proposal.genome)
        search.learn([Observation(proposal.genome, network.network_id, (float(trial % 5),), proposal.origin, trial)])
    logging.getLogger("optuna").removeHandler(caplog.handler)
    assert caplog.messages == []
