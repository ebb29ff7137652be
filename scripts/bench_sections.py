"""Sections of `bench_strategies.py` that ask other questions than which strategy is best on a table."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from naslab.bench.cluster import Cluster
from naslab.bench.compare import judge, searches
from naslab.bench.fidelities import Ladder, make_fidelities, successive_halving
from naslab.bench.made_table import make_table
from naslab.bench.standing import Spread, top_loss
from naslab.space import load_space
from naslab.strategies.domain import ArchDomain
from naslab.strategies.outcome_history import Observation
from naslab.strategies.registry import make_search
from naslab.study.problem import DataChoice, Objective, Problem
from naslab.study.recipe import Recipe

Measure: TypeAlias = Callable[[float, Executor | None], dict[str, Any]]
"""Measures with a share of the usual seeds."""
Show: TypeAlias = Callable[[dict[str, Any]], list[str]]

RUGGED = {
    "4 x 4 x 4 numbers, 4 x 4 x 3 kinds, seed 21": ((4, 4, 4), (4, 4, 3), 21, 3.0),
    "4 x 4 x 4 numbers, 4 x 4 x 3 kinds, seed 30": ((4, 4, 4), (4, 4, 3), 30, 3.0),
    "5 x 5 x 4 x 4 numbers, 4 x 3 kinds, seed 10": ((5, 5, 4, 4), (4, 3), 10, 2.0),
    "5 x 5 x 4 x 4 numbers, 4 x 3 kinds, seed 31": ((5, 5, 4, 4), (4, 3), 31, 2.0),
    "5 x 5 x 4 x 4 numbers, 4 x 3 kinds, seed 32": ((5, 5, 4, 4), (4, 3), 32, 2.0),
}
"""Tables on which one worker needs a hundred evaluations and more: options of numbers and kinds, seed, ruggedness."""
WORKERS, WORKERS_SEEDS, MOST_ALONE = 100, 16, 500

LADDER_TABLES = (5, 6, 7)
LADDER, LADDER_SEEDS, LADDER_NOISE, EPOCHS = Ladder((1, 3, 9), (0.6, 0.85, 1.0)), 8, 0.15, (90, 180, 360)
ONLY_TOP = Ladder((9,), (1.0,))
ASKED_SPACE, ASKED_AFTER, ASKS = "mixed_cifar", (100, 1_000, 10_000), 24
ASKED_GOALS = (
    ("accuracy",),
    ("accuracy", "macs"),
    ("accuracy", "macs", "latency_ms"),
    ("accuracy", "macs", "params", "latency_ms"),
)
WAYS = ("every network trained in full", "rungs, told the first", "rungs, told all", "rungs, at random")


def measure_workers(share: float, pool: Executor | None) -> dict[str, Any]:
    """Evaluations to the top of rugged tables with one worker and with 100, by `bayes`."""
    seeds = range(max(2, round(WORKERS_SEEDS * share)))
    rows = []
    for title, (numbers, kinds, seed, ruggedness) in RUGGED.items():
        domain = make_table(numbers, kinds, seed=seed, ruggedness=ruggedness)
        sides = []
        for workers, trials in ((1, MOST_ALONE), (WORKERS, 2 * MOST_ALONE)):
            cluster = Cluster(workers=workers)
            traces = list(searches(domain, "bayes", trials, seeds, cluster, pool, stop_at=top_loss(domain)))
            sides.append(judge(domain, traces, workers)[0])
        alone, together = sides
        rows.append(
            {
                "table": title,
                "rows": domain.space.size(),
                "seeds": len(seeds),
                "alone": alone.evaluations_to_top,
                "together": together.evaluations_to_top,
                "utilisation": together.utilisation,
            }
        )
        print(f"workers: {title} is done", file=sys.stderr)
    return {"workers": WORKERS, "rows": rows}


def show_workers(section: dict[str, Any]) -> list[str]:
    """The section as lines of a page."""
    lines = [
        f"## What {section['workers']} workers cost",
        "",
        f"`bayes` on rugged made-up tables: median evaluations to the top with one worker and with "
        f"{section['workers']}, and the share of these that is busy. Where one worker needs far fewer evaluations than "
        "there are workers, as on NAS-Bench-Macro, many cannot do with twice as many: one of each worker's begins "
        "before anything is known.",
        "",
        row_line(["table", "rows", "seeds", "one worker", f"{section['workers']} workers", "ratio", "busy"]),
        row_line(["---", *["---:"] * 6]),
    ]
    for row in section["rows"]:
        is_found = row["alone"] is not None and row["together"] is not None
        ratio = row["together"] / row["alone"] if is_found else None
        cells = [row["table"], f"{row['rows']:,}", str(row["seeds"]), number(row["alone"]), number(row["together"])]
        lines.append(row_line([*cells, number(ratio), f"{row['utilisation']:.1%}"]))
    return lines


def measure_rungs(share: float, pool: Executor | None) -> dict[str, Any]:
    """Regret after so many epochs, of networks trained in full, by `bayes` told more or less and at random."""
    seeds = range(max(2, round(LADDER_SEEDS * share)))
    rows = []
    for table in LADDER_TABLES:
        run = partial(climbed, table)
        found = np.array([run(seed) for seed in seeds] if pool is None else list(pool.map(run, seeds)))
        for index, way in enumerate(WAYS):
            spreads = [Spread.of(found[:, index, column]) for column in range(len(EPOCHS))]
            regret = {str(epochs): [each.mean, each.sem] for epochs, each in zip(EPOCHS, spreads, strict=True)}
            rows.append({"table": table, "way": way, "seeds": len(seeds), "regret": regret})
        print(f"rungs: table {table} is done", file=sys.stderr)
    return {"rows": rows}


def climbed(table: int, seed: int) -> list[list[float]]:
    """Regret of each way after each number of epochs: shape (ways, epochs); the table's worst before there is any."""
    domain = make_table(seed=table)
    losses = make_fidelities(domain, LADDER, seed=1)
    best, worst = domain.losses[:, 0].min(), domain.losses[:, 0].max()
    ways = [
        successive_halving(
            domain, ONLY_TOP, losses[-1:], make_search("bayes", domain, seed), max(EPOCHS), True, LADDER_NOISE, seed
        ),
        *(
            successive_halving(
                domain, LADDER, losses, make_search(name, domain, seed), max(EPOCHS), all_told, LADDER_NOISE, seed
            )
            for name, all_told in (("bayes", False), ("bayes", True), ("random", False))
        ),
    ]
    return [[min(each.best_after(epochs), worst) - best for epochs in EPOCHS] for each in ways]


