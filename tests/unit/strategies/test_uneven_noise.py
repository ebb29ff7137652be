"""Measurements that say how sure they are: how they compare, where it is trusted, and what a model makes of it."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from synthetic_study import study

from naslab.bench.made_kinds import told_noise
from naslab.strategies.domain import ArchDomain
from naslab.strategies.fitting import fit_warped
from naslab.strategies.gaussian_process import Belief, Kernel, Posterior
from naslab.strategies.outcome_history import Observation, Told
from naslab.strategies.registry import make_search
from naslab.strategies.uneven_noise import LEAST_SHARE, MOST_SHARE, UnevenNoise, shares_of
from naslab.strategies.warping import ROOMS
from naslab.study.finished import FinishedTrials

SPREADS = some.lists(some.floats(0.01, 100.0) | some.just(math.nan) | some.just(0.0), min_size=6, max_size=20)


@given(SPREADS, some.sampled_from(ROOMS), some.floats(0.01, 1e6))
def test_shares_have_bounds_and_no_unit(spreads: list[float], room: float, unit: float) -> None:
    told = np.array(spreads)
    losses = np.linspace(-3.0, 4.0, len(told)) ** 3
    noise = UnevenNoise.of(room, losses, told)
    shares = shares_of(noise, losses, told)
    assert ((shares >= LEAST_SHARE) & (shares <= MOST_SHARE)).all()
    assert (shares[~(told > 0)] == 1.0).all()
    other = UnevenNoise.of(room, losses * unit, told * unit)
    assert (noise is None) == (other is None) or len(set(told[told > 0])) == 1
    if noise is not None and other is not None:
        assert shares_of(other, losses * unit, told * unit) == pytest.approx(shares, rel=1e-6)


def test_few_that_say_it_are_not_asked() -> None:
    spreads = np.array([1.0, 2.0, math.nan, math.nan, math.nan])
    assert UnevenNoise.of(math.inf, np.arange(5.0), spreads) is None
    assert UnevenNoise.of(math.inf, np.arange(5.0), np.full(5, 2.0)) is None
    assert UnevenNoise.of(math.inf, np.arange(4.0), spreads[:4]) is not None


def test_three_measurements_of_one_network_are_one_that_is_surer() -> None:
    """A mean of three with a third of the noise tells the same as the three."""
    kernel = Kernel((np.array([0]),), np.array([1.0]), (np.array([4.0]),), noise=0.3)
    standing, none = np.linspace(0, 1, 7)[:, None], np.zeros((0, 1))
    alike = Posterior(kernel, np.array([[0.2], [0.2], [0.2], [0.9]]), standing)
    surer = Posterior(kernel, np.array([[0.2]]), standing, room=1, shares=np.array([1 / 3]))
    surer.add(np.array([0.9]))
    one = Belief(alike, np.array([-1.0, -0.4, -0.1, 0.7]), none)
    two = Belief(surer, np.array([-0.5, 0.7]), none)
    for told, expected in zip(two.predict_standing(), one.predict_standing(), strict=True):
        assert told == pytest.approx(expected, abs=1e-5)
    assert two.denoised() == pytest.approx(one.denoised()[2:], abs=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_said_is_trusted_where_it_is_true(seed: int) -> None:
    rng = np.random.default_rng(seed)
    inputs = np.column_stack((rng.random((60, 2)), np.ones(60)))
    spreads = np.exp(rng.uniform(np.log(0.02), np.log(1.0), 60))
    losses = np.sin(4 * inputs[:, 0]) + spreads * rng.standard_normal(60)
    scaled = (losses - losses.mean()) / losses.std()
    parts = [np.array([0, 1])]
    assert fit_warped(parts, inputs, scaled, 2, spreads=spreads).is_uneven
    assert not fit_warped(parts, inputs, scaled, 2, spreads=np.roll(spreads, 17)).is_uneven
    assert not fit_warped(parts, inputs, scaled, 2).is_uneven


def test_a_search_is_told_and_judged_apart() -> None:
    """By the same measurements with and without what they say, proposals are the same until it is trusted."""
    trails = []
    for is_told in (False, True):
        table = told_noise(2, is_told)
        search = make_search("bayes", table, 0)
        for _ in range(30):
            [proposal] = search.ask(1)
            search.learn([table.look_up(proposal.genome)])
        trails.append([each.network_id for each in search.history.told])
    assert trails[0][:5] == trails[1][:5]
    assert trails[0] != trails[1]


def test_spreads_are_the_same_by_columns_and_one_by_one(tmp_path: Path) -> None:
    made = study(30)
    outcomes = [
        msgspec.structs.replace(
            each,
            estimate=msgspec.structs.replace(
                each.estimate, measured={**each.estimate.measured, "accuracy_sem": 0.1 + 0.01 * place}
            ),
        )
        for place, each in enumerate(made.outcomes)
    ]
    domain = ArchDomain(made.problem)
    observed = [domain.observe(each) for each in outcomes]
    unread = domain.observe_all(FinishedTrials.of(outcomes))
    assert unread is not None
    told, other = Told(2), Told(2)
    told.take_up(unread)
    for each in observed:
        other.append(each)
    assert np.isfinite(told.spreads(range(30))[:, 0]).all()
    np.testing.assert_array_equal(told.spreads(range(30)), other.spreads(range(30)))
    told.append(Observation(observed[0].genome, "new", observed[0].losses))
    assert np.isnan(told.spreads([30])).all()
