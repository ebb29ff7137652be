"""How strategies compare on a table of known results, over many seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from naslab.bench.simulate import Trace, simulate
from naslab.bench.table import TableDomain
from naslab.errors import SpecError
from naslab.pareto import hypervolume
from naslab.strategies.registry import make_search

BUDGETS = (20, 50, 100, 200)
TOP_SHARE = 0.001


class Spread(msgspec.Struct, frozen=True):
    """A figure over seeds: mean, median and the standard error of the mean."""

    mean: float
    median: float
    sem: float

    @classmethod
    def of(cls, values: NDArray[np.floating[Any]]) -> Spread:
        """The spread of values of shape (seeds,)."""
        sem = float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else 0.0
        return cls(float(values.mean()), float(np.median(values)), sem)


class Standing(msgspec.Struct, frozen=True):
    """How a strategy did, by evaluations made ("20", "50", ...).

    `regret` is the best loss so far above the table's best, `rank` the place of the best found among distinct losses
    (1 the best). `evaluations_to_top` is the median number of evaluations until one of the best 0.1 % of rows is found,
    `None` where most seeds never did. `hypervolume` is a fraction of the whole front's, for two or more objectives.
    `ask_ms` is the mean time of an ask in milliseconds.
    """

    seeds: int
    evaluations_to_top: float | None
    regret: dict[str, Spread]
    rank: dict[str, Spread]
    hypervolume: dict[str, Spread]
    ask_ms: float


class Comparison(msgspec.Struct, frozen=True):
    """Strategies on one table. `reference` is the hypervolume's reference point, as losses."""

    strategies: dict[str, Standing]
    reference: tuple[float, ...]


def compare(
    domain: TableDomain, strategies: Sequence[str], trials: int, seeds: int, workers: int = 1, noise: float = 0.0
) -> Comparison:
    """Run each strategy `seeds` times (seeds 0, 1, ...) for `trials` evaluations on `workers`.

    Regret and hypervolume are of the table's own values, also where strategies see them with `noise`.
    """
    for name, number in (("trials", trials), ("seeds", seeds), ("workers", workers)):
        if number < 1:
            raise SpecError(name, f"must be at least 1, got {number}")
    searches = {name: [make_search(name, domain, seed) for seed in range(seeds)] for name in strategies}
    standings = {
        name: judge(domain, [simulate(domain, each, trials, workers, noise, seed) for seed, each in enumerate(made)])
        for name, made in searches.items()
    }
    return Comparison(standings, tuple(float(each) for each in domain.reference))


def judge(domain: TableDomain, traces: Sequence[Trace]) -> Standing:
    """How searches of one table did."""
    losses = domain.losses[:, 0]
    distinct = np.unique(losses[np.unique(domain.networks, return_index=True)[1]])
    top = np.sort(losses)[math.ceil(TOP_SHARE * len(losses)) - 1]
    longest = max(len(trace.rows) for trace in traces)
    budgets = [budget for budget in BUDGETS if budget <= longest] or [longest]
    best = {budget: np.array([losses[trace.rows[:budget]].min() for trace in traces]) for budget in budgets}
    firsts = np.array([_first(losses[trace.rows] <= top) for trace in traces])
    median = float(np.median(firsts))
    return Standing(
        seeds=len(traces),
        evaluations_to_top=median if math.isfinite(median) else None,
        regret={str(budget): Spread.of(found - losses.min()) for budget, found in best.items()},
        rank={str(budget): Spread.of(1.0 + np.searchsorted(distinct, found)) for budget, found in best.items()},
        hypervolume={str(budget): Spread.of(_fractions(domain, traces, budget)) for budget in budgets}
        if domain.num_objectives > 1
        else {},
        ask_ms=float(1e3 * np.mean(np.concatenate([trace.ask_seconds for trace in traces]))),
    )


def _first(holds: NDArray[np.bool_]) -> float:
    """How many evaluations until the first that holds; infinite if none does."""
    found = np.flatnonzero(holds)
    return float(found[0] + 1) if len(found) else math.inf


def _fractions(domain: TableDomain, traces: Sequence[Trace], budget: int) -> NDArray[np.float64]:
    """Each search's hypervolume after `budget` evaluations as a fraction of the whole table's: shape (searches,)."""
    whole = hypervolume(domain.losses, domain.reference)
    found = [hypervolume(domain.losses[trace.rows[:budget]], domain.reference) for trace in traces]
    return np.array(found) / whole if whole > 0 else np.ones(len(traces))
