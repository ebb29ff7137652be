"""How strategies compare on a table of known results, over many seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from functools import partial

import msgspec
import numpy as np

from naslab.arch.block import require
from naslab.bench.cluster import Cluster
from naslab.bench.peers import make_contender
from naslab.bench.processes import process_pool
from naslab.bench.simulate import Trace, simulate
from naslab.bench.standing import Curve, Standing, curve, progress, standing, top_loss
from naslab.bench.table import TableDomain
from naslab.execution.workers import MOST_PROCESSES

SEEDS_AT_ONCE = 2
"""Searches that a process does before it reports: the table travels to it once for them."""

Observer = Callable[[str, Standing], None]


class Curves(msgspec.Struct, frozen=True):
    """Regret after each evaluation, and the fraction of the front's hypervolume for two or more objectives."""

    regret: Curve
    hypervolume: Curve | None


class Comparison(msgspec.Struct, frozen=True):
    """Strategies on one table: the `strategies` and `curves` of each, by name.

    `target` is a value of the first objective, `reference` one of each, as in the table.
    """

    strategies: dict[str, Standing]
    curves: dict[str, Curves]
    reference: dict[str, float]
    target: float


def compare(
    domain: TableDomain,
    strategies: Sequence[str],
    trials: int,
    seeds: int,
    cluster: Cluster | None = None,
    target: float | None = None,
    processes: int = 1,
    on_done: Observer | None = None,
) -> Comparison:
    """Run each of `strategies` on the table `domain` with the seeds 0, 1, ... for `trials` evaluations.

    `seeds` is how many, `cluster` the simulated one (one worker by default). `target` is a value of the first objective
    to reach, that of the best 0.1 % of rows by default. `on_done` is called with each name and standing as it is known.
    Regret and hypervolume are of the table's own values, also where strategies see them with noise. Results do not
    depend on `processes`, the times of asks and the utilisation that follows from them aside.

    Raises `UnknownNameError` and `SpecError` before the first search for strategies that are not there or cannot search
    the table, and `SpecError` for numbers below 1 and more than 1,000 `processes`.
    """
    cluster = cluster or Cluster()
    for name, number in (("trials", trials), ("seeds", seeds), ("processes", processes)):
        require(number >= 1, name, f"must be at least 1, got {number}")
    require(processes <= MOST_PROCESSES, "processes", f"must be at most {MOST_PROCESSES:,}, got {processes}")
    require(len(strategies) > 0, "strategies", "needs at least one name")
    for name in strategies:
        make_contender(name, domain, 0)
    first = domain.objectives[0]
    standings, curves = {}, {}
    aim = top_loss(domain) if target is None else first.loss(target)
    with process_pool(processes) as pool:
        started = {name: searches(domain, name, trials, range(seeds), cluster, pool) for name in strategies}
        for name, traces in started.items():
            standings[name], curves[name] = judge(domain, list(traces), cluster.workers, aim)
            if on_done is not None:
                on_done(name, standings[name])
    return Comparison(standings, curves, reference_point(domain), first.loss(aim))


def reference_point(domain: TableDomain) -> dict[str, float]:
    """The values that hypervolume is measured from, by objective: from there on a network is worthless."""
    aims = zip(domain.objectives, domain.reference, strict=True)
    return {objective.metric: objective.loss(float(loss)) for objective, loss in aims}


def judge(
    domain: TableDomain, traces: Sequence[Trace], workers: int = 1, target: float | None = None
) -> tuple[Standing, Curves]:
    """How the searches `traces` of the table `domain` did, by `workers` workers, as figures and as curves.

    `target` is a loss of the first objective to reach, that of the best 0.1 % of rows by default.
    """
    found = progress(domain, traces)
    shares = curve(found.shares) if found.shares.size else None
    figures = standing(domain, traces, found, workers, top_loss(domain) if target is None else target)
    return figures, Curves(curve(found.best - np.min(domain.losses[:, 0])), shares)


def searches(
    domain: TableDomain,
    name: str,
    trials: int,
    seeds: Sequence[int],
    cluster: Cluster,
    pool: Executor | None,
    stop_at: float = -np.inf,
) -> Iterator[Trace]:
    """One search of the strategy `name` on `domain` for each of `seeds`, in their order.

    Each is of `trials` evaluations on `cluster`, or until its first loss is at most `stop_at`. With a `pool` of
    processes they run side by side, started at once.
    """
    run = partial(_searches, domain, name, trials, cluster, stop_at)
    if pool is None:
        return (trace for seed in seeds for trace in run([seed]))
    batches = [list(seeds[start : start + SEEDS_AT_ONCE]) for start in range(0, len(seeds), SEEDS_AT_ONCE)]
    return (trace for traces in pool.map(run, batches) for trace in traces)


def _searches(
    domain: TableDomain, name: str, trials: int, cluster: Cluster, stop_at: float, seeds: Sequence[int]
) -> list[Trace]:
    return [simulate(domain, make_contender(name, domain, seed), trials, cluster, seed, stop_at) for seed in seeds]
