"""What predicts runtime: correlations of measured latencies with macs, params and activations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from naslab.analysis.rank_agreement import mean_ranks
from naslab.errors import StudyError
from naslab.metrics import ACTIVATIONS, COUNTED_METRICS

Values: TypeAlias = NDArray[np.float64]
COSTS = COUNTED_METRICS
LEVEL = 0.9
NEEDED = 5
NUM_RESAMPLES = 2000


class TimedNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """A scaled network with its measured latency."""

    baseline: str
    rule: str
    arch_id: str
    macs: int
    params: int
    activations: int
    latency_ms: float
    latency_ms_iqr: float


class Correlation(msgspec.Struct, frozen=True, kw_only=True):
    """How well a cost tells runtime: Spearman's rank correlation and Pearson's of the logarithms, 90 % intervals.

    `within` is Pearson's of the logarithms after each baseline's own mean is taken off both: it tells members of one
    family apart, where differences between families do not help.
    """

    cost: str
    spearman: float
    spearman_interval: tuple[float, float]
    pearson: float
    pearson_interval: tuple[float, float]
    within: float
    within_interval: tuple[float, float]


class RuntimeTable(msgspec.Struct, frozen=True):
    """Correlations of every cost, the strongest within families first, and how often each is the strongest."""

    networks: tuple[TimedNetwork, ...]
    correlations: tuple[Correlation, ...]
    win_shares: dict[str, float]

    def rows(self) -> list[dict[str, Any]]:
        """The correlations as JSON values."""
        return [
            {**msgspec.structs.asdict(each), "strongest_in_resamples": self.win_shares[each.cost]}
            for each in self.correlations
        ]

    @property
    def verdict(self) -> str:
        """Whether activations predict runtime best, as "Fast and Accurate Model Scaling" (arXiv 2103.06877) says."""
        share, best = self.win_shares[ACTIVATIONS.name], self.correlations[0].cost
        if share >= 0.95:
            words = "activations tell members of a family apart by runtime better than macs and params, as claimed"
        elif share <= 0.05:
            words = f"{best} tell members of a family apart by runtime better than activations, against the claim"
        else:
            words = f"{best} are the strongest here, but not so clearly that activations are ruled out or in"
        return f"{words}: activations are the strongest in {share:.0%} of the resamples"


def runtime_table(networks: Sequence[TimedNetwork], seed: int = 0) -> RuntimeTable:
    """Correlations over networks, with intervals by resampling networks within their families.

    Raises `StudyError` below 5 networks.
    """
    if len(networks) < NEEDED:
        raise StudyError(f"correlations need at least {NEEDED} networks, got {len(networks)}")
    families = np.unique([each.baseline for each in networks], return_inverse=True)[1]
    latency = np.log([each.latency_ms for each in networks])
    costs = {name: np.log([float(getattr(each, name)) for each in networks]) for name in COSTS}
    source = np.random.default_rng(seed)
    picks = [_resampled(families, source) for _ in range(NUM_RESAMPLES)]
    drawn = {
        name: np.array([_three(values[pick], latency[pick], families[pick]) for pick in picks])
        for name, values in costs.items()
    }
    found = [_correlation(name, _three(costs[name], latency, families), drawn[name]) for name in COSTS]
    within = np.stack([drawn[name][:, 2] for name in COSTS], axis=1)
    wins = np.bincount(within.argmax(axis=1), minlength=len(COSTS)) / len(picks)
    return RuntimeTable(
        networks=tuple(networks),
        correlations=tuple(sorted(found, key=lambda each: -each.within)),
        win_shares={name: float(share) for name, share in zip(COSTS, wins, strict=True)},
    )


def _resampled(families: NDArray[np.intp], source: np.random.Generator) -> NDArray[np.intp]:
    """Indices drawn with replacement, as many of each family as it has."""
    groups = [np.flatnonzero(families == family) for family in np.unique(families)]
    return np.concatenate([source.choice(group, len(group)) for group in groups])


def _three(cost: Values, latency: Values, families: NDArray[np.intp]) -> tuple[float, float, float]:
    """Spearman's, Pearson's, and Pearson's within families."""
    ranked = _pearson(mean_ranks(cost), mean_ranks(latency))
    return ranked, _pearson(cost, latency), _pearson(_centred(cost, families), _centred(latency, families))


def _pearson(one: Values, other: Values) -> float:
    one, other = one - one.mean(), other - other.mean()
    scale = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum() / scale) if scale > 0 else 0.0


def _centred(values: Values, families: NDArray[np.intp]) -> Values:
    sums, counts = np.bincount(families, values), np.bincount(families)
    return np.asarray(values - (sums / np.maximum(counts, 1))[families], float)


def _correlation(cost: str, found: tuple[float, float, float], drawn: Values) -> Correlation:
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    intervals = [(float(one), float(other)) for one, other in zip(low, high, strict=True)]
    return Correlation(
        cost=cost,
        spearman=found[0],
        spearman_interval=intervals[0],
        pearson=found[1],
        pearson_interval=intervals[1],
        within=found[2],
        within_interval=intervals[2],
    )