def show_rungs(section: dict[str, Any]) -> list[str]:
    """The section as lines of a page."""
    agreements = " and ".join(f"{each:g}" for each in LADDER.agreements[:-1])
    lines = [
        "## Short trainings beside long ones",
        "",
        "Asynchronous successive halving on made-up tables, with noise: trainings of 1 and 3 epochs are mixtures that "
        f"hold {agreements} of a training of 9, the best third goes on. Regret of the best network trained in full, in "
        "deviations of the table, after so many epochs in all: means ± a standard error.",
        "",
        row_line(["table", "way", "seeds", *(f"after {epochs} epochs" for epochs in EPOCHS)]),
        row_line(["---", "---", *["---:"] * (len(EPOCHS) + 1)]),
    ]
    for row in section["rows"]:
        cells = [f"{mean:.3g} ± {sem:.1g}" for mean, sem in row["regret"].values()]
        lines.append(row_line([f"seed {row['table']}", row["way"], str(row["seeds"]), *cells]))
    return lines


def measure_asks(share: float, pool: Executor | None) -> dict[str, Any]:
    """CPU milliseconds of an ask of `bayes` in a space of real networks, after so many outcomes."""
    rows = []
    for goals in ASKED_GOALS:
        for told in ASKED_AFTER:
            asks = asked_after(told, goals, max(4, round(ASKS * share)))
            rows.append({"goals": goals, "told": told, "asks": len(asks), "ms": [float(np.median(asks)), max(asks)]})
        print(f"asks: {' and '.join(goals)} are done", file=sys.stderr)
    return {"rows": rows}


def asked_after(told: int, goals: tuple[str, ...], count: int) -> list[float]:
    """Milliseconds of `count` asks, an outcome told before each; results are made up of cost and noise."""
    problem = Problem(load_space(ASKED_SPACE), tuple(map(Objective.named, goals)), DataChoice("cifar10"), Recipe())
    domain, rng = ArchDomain(problem), np.random.default_rng(0)
    search = make_search("bayes", domain, 0)
    results = [made_up_result(domain, trial, rng) for trial in range(told + count)]
    search.learn(results[:told])
    search.ask(1)  # fits to all of them, as a resumed search does once
    times = []
    for result in results[told:]:
        search.learn([result])
        start = time.process_time()
        search.ask(1)
        times.append(1000 * (time.process_time() - start))
    return times


def made_up_result(domain: ArchDomain, trial: int, rng: np.random.Generator) -> Observation:
    """A random network with losses that follow its cost, each with noise of its own."""
    while True:
        genome = domain.space.sample(rng)
        network = domain.examine(genome)
        if network.is_feasible:
            losses = tuple(-5 * network.features[0] + rng.normal() if each is None else each for each in network.losses)
            return Observation(genome, network.network_id, losses, {}, trial)


def show_asks(section: dict[str, Any]) -> list[str]:
    """The section as lines of a page."""
    lines = [
        "## What an ask costs",
        "",
        f"`bayes` in `{ASKED_SPACE}` with made-up results: CPU milliseconds of an ask after so many outcomes, the "
        "median and the longest, which fits the model anew. At most 50 ms at 1,000 and 200 ms at 10,000 were asked.",
        "",
        row_line(["objectives", "outcomes", "asks", "median, ms", "longest, ms"]),
        row_line(["---", *["---:"] * 4]),
    ]
    for row in section["rows"]:
        cells = [", ".join(row["goals"]), f"{row['told']:,}", str(row["asks"]), *map(number, row["ms"])]
        lines.append(row_line(cells))
    return lines


def row_line(cells: list[str]) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def number(value: float | None) -> str:
    """Three significant digits."""
    return "-" if value is None else f"{value:.3g}"
