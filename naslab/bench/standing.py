"""Standing: how the searches of one strategy did on a table, in figures and as curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from naslab.bench.simulate import Trace, utilisation
from naslab.bench.table import TableDomain
from naslab.pareto import hypervolume

BUDGETS = (20, 50, 100, 200)
TOP_ROWS_EACH = 1000
"""One row of so many counts as the top: the best 0.1 %."""


class Spread(msgspec.Struct, frozen=True):
    """A figure over seeds: mean, median and the standard error of the mean, `None` for one seed.

    >>> Spread(0.125, 0.12, 0.03).words(".3g", ".1g"), Spread(0.125, 0.125, None).words(".3g", ".1g")
    ('0.125 ± 0.03', '0.125')
    """

    mean: float
    median: float
    sem: float | None

    @classmethod
    def of(cls, values: NDArray[np.floating[Any]]) -> Spread:
        """The spread of values of shape (seeds,)."""
        sem = float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None
        return cls(float(values.mean()), float(np.median(values)), sem)

    def words(self, mean: str, sem: str, factor: float = 1.0) -> str:
        """The mean ± its standard error, if there is one, times a `factor`; `mean` and `sem` are their formats."""
        told = f"{factor * self.mean:{mean}}"
        return told if self.sem is None else f"{told} ± {factor * self.sem:{sem}}"


class Standing(msgspec.Struct, frozen=True):
    """How a strategy did, by evaluations made ("20", "50", ...).

    `regret` is the best loss so far above the table's best (the table's own values, the first objective), `rank` the
    place of the best found among distinct losses (1 the best). `hypervolume` is a fraction of the whole front's, for
    two or more objectives. Until a training succeeds the worst of the table counts as found.

    `evaluations_to_top` is the median number of evaluations until one of the best 0.1 % of rows is found,
    `seconds_to_target` the median virtual time until the target is met, `None` where most seeds never did.
    `utilisation` is the mean share of workers that are busy, `None` for searches of no more trainings than workers.
    `wasted` counts trainings that bring nothing: failed, or still running when the target is met. `ask_ms` is the mean
    CPU time of an ask in milliseconds, `cpu_seconds` that of all searches.
    """

    seeds: int
    evaluations_to_top: float | None
    regret: dict[str, Spread]
    rank: dict[str, Spread]
    hypervolume: dict[str, Spread]
    ask_ms: float
    cpu_seconds: float
    seconds_to_target: float | None
    utilisation: float | None
    wasted: Spread
    is_exhausted: bool


class Curve(msgspec.Struct, frozen=True):
    """A figure after each evaluation: shape (evaluations,) each; `low` and `high` a standard error from the mean."""

    mean: list[float]
    low: list[float]
    high: list[float]


class BestSoFar(msgspec.Struct, frozen=True):
    """What searches had found after each evaluation, each of shape (searches, evaluations).

    `best` is the lowest loss so far. `shares` are fractions of the whole front's hypervolume, of no columns for one
    objective. Searches that ended early keep what they had.
    """

    best: NDArray[np.float64]
    shares: NDArray[np.float64]


def top_loss(domain: TableDomain) -> float:
    """The first loss that a row of the best 0.1 % has at most: on NAS-Bench-Macro the seventh key's of 6,561."""
    losses = np.sort(domain.losses[:, 0])
    return float(losses[-(-len(losses) // TOP_ROWS_EACH) - 1])


def progress(domain: TableDomain, traces: Sequence[Trace]) -> BestSoFar:
    """What the searches `traces` of the table `domain` had found after each evaluation."""
    longest = max(len(trace.rows) for trace in traces)
    worst = domain.losses[:, 0].max()
    best = [np.minimum.accumulate(np.where(each.has_failed, worst, domain.losses[each.rows, 0])) for each in traces]
    shares = [_shares(domain, trace) for trace in traces]
    return BestSoFar(
        np.array([_held(each, longest) for each in best]), np.array([_held(each, longest) for each in shares])
    )


def standing(domain: TableDomain, traces: Sequence[Trace], found: BestSoFar, workers: int, target: float) -> Standing:
    """How the searches `traces` of the table `domain` did.

    `found` is their `progress`; `workers` is how many trained, `target` a loss of the first objective to reach.
    """
    distinct = np.unique(domain.losses[:, 0])
    longest = found.best.shape[1]
    budgets = sorted({*(budget for budget in BUDGETS if budget <= longest), longest})
    best = {str(budget): found.best[:, budget - 1] for budget in budgets}
    to_top = [_first(each <= top_loss(domain)) for each in found.best]
    seconds, wasted = zip(*(_on_the_way(domain, trace, target) for trace in traces), strict=True)
    busy = [share for trace in traces if (share := utilisation(trace, workers)) is not None]
    return Standing(
        seeds=len(traces),
        evaluations_to_top=_median(to_top),
        regret={budget: Spread.of(each - domain.losses[:, 0].min()) for budget, each in best.items()},
        rank={budget: Spread.of(1.0 + np.searchsorted(distinct, each)) for budget, each in best.items()},
        hypervolume={str(budget): Spread.of(found.shares[:, budget - 1]) for budget in budgets}
        if found.shares.size
        else {},
        ask_ms=float(1e3 * np.mean(np.concatenate([trace.ask_seconds for trace in traces]))),
        cpu_seconds=sum(trace.cpu_seconds for trace in traces),
        seconds_to_target=_median(seconds),
        utilisation=float(np.mean(busy)) if busy else None,
        wasted=Spread.of(np.array(wasted, dtype=np.float64)),
        is_exhausted=any(trace.is_exhausted for trace in traces),
    )


def curve(values: NDArray[np.float64]) -> Curve:
    """The mean of `values` of shape (searches, evaluations), and a band of a standard error each way."""
    mean = values.mean(axis=0)
    sem = values.std(axis=0, ddof=1) / math.sqrt(len(values)) if len(values) > 1 else np.zeros(len(mean))
    return Curve(mean.tolist(), (mean - sem).tolist(), (mean + sem).tolist())


def _shares(domain: TableDomain, trace: Trace) -> NDArray[np.float64]:
    """The fraction of the whole table's hypervolume after each evaluation; none for one objective."""
    if domain.num_objectives < 2:
        return np.zeros(0)
    whole = hypervolume(domain.losses, domain.reference)
    if whole <= 0:
        return np.ones(len(trace.rows))
    found = np.zeros((0, domain.num_objectives))
    shares = [0.0]
    for row, has_failed in zip(trace.rows, trace.has_failed, strict=True):
        point = domain.losses[row]
        if has_failed or np.any(np.all(found <= point, axis=1)):
            shares.append(shares[-1])
        else:
            found = np.vstack((found[~np.all(point <= found, axis=1)], point))
            shares.append(hypervolume(found, domain.reference) / whole)
    return np.array(shares[1:])


def _held(values: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """The values, the last one kept up to a length; none stay none."""
    return np.pad(values, (0, length - len(values)), mode="edge") if len(values) else values


def _first(holds: NDArray[np.bool_]) -> float:
    """How many evaluations until the first that holds; infinite if none does."""
    found = np.flatnonzero(holds)
    return float(found[0] + 1) if len(found) else math.inf


def _on_the_way(domain: TableDomain, trace: Trace, target: float) -> tuple[float, int]:
    """Virtual seconds until the target is met, infinite if it never is, and trainings that bring nothing until then."""
    count = _first((domain.losses[trace.rows, 0] <= target) & ~trace.has_failed)
    if not math.isfinite(count):
        return math.inf, int(trace.has_failed.sum())
    seconds = float(trace.finished[int(count) - 1])
    in_flight = (trace.started < seconds) & (trace.finished > seconds)
    return seconds, int(trace.has_failed[: int(count)].sum() + in_flight.sum())


def _median(values: Sequence[float]) -> float | None:
    """The median, `None` where it is infinite."""
    median = float(np.median(values))
    return median if math.isfinite(median) else None
