"""A search of a table: proposals are looked up instead of trained, by any number of workers on a virtual clock."""

from __future__ import annotations

import heapq
import time
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from naslab.bench.cluster import Cluster
from naslab.bench.table import TableDomain
from naslab.errors import SpaceExhaustedError
from naslab.strategies.composed import Search
from naslab.strategies.outcome_history import Observation

MOST_TRAININGS = 2**16
"""Of one network, of which one is drawn."""


class Trace(msgspec.Struct, frozen=True):
    """One search of a table. Arrays of shape (evaluations,), in the order results came.

    `rows` are the table's, `asks` the number of the ask that proposed each. `has_failed`, `started` and `finished` (in
    virtual seconds) are of its training. `ask_seconds` has the shape (asks,) and is CPU time of this process, as is
    `cpu_seconds` of the whole search: a machine that does other things besides changes neither. `is_exhausted`: the
    table held no more networks than these.
    """

    rows: NDArray[np.int64]
    asks: NDArray[np.int64]
    has_failed: NDArray[np.bool_]
    started: NDArray[np.float64]
    finished: NDArray[np.float64]
    ask_seconds: NDArray[np.float64]
    cpu_seconds: float
    is_exhausted: bool


class _Job(msgspec.Struct, frozen=True):
    """A training in flight, or done."""

    ask: int
    row: int
    origin: dict[str, Any]
    started: float
    finished: float
    has_failed: bool
    noise: NDArray[np.float64]
    training: int


def simulate(
    domain: TableDomain,
    search: Search,
    trials: int,
    cluster: Cluster | None = None,
    seed: int = 0,
    stop_at: float = -np.inf,
) -> Trace:
    """Run `search` on the table `domain` until `trials` results are in, or the table is exhausted.

    `cluster` trains (one worker by default). It ends early with a result whose first loss, as the table has it, is at
    most `stop_at`. Asking takes no virtual time, so that the same seed gives the same search on any machine. How a
    training goes is a function of the seed and of its number alone.
    """
    cluster = cluster or Cluster()
    began = time.process_time()
    running: list[tuple[float, int, _Job]] = []
    done: list[_Job] = []
    ask_seconds: list[float] = []
    limit = trials
    now = 0.0
    while len(done) < limit:
        while len(running) < cluster.workers and len(ask_seconds) < limit:
            start = time.process_time()
            try:
                proposal = search.ask(1)[0]
            except SpaceExhaustedError:
                limit = len(ask_seconds)
                break
            ask_seconds.append(time.process_time() - start)
            row = domain.space.row(proposal.genome)
            assert row is not None, "the filter lets only rows through"
            job = _start(domain, cluster, len(ask_seconds) - 1, row, proposal.origin, now, seed)
            heapq.heappush(running, (job.finished, job.ask, job))
        if running:
            now, _, job = heapq.heappop(running)
            search.learn([_result(domain, job)])
            done.append(job)
            if domain.losses[job.row, 0] <= stop_at and not job.has_failed:
                break
    return _trace(done, ask_seconds, time.process_time() - began, is_exhausted=limit < trials)


def _start(
    domain: TableDomain, cluster: Cluster, ask: int, row: int, origin: dict[str, Any], now: float, seed: int
) -> _Job:
    rng = np.random.default_rng([seed, 7, ask])
    fate = cluster.fate(float(domain.durations[row]), rng)
    noise = cluster.noise * rng.standard_normal(domain.num_objectives) * ~domain.is_known
    training = int(rng.integers(MOST_TRAININGS)) if domain.shown is not None else 0
    return _Job(ask, row, origin, now, now + fate.seconds, fate.has_failed, noise, training)


def _result(domain: TableDomain, job: _Job) -> Observation:
    """What the strategy is told of a training that is over."""
    observation = domain.look_up(domain.space.genome(job.row), job.noise, job.training)
    seconds = job.finished - job.started
    told = msgspec.structs.replace(observation, origin=job.origin, trial=job.ask, seconds=seconds)
    return msgspec.structs.replace(told, losses=None) if job.has_failed else told


def _trace(done: list[_Job], ask_seconds: list[float], cpu_seconds: float, is_exhausted: bool) -> Trace:
    return Trace(
        rows=np.array([job.row for job in done], dtype=np.int64),
        asks=np.array([job.ask for job in done], dtype=np.int64),
        has_failed=np.array([job.has_failed for job in done], dtype=bool),
        started=np.array([job.started for job in done], dtype=np.float64),
        finished=np.array([job.finished for job in done], dtype=np.float64),
        ask_seconds=np.array(ask_seconds, dtype=np.float64),
        cpu_seconds=cpu_seconds,
        is_exhausted=is_exhausted,
    )


def utilisation(trace: Trace, workers: int) -> float | None:
    """The share of workers that are busy between the first ask and the last, where each ask keeps the others waiting.

    The trainings of the trace are given out anew in the order asked: one at a time, each after the ask that proposed
    it, which takes its CPU time. What comes after the last ask is left out, as a longer search would keep those workers
    busy, and so are trainings that an early end cut off. `None` where there were no more trainings than workers, so
    that none was given out after another.
    """
    order = np.argsort(trace.asks)
    durations = (trace.finished - trace.started)[order]
    ask_seconds = trace.ask_seconds[trace.asks[order]]
    if len(durations) <= workers:
        return None
    free = [0.0] * workers
    starts = np.zeros(len(durations))
    driver = 0.0
    for index, (duration, ask) in enumerate(zip(durations, ask_seconds, strict=True)):
        driver = max(heapq.heappop(free), driver) + float(ask)
        starts[index] = driver
        heapq.heappush(free, driver + float(duration))
    end = starts[-1]
    busy = np.minimum(starts + durations, end) - starts
    return float(busy.sum() / (workers * end)) if end > 0 else 1.0
