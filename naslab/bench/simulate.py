"""A search of a table: proposals are looked up instead of trained, by any number of workers on a virtual clock."""

from __future__ import annotations

import heapq
import time
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from naslab.bench.table import TableDomain
from naslab.errors import SpaceExhaustedError
from naslab.strategies.composed import Search

DURATION_SPREAD = 0.3
"""Standard deviation of the logarithm of a simulated training's duration."""


class Trace(msgspec.Struct, frozen=True):
    """One search of a table: rows in the order their results came, shape (evaluations,), and seconds of every ask."""

    rows: NDArray[np.int64]
    ask_seconds: NDArray[np.float64]


def simulate(
    domain: TableDomain, search: Search, trials: int, workers: int = 1, noise: float = 0.0, seed: int = 0
) -> Trace:
    """Run `search` on `workers` until `trials` results are in, or the table is exhausted.

    Durations are log-normal about 1. `noise` is the standard deviation added to every loss that is not known before.
    """
    rng = np.random.default_rng([seed, 7])
    is_noisy = np.array([loss is None for loss in domain.examine(domain.space.genome(0)).losses])
    running: list[tuple[float, int]] = []
    asked: list[int] = []
    origins: list[dict[str, Any]] = []
    asks: list[float] = []
    finished: list[int] = []
    now = 0.0
    while len(finished) < trials:
        while len(running) < workers and len(asked) < trials:
            began = time.perf_counter()
            try:
                proposal = search.ask(1)[0]
            except SpaceExhaustedError:
                trials = len(asked)
                break
            asks.append(time.perf_counter() - began)
            row = domain.space.row(proposal.genome)
            assert row is not None, "admission lets only rows through"
            heapq.heappush(running, (now + float(rng.lognormal(0.0, DURATION_SPREAD)), len(asked)))
            asked.append(row)
            origins.append(proposal.origin)
        if not running:
            break
        now, trial = heapq.heappop(running)
        row = asked[trial]
        observation = domain.look_up(domain.space.genome(row), noise * rng.standard_normal(len(is_noisy)) * is_noisy)
        search.learn([msgspec.structs.replace(observation, origin=origins[trial], trial=trial)])
        finished.append(row)
    return Trace(np.array(finished, dtype=np.int64), np.array(asks))
