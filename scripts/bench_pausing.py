"""Searches that pause trainings against whole trainings and rungs, by the second, on learning curves.

    .venv/bin/python scripts/bench_pausing.py [--seeds 8] [--seconds 120] [--minutes M] [--out DIR] [--cases CASES]
    .venv/bin/python scripts/bench_pausing.py --cases fashion fashion_two --seconds 600 --out results/fashion_mixed

The cases `one` and `two` are made up: each seed has a table of its own of 1,555 networks with curves of 12 epochs that
cross (`naslab.bench.made_curves`), with noise of 0.05 deviations at the last epoch and twice that at the first. `late`
and `late_two` are the same, but nothing is learned in the first four epochs, and the first is twenty times as noisy as
the last. Those of `fashion` are our own table's: a search is shown the validation accuracies of one training of each
network, drawn by the seed, and judged by the mean test accuracy of its trainings. A second is what an epoch takes on
average; networks differ in that by their macs where made up, by what was measured in our own table. One worker. Counted
are networks trained to the end alone. Rungs are of 1, 4 and 12 epochs, a third of each going on. What is measured is
kept in OUT/pausing.json, search by search: the same call goes on where it was interrupted. Writes OUT/pausing.md.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from naslab.atomic_write import atomic_write
from naslab.bench.made_curves import (
    AnyCurves,
    CurveSearch,
    found_after,
    halving,
    make_curves,
    pauses,
    run,
    train_whole,
)
from naslab.bench.measured_curves import fashion_curves
from naslab.provenance import installed_versions, machine_description
from naslab.strategies.composed import Search
from naslab.strategies.pausing import Pausing
from naslab.strategies.registry import make_search

KNOBS, KINDS = (6, 4, 3), (4, 3, 2)
RUNGS, KEEP = (1, 4, 12), 1 / 3
MARKS = (30, 60, 120, 300, 600, 1200)


class Case(NamedTuple):
    """The curves of a seed, what is told of them, and `near`: what counts as found; `is_share` where large is good.

    Without `near` it is found what `CHANCE` has in the end, to a hundredth.
    """

    title: str
    curves: Callable[[int], AnyCurves]
    is_share: bool
    near: float | None


CASES = {
    "one": Case(
        "one objective: regret, in deviations of the table",
        lambda seed: make_curves(KNOBS, KINDS, ("score",), seed=seed),
        False,
        0.2,
    ),
    "two": Case(
        "two objectives: share of hypervolume",
        lambda seed: make_curves(KNOBS, KINDS, ("score", "macs"), seed=seed),
        True,
        0.95,
    ),
    "late": Case(
        "one objective, nothing learned in the first third, noisy there: regret, in deviations of the table",
        lambda seed: make_curves(KNOBS, KINDS, ("score",), seed=seed, is_late=True),
        False,
        0.2,
    ),
    "late_two": Case(
        "two objectives, nothing learned in the first third, noisy there: share of hypervolume",
        lambda seed: make_curves(KNOBS, KINDS, ("score", "macs"), seed=seed, is_late=True),
        True,
        0.95,
    ),
    "fashion": Case("our own table: regret in test accuracy, points", lambda _: fashion_curves(), False, None),
    "fashion_two": Case(
        "our own table, test accuracy and macs: share of hypervolume", lambda _: fashion_curves(["macs"]), True, None
    ),
}
CHANCE = ("whole trainings", "random")
"""The way and the strategy that others are measured by."""


def whole(strategy: str, curves: AnyCurves, seed: int) -> tuple[CurveSearch, Callable[[CurveSearch], None]]:
    """Every network trained to the end."""
    return CurveSearch(curves, make_search(strategy, curves.domain, seed), seed, tells_all=False), train_whole


def by_rungs(strategy: str, curves: AnyCurves, seed: int) -> tuple[CurveSearch, Callable[[CurveSearch], None]]:
    """Asynchronous successive halving; the strategies that learn across fidelities are told all."""
    search = make_search(strategy, curves.domain, seed)
    return CurveSearch(curves, search, seed, tells_all=strategy.startswith("bayes")), halving(RUNGS, KEEP)


def paused(strategy: str, curves: AnyCurves, seed: int) -> tuple[CurveSearch, Callable[[CurveSearch], None]]:
    """A decision after every epoch."""
    pausing = Pausing(curves.domain, curves.epochs, seed, is_per_second=strategy == "bayes_per_second")
    return CurveSearch(curves, Search(curves.domain, pausing, seed), seed, tells_all=True), pauses(pausing)


WAYS = {"whole trainings": whole, "rungs": by_rungs, "pauses": paused}
ROWS = [
    *[(way, strategy) for way in ("whole trainings", "rungs") for strategy in ("random", "bayes", "bayes_per_second")],
    *[("pauses", strategy) for strategy in ("bayes_per_second", "bayes")],
]


def searched(case: str, way: str, strategy: str, seed: int, seconds: float) -> dict[str, Any]:
    """One search: what it had found after how many seconds, and what it took."""
    curves = CASES[case].curves(seed)
    start = time.process_time()
    going, step = WAYS[way](strategy, curves, seed)
    steps = run(going, step, seconds)
    return {
        "found": found_after(curves, steps, seed),
        "begun": len({each.row for each in steps}),
        "cpu_seconds": time.process_time() - start,
    }


def at(found: list[list[float]], mark: float, nothing: float) -> float:
    """What was found by a moment, `nothing` before there is anything."""
    return next((worth for seconds, worth in reversed(found) if seconds <= mark), nothing)


def until(found: list[list[float]], case: str, near: float) -> float:
    """When what counts as found was, infinite if it was not."""
    sign = -1 if CASES[case].is_share else 1
    return next((seconds for seconds, worth in found if sign * worth <= sign * near), math.inf)


def near_of(case: str, searches: dict[str, Any]) -> float:
    """What counts as found in a case."""
    near, is_share = CASES[case].near, CASES[case].is_share
    if near is not None:
        return near
    ends = [each["found"][-1][1] for key, each in searches.items() if key.startswith("/".join((case, *CHANCE, "")))]
    return statistics.mean(ends) * (0.99 if is_share else 1.01) if ends else math.nan


def row_of(
    there: list[dict[str, Any]], case: str, near: float, way: str, strategy: str, given: argparse.Namespace
) -> str:
    """A row of the table: searches of one case by one way and strategy."""
    cells = [str(len(there))]
    for mark in (mark for mark in MARKS if mark <= given.seconds):
        worths = [at(each["found"], mark, math.nan) for each in there]
        known = [each for each in worths if not math.isnan(each)]
        error = statistics.stdev(known) / len(known) ** 0.5 if len(known) > 1 else math.nan
        missing = f" ({len(known)} of {len(worths)})" if len(known) < len(worths) else ""
        spread = f" ± {error:.3f}" if len(known) > 1 else ""
        cells.append(f"{statistics.mean(known):.3f}{spread}{missing}" if known else "none")
    moments = sorted(until(each["found"], case, near) for each in there)
    middle, reached = statistics.median_high(moments), sum(map(math.isfinite, moments))
    found = f"{middle:.0f}" if math.isfinite(middle) else f"over {given.seconds:g}"
    cells.append(f"{found} ({reached} of {len(there)})")
    cells += [f"{statistics.mean(each['begun'] for each in there):.0f}"]
    cells += [f"{statistics.mean(len(each['found']) for each in there):.0f}"]
    cells += [f"{statistics.mean(each['cpu_seconds'] for each in there):.1f}"]
    return f"| {way} | {strategy} | {' | '.join(cells)} |"


def page(kept: dict[str, Any], given: argparse.Namespace) -> str:
    """The tables of the cases."""
    versions = ", ".join(f"{name} {kept['versions'][name]}" for name in ("naslab", "numpy"))
    lines = [
        "# Pauses, rungs and whole trainings",
        "",
        f"Made by `scripts/bench_pausing.py --seeds {given.seeds} --seconds {given.seconds:g}`, in several calls, on "
        f"one core of {kept['machine']['processor']} that did other work, too, {versions}. What is compared is in the "
        "head of the script; seconds are simulated, one is an average epoch. Means, with standard errors, over the "
        "seeds that had a network trained to the end by then (how many where not all).",
        "",
    ]
    for case in given.cases:
        marks = [f"after {mark} s" for mark in MARKS if mark <= given.seconds]
        near, title = near_of(case, kept["searches"]), CASES[case].title
        aim = f"seconds to {f'{100 * near:.3g} %' if CASES[case].is_share else f'a regret of {near:.2g}'}, median"
        columns = ["trainings", "strategy", "seeds", *marks, aim, "begun", "to the end", "CPU s"]
        title = f"{title[0].upper()}{title[1:]}"
        lines += [f"## {title}", "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
        for way, strategy in ROWS:
            keys = [f"{case}/{way}/{strategy}/{seed}" for seed in range(given.seeds)]
            there = [kept["searches"][key] for key in keys if key in kept["searches"]]
            lines += [row_of(there, case, near, way, strategy, given)] if there else []
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Search what is not there, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--cases", nargs="+", choices=tuple(CASES), default=("one", "two", "late", "late_two"))
    parser.add_argument("--out", type=Path, default=Path("results/strategies"))
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no search after so many")
    given = parser.parse_args()
    end = time.monotonic() + 60 * given.minutes
    path = given.out / "pausing.json"
    kept: dict[str, Any] = {"seconds": given.seconds, "searches": {}}
    if path.exists() and (before := json.loads(path.read_text(encoding="utf-8")))["seconds"] == given.seconds:
        kept = before
    kept |= {"machine": machine_description(), "versions": installed_versions()}
    for way, strategy in ROWS:
        for seed in range(given.seeds):
            for case in given.cases if time.monotonic() < end else ():
                key = f"{case}/{way}/{strategy}/{seed}"
                if key not in kept["searches"]:
                    kept["searches"][key] = searched(case, way, strategy, seed, given.seconds)
                    atomic_write(path, json.dumps(kept) + "\n")
    atomic_write(given.out / "pausing.md", page(kept, given))


if __name__ == "__main__":
    main()
