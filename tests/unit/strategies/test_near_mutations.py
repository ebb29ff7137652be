"""Mutations that prefer near options of ordered choices, and what NSGA-II gains by them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare, wilcoxon

from naslab.bench.simulate import simulate
from naslab.bench.table import TableDomain, TableSpace, full_keys
from naslab.pareto import hypervolume
from naslab.space import Gene, Genome, SearchSpace
from naslab.space.genome import Hole, other_option
from naslab.strategies.composed import Search
from naslab.strategies.nsga2 import NSGA2

ORDERED = Hole(path="width", options=(8, 16, 24, 32, 48))
KINDS = Hole(path="kind", options=("conv", "mbconv", "pool", "skip"))


def test_near_options_have_the_odds_of_the_square_of_their_distance() -> None:
    """Chi-square at a false-alarm rate of 1 in 1,000, with a fixed seed."""
    rng, count = np.random.default_rng(0), 4000
    seen = Counter(other_option(ORDERED, 1, rng, near=True) for _ in range(count))
    odds = np.array([1, 1, 1 / 4, 1 / 9])
    assert set(seen) == {0, 2, 3, 4}
    assert chisquare([seen[option] for option in (0, 2, 3, 4)], count * odds / odds.sum()).pvalue > 1e-3


def test_options_without_an_order_are_alike_near_or_not() -> None:
    rng, count = np.random.default_rng(1), 3000
    for hole, near in ((KINDS, True), (KINDS, False), (ORDERED, False)):
        seen = Counter(other_option(hole, 1, rng, near) for _ in range(count))
        assert 1 not in seen
        assert len(seen) == len(hole.options) - 1
        assert chisquare(list(seen.values())).pvalue > 1e-3


def test_spaces_mutate_to_near_options() -> None:
    width = {"choice": [8, 16, 24, 32, 48]}
    stages = [{"block": {"type": "conv"}, "width": width}]
    space = SearchSpace({"input": [3, 8, 8], "num_classes": 2, "stages": stages})
    (path,) = (hole.path for hole in space.holes())
    first, rng = Genome((Gene(path, 0),)), np.random.default_rng(2)
    near = Counter(space.mutate(first, rng, near=True).genes[0].option for _ in range(400))
    alike = Counter(space.mutate(first, rng).genes[0].option for _ in range(400))
    assert near[1] > 240  # 0.70 of them expected, and 0.25 of the others
    assert alike[1] < 160


class AlikeSpace(TableSpace):
    """A space whose mutations forget the order."""

    def mutate(self, genome: Genome, rng: np.random.Generator, near: bool = False) -> Genome:
        return super().mutate(genome, rng)


@pytest.mark.slow
def test_nsga2_finds_more_of_zdt1_by_them() -> None:
    """ZDT1 (Zitzler et al. 2000) of three variables, each one of 21 even values from 0 to 1; 200 evaluations.

    Wilcoxon's signed ranks of 8 seeds; without a difference all 8 would fall on one side in 1 of 256 choices of seeds.
    """
    knobs = [Hole(path=f"x{index}", options=tuple(range(21))) for index in range(3)]
    keys = full_keys(knobs)
    x = keys / 20
    g = 1 + 9 * x[:, 1:].mean(axis=1)
    losses = np.stack([x[:, 0], g * (1 - np.sqrt(x[:, 0] / g))], axis=1)
    shares = {}
    for space in (TableSpace(knobs, keys), AlikeSpace(knobs, keys)):
        domain = TableDomain(space, losses)
        whole = hypervolume(losses, domain.reference)
        traces = [simulate(domain, Search(domain, NSGA2(space), seed), 200, seed=seed) for seed in range(8)]
        found = [hypervolume(losses[trace.rows], domain.reference) / whole for trace in traces]
        shares[type(space).__name__] = found
    assert np.mean(shares["TableSpace"]) > 0.998
    assert wilcoxon(shares["TableSpace"], shares["AlikeSpace"], alternative="greater").pvalue < 0.05
