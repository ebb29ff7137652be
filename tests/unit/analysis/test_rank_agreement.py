"""Rank agreement beside scipy's, ties and all, and intervals that hold what they should."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from naslab.analysis.rank_agreement import (
    Agreement,
    best_tenth,
    kendall_tau,
    rank_agreement,
    resampled_taus,
    spearman_rho,
    top_membership,
    top_precision,
)


@pytest.mark.parametrize("seed", range(8))
def test_correlations_are_those_of_scipy(seed):
    source = np.random.default_rng(seed)
    one = source.integers(0, 12, 40).astype(float)
    other = one + source.integers(0, 9, 40)
    assert kendall_tau(one, other) == pytest.approx(kendalltau(one, other).statistic, rel=1e-12)
    assert spearman_rho(one, other) == pytest.approx(spearmanr(one, other).statistic, rel=1e-12)
    picks = [source.integers(40, size=40) for _ in range(5)]
    slow = [kendalltau(one[pick], other[pick]).statistic for pick in picks]
    assert resampled_taus(one, other, picks) == pytest.approx(slow, rel=1e-12)


def test_what_has_no_order_has_no_correlation():
    flat, rising = np.zeros(5), np.arange(5.0)
    assert math.isnan(kendall_tau(flat, rising))
    assert math.isnan(spearman_rho(rising, flat))
    assert math.isnan(kendall_tau(rising[:2], rising[:2]))
    assert Agreement(math.nan, math.nan, math.nan).words() == "-"


def test_the_best_tenth_is_by_the_truth():
    truth = np.arange(30.0)
    scores = -truth
    assert best_tenth(scores, truth)[1].tolist() == [29.0, 28.0, 27.0]
    assert kendall_tau(*best_tenth(scores, truth)) == -1.0
    assert top_precision(truth**3, truth) == 1.0
    assert top_precision(scores, truth) == 0.0


def test_ties_at_the_border_share_its_places():
    assert top_membership(np.array([5.0, 4.0, 4.0, 4.0, 1.0]), 2) == pytest.approx([1, 1 / 3, 1 / 3, 1 / 3, 0])
    truth = np.arange(20.0)
    coarse = np.where(truth >= 16, 1.0, 0.0)  # four share the two places, two of them rightly
    assert top_precision(coarse, truth) == pytest.approx(0.5)


def test_a_perfect_ranking_has_a_narrow_interval():
    truth = np.arange(40.0)
    found = rank_agreement(truth, truth, num_resamples=50)
    assert found.tau == Agreement(1.0, 1.0, 1.0)
    assert found.precision.value == 1.0
    assert found.top_tau.value == 1.0


def test_intervals_hold_the_true_tau_about_as_often_as_they_say():
    """Normal pairs of correlation r have tau 2/pi asin(r). 60 intervals of 90 % hold it at least 45 times: a false
    alarm has a probability below 1e-4 were the coverage exact, and 0.01 at a coverage of 0.86."""
    correlation, held = 0.7, 0
    true = 2 / math.pi * math.asin(correlation)
    source = np.random.default_rng(3)
    for trial in range(60):
        one = source.standard_normal(60)
        other = correlation * one + math.sqrt(1 - correlation**2) * source.standard_normal(60)
        picks = [np.random.default_rng([trial, each]).integers(60, size=60) for each in range(200)]
        low, high = np.quantile(resampled_taus(one, other, picks), [0.05, 0.95])
        held += low <= true <= high
    assert held >= 45


def test_the_same_seed_gives_the_same_interval():
    source = np.random.default_rng(0)
    one, other = source.random(30), source.random(30)
    assert rank_agreement(one, other, 40, seed=1) == rank_agreement(one, other, 40, seed=1)
    assert rank_agreement(one, other, 40, seed=1).tau != rank_agreement(one, other, 40, seed=2).tau
