"""How well one ranking agrees with another: tau, rho and the top decile, with intervals by resampling the networks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

Values: TypeAlias = NDArray[np.float64]

LEVEL = 0.9
TOP_SHARE = 0.1
LEAST_RANKED = 3
"""Fewer networks have no order to speak of."""


class Agreement(msgspec.Struct, frozen=True):
    """A figure (`value`) with its 90 % interval from `low` to `high`; all NaN where there is none."""

    value: float
    low: float
    high: float

    def words(self) -> str:
        """The figure for people.

        >>> Agreement(0.8, 0.75, 0.84).words()
        '0.80 (0.75 to 0.84)'
        """
        if math.isnan(self.value):
            return "-"
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


class RankAgreement(NamedTuple):
    """How scores rank networks beside the truth.

    `tau` is Kendall's tau-b and `rho` Spearman's rho, over all networks and over the tenth that truly is the best;
    `precision` is the share of the scores' best tenth that truly is among the best tenth.
    """

    tau: Agreement
    rho: Agreement
    top_tau: Agreement
    top_rho: Agreement
    precision: Agreement


def rank_agreement(scores: Values, truth: Values, num_resamples: int = 1000, seed: int = 0) -> RankAgreement:
    """How `scores` of shape (n,) rank networks of the values `truth`, shape (n,); larger is better in both.

    Intervals are percentiles over `num_resamples` bootstrap samples of the networks.

    >>> found = rank_agreement(np.array([1.0, 2.0, 3.0, 5.0, 4.0]), np.arange(5.0), num_resamples=20)
    >>> found.tau.value, found.precision.value
    (0.8, 0.0)
    """
    source = np.random.default_rng(seed)
    picks = [source.integers(len(truth), size=len(truth)) for _ in range(num_resamples)]

    def agreement(measure: Callable[[Values, Values], float]) -> Agreement:
        return resampled_agreement(measure, scores, truth, picks)

    tau_value = kendall_tau(scores, truth)
    drawn = resampled_taus(scores, truth, picks)
    low, high = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if len(picks) else (tau_value, tau_value)
    return RankAgreement(
        tau=Agreement(tau_value, float(low), float(high)),
        rho=agreement(spearman_rho),
        top_tau=agreement(lambda some, true: kendall_tau(*best_tenth(some, true))),
        top_rho=agreement(lambda some, true: spearman_rho(*best_tenth(some, true))),
        precision=agreement(top_precision),
    )


def resampled_agreement(
    measure: Callable[[Values, Values], float], scores: Values, truth: Values, picks: Sequence[NDArray[np.intp]]
) -> Agreement:
    """A `measure` of `scores` beside `truth`, both of shape (n,), with its interval over the networks at `picks`.

    A pick is an array of indices of shape (networks drawn,); those for which the measure is NaN are left out.
    """
    drawn = np.array([measure(scores[pick], truth[pick]) for pick in picks])
    drawn = drawn[~np.isnan(drawn)]
    value = measure(scores, truth)
    if math.isnan(value) or not len(drawn):
        return Agreement(math.nan, math.nan, math.nan)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Agreement(value, float(low), float(high))


def kendall_tau(one: Values, other: Values) -> float:
    """Kendall's tau-b of two rankings of shape (n,); NaN where one of them is constant or n is below 3.

    >>> kendall_tau(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0]))
    0.3333333333333333
    """
    return float(resampled_taus(one, other, [np.arange(len(one))])[0])


def resampled_taus(one: Values, other: Values, picks: list[NDArray[np.intp]]) -> Values:
    """Tau-b of `one` and `other`, both of shape (n,), over the networks at each of `picks`: shape (picks,).

    A pick is an array of indices of shape (networks drawn,). The signs of all pairs are compared once, then weighted.
    """
    signs_one = np.sign(one[:, None] - one[None, :])
    signs_other = np.sign(other[:, None] - other[None, :])
    weights = np.array([np.bincount(pick, minlength=len(one)) for pick in picks], dtype=np.float64)

    def weighted(pairs: Values) -> Values:
        return np.asarray(np.einsum("ij,ij->i", weights @ pairs, weights))

    scale = np.sqrt(weighted(np.abs(signs_one)) * weighted(np.abs(signs_other)))
    is_ranked = (scale > 0) & (weights.sum(1) >= LEAST_RANKED)
    taus = np.full(len(picks), np.nan)
    taus[is_ranked] = weighted(signs_one * signs_other)[is_ranked] / scale[is_ranked]
    return taus


def spearman_rho(one: Values, other: Values) -> float:
    """Spearman's rho of two rankings of shape (n,), ties at their mean rank; NaN where one is constant."""
    if len(one) < LEAST_RANKED or np.ptp(one) == 0 or np.ptp(other) == 0:
        return math.nan
    return float(np.corrcoef(mean_ranks(one), mean_ranks(other))[0, 1])


def mean_ranks(values: Values) -> Values:
    """Ranks from 1 of values of shape (n,), equal ones at the mean of theirs: shape (n,)."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[inverse], float)


def num_top(count: int) -> int:
    """How many networks the best tenth of `count` is, at least one."""
    return max(1, round(TOP_SHARE * count))


def best_tenth(scores: Values, truth: Values) -> tuple[Values, Values]:
    """The scores and the true values, two arrays of shape (top,), of the tenth of the networks truly best."""
    best = np.argsort(-truth, kind="stable")[: num_top(len(truth))]
    return scores[best], truth[best]


def top_precision(scores: Values, truth: Values) -> float:
    """The share of the scores' best tenth that truly is among the best tenth; ties at its border count in part.

    `scores` and `truth` have the shape (n,).
    """
    count = num_top(len(truth))
    return float((top_membership(scores, count) * top_membership(truth, count)).sum() / count)


def top_membership(values: Values, count: int) -> Values:
    """How surely each of `values`, shape (n,), is among the `count` largest: shape (n,), from 0 to 1.

    Ties at the border share the places left.

    >>> top_membership(np.array([3.0, 1.0, 2.0, 2.0]), 2)
    array([1. , 0. , 0.5, 0.5])
    """
    border = np.sort(values)[-count]
    above, level = values > border, values == border
    return np.asarray(np.where(level, (count - above.sum()) / level.sum(), above.astype(np.float64)))
