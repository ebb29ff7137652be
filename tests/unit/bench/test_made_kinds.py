"""Made-up tables of what trainings give are of the kind that they are called."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kendalltau, skew

from naslab.bench.made_kinds import CHANCE, KINDS, make_kind
from naslab.errors import UnknownNameError


@pytest.mark.parametrize("kind", KINDS)
def test_equal_seeds_make_equal_tables(kind: str) -> None:
    assert (make_kind(kind, 3).losses == make_kind(kind, 3).losses).all()
    assert (make_kind(kind, 3).losses != make_kind(kind, 4).losses).any()


def test_some_networks_collapse_and_the_others_have_a_tail() -> None:
    accuracy = -make_kind("collapsed").losses[:, 0]
    assert 0.02 < np.mean(accuracy == CHANCE) < 0.08
    assert skew(accuracy[accuracy != CHANCE]) < -0.5


def test_noise_is_larger_where_networks_are_worse() -> None:
    """Neighbouring quantiles differ by more among the bad half."""
    accuracy = np.sort(-make_kind("uneven_noise").losses[:, 0])
    quarter = len(accuracy) // 4
    assert np.ptp(accuracy[:quarter]) > 3 * np.ptp(accuracy[-quarter:])


def test_a_measured_latency_is_half_told_by_macs() -> None:
    domain = make_kind("measured")
    assert domain.is_known.tolist() == [False, False]
    log_macs = np.array([domain.examine(domain.space.genome(row)).features[0] for row in range(0, 6000, 20)])
    assert 0.2 < kendalltau(log_macs, domain.losses[0:6000:20, 1]).statistic < 0.8


@pytest.mark.parametrize(("kind", "known"), [("three", ["macs"]), ("four", ["macs", "params"])])
def test_what_many_objectives_cost_is_known_before_training(kind: str, known: list[str]) -> None:
    domain = make_kind(kind)
    names = [goal.metric for goal in domain.objectives]
    assert [name for name, is_known in zip(names, domain.is_known, strict=True) if is_known] == known
    costs = np.log(domain.losses[::20, domain.is_known])
    features = [domain.examine(domain.space.genome(row)).features for row in range(0, len(domain.losses), 20)]
    assert (np.array(features) == costs).all()


def test_another_kind_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="kind of made-up table 'mesured'"):
        make_kind("mesured")
