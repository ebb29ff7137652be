"""Quasi-random search, the policy-gradient controller and NSGA-III: how each thinks."""

from __future__ import annotations

from itertools import islice, product

import numpy as np
import pytest

from naslab.bench.table import TableDomain, TableSpace
from naslab.errors import SpecError
from naslab.space import Genome
from naslab.space.genome import Hole
from naslab.strategies.composed import Search
from naslab.strategies.nsga3 import NSGA3, associate, even_directions
from naslab.strategies.outcome_history import Observation, OutcomeHistory
from naslab.strategies.quasi_random import QuasiRandom
from naslab.strategies.registry import make_search
from naslab.strategies.reinforce import Reinforce


def make_domain(objectives: int = 1, rows: int = 64) -> TableDomain:
    """Six switches; the first loss counts those that are off, the second those that are on; the third is of neither."""
    holes = [Hole(path=f"stages[{index}].switch", options=("off", "on")) for index in range(6)]
    keys = np.array(list(product(range(2), repeat=6)))[:rows]
    on = keys.sum(axis=1).astype(float)
    return TableDomain(TableSpace(holes, keys), np.stack([6 - on, on, keys[:, 0] * 1.0], axis=1)[:, :objectives])


def run(domain: TableDomain, search: Search, trials: int) -> list[Genome]:
    genomes = []
    for _ in range(trials):
        proposal = search.ask(1)[0]
        seen = domain.look_up(proposal.genome)
        search.learn([Observation(seen.genome, seen.network_id, seen.losses, proposal.origin, len(genomes))])
        genomes.append(proposal.genome)
    return genomes


@pytest.mark.parametrize("seed", range(4))
def test_a_sobol_sequence_is_balanced_in_every_choice_after_a_power_of_two(seed: int) -> None:
    """The first 2^k points hold each half of each coordinate equally often (Owen scrambling keeps that)."""
    domain = make_domain()
    drafts = QuasiRandom(domain, seed)
    points = [drafts._point(index) for index in range(16)]
    taken = np.array([[gene.option for gene in point.genes] for point in points if point is not None])
    assert taken.shape == (16, 6)
    assert (taken.sum(axis=0) == 8).all()


def test_sobol_points_that_are_no_networks_are_repaired_always_alike() -> None:
    domain = make_domain(rows=40)  # the last 24 combinations are no networks
    one, two = QuasiRandom(domain, 1), QuasiRandom(domain, 1)
    points = [one._point(index) for index in range(64)]
    assert points == [two._point(index) for index in range(64)]
    assert all(point is None or domain.examine(point).is_feasible for point in points)
    found = run(domain, Search(domain, QuasiRandom(domain, 1), 1), 40)
    assert len({domain.space.row(genome) for genome in found}) == 40


def test_the_controller_learns_the_rewarded_options_and_keeps_every_one_in_play() -> None:
    domain = make_domain()
    history = OutcomeHistory(1)
    rng = np.random.default_rng(0)
    for trial in range(200):
        seen = domain.look_up(domain.space.sample(rng))
        history.finish(Observation(seen.genome, f"{trial}", seen.losses, trial=trial))
    chances = Reinforce(domain.space).probabilities(history)
    assert all(0.7 < chance[1] < 1 for chance in chances.values())
    blind = Reinforce(domain.space, learning_rate=1e-9).probabilities(history)
    assert all(chance[1] == pytest.approx(0.5) for chance in blind.values())


def test_an_entropy_bonus_alone_leads_back_to_even_odds() -> None:
    domain = make_domain()
    policy = Reinforce(domain.space, entropy_weight=1.0)
    for logits in policy._logits.values():
        logits += [0.0, 2.0]
    before = {path: logits.copy() for path, logits in policy._logits.items()}
    policy._learn(domain.space.genome(63), policy._baseline)
    assert all(np.ptp(policy._logits[path]) < np.ptp(before[path]) for path in before)


def test_the_gradient_is_the_gradient_of_the_expected_reward_and_the_entropy() -> None:
    """A step is learning rate times d/dlogits of advantage * log p(option) + weight * entropy, by differences."""
    domain = make_domain()
    policy = Reinforce(domain.space, learning_rate=1.0, entropy_weight=0.3)
    path = "stages[0].switch"
    start = np.array([0.4, -0.7])
    policy._logits[path][:] = start

    def value(logits: np.ndarray) -> float:
        chance = np.exp(logits) / np.exp(logits).sum()
        return float(0.25 * np.log(chance[1]) - 0.3 * (chance * np.log(chance)).sum())

    policy._learn(domain.space.genome(63), policy._baseline + 0.25)
    slopes = [(value(start + step) - value(start - step)) / 2e-6 for step in 1e-6 * np.eye(2)]
    assert policy._logits[path] - start == pytest.approx(slopes, abs=1e-8)


def test_a_controller_refuses_steps_that_go_nowhere() -> None:
    with pytest.raises(SpecError, match="learning_rate: must be above 0, got 0"):
        Reinforce(make_domain().space, learning_rate=0)


def test_directions_are_even_and_points_go_to_the_nearest() -> None:
    three = even_directions(3, 20)
    assert three.shape == (15, 3)
    assert three.sum(axis=1) == pytest.approx(np.ones(15))
    assert len(np.unique(three, axis=0)) == 15
    assert even_directions(1, 20).tolist() == [[1.0]]
    assert even_directions(5, 4).tolist() == [[0.2] * 5]
    rng = np.random.default_rng(0)
    points = rng.random((50, 3))
    niches, distances = associate(points, three)
    units = three / np.linalg.norm(three, axis=1, keepdims=True)
    away = [[np.linalg.norm(point - (point @ unit) * unit) for unit in units] for point in points]
    assert niches.tolist() == np.argmin(away, axis=1).tolist()
    assert distances == pytest.approx(np.min(away, axis=1), abs=1e-7)


def test_nsga3_lets_failures_and_the_fullest_niche_go_first() -> None:
    domain = make_domain(objectives=3)
    survivors = NSGA3(domain.space, 3, population=4)
    history = OutcomeHistory(3)
    for trial, losses in enumerate([(0.0, 1.0, 1.0), (1.0, 0.0, 1.0), None, (1.0, 1.0, 0.0), (0.0, 1.0, 0.9)]):
        history.finish(Observation(domain.space.genome(trial), f"{trial}", losses, trial=trial))
    drafted = list(islice(survivors.drafts(history, np.random.default_rng(0)), 40))
    assert survivors._alive == [0, 1, 3, 4]
    assert {parent for each in drafted for parent in each.origin["parents"]} == {0, 1, 3, 4}
    history.finish(Observation(domain.space.genome(9), "9", (9.0, 9.0, 9.0), trial=9))
    next(survivors.drafts(history, np.random.default_rng(0)))
    assert survivors._alive == [0, 1, 3, 4]


def test_a_population_too_small_to_cross_is_refused() -> None:
    with pytest.raises(SpecError, match="population: must be at least 2, got 1"):
        NSGA3(make_domain(3).space, 3, population=1)


@pytest.mark.parametrize("name", ["reinforce", "nsga3"])
def test_they_find_more_than_chance(name: str) -> None:
    """Mean loss of the last 20 of 40 trials; seeds are fixed, so there is no false alarm."""
    domain = make_domain()

    def late(strategy: str, seed: int) -> float:
        found = run(domain, make_search(strategy, domain, seed), 40)[20:]
        return float(np.mean([domain.losses[domain.space.row(genome), 0] for genome in found]))

    assert np.mean([late(name, seed) for seed in range(5)]) < np.mean([late("random", seed) for seed in range(5)]) - 0.2
