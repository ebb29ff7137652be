"""Searches that pause trainings against whole trainings and rungs, by the second, on made-up learning curves.

    .venv/bin/python scripts/bench_pausing.py [--seeds 8] [--seconds 120] [--minutes M] [--out DIR]

Each seed has a table of its own of 1,555 networks with curves of 12 epochs that cross (`naslab.bench.made_curves`),
with noise of 0.05 deviations at the last epoch and twice that at the first; a second is what an epoch takes on average,
and networks differ in that by their macs. One worker. Counted are networks trained to the end alone, by their exact
losses. Rungs are of 1, 4 and 12 epochs, a third of each going on. What is measured is kept in OUT/pausing.json, search
by search: the same call goes on where it was interrupted. Writes OUT/pausing.md.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from naslab.atomic_write import atomic_write
from naslab.bench.made_curves import (
    CurveSearch,
    MadeCurves,
    found_after,
    halving,
    make_curves,
    pauses,
    run,
    train_whole,
)
from naslab.provenance import installed_versions, machine_description
from naslab.strategies.composed import Search
from naslab.strategies.pausing import Pausing
from naslab.strategies.registry import make_search

KNOBS, KINDS = (6, 4, 3), (4, 3, 2)
RUNGS, KEEP = (1, 4, 12), 1 / 3
CASES = {"one": ("score",), "two": ("score", "macs")}
MARKS = (30, 60, 120)
NEAR = {"one": 0.2, "two": 0.95}
"""What counts as found: a regret in deviations of the table, a share of the whole table's hypervolume."""


def whole(strategy: str, curves: MadeCurves, seed: int) -> tuple[CurveSearch, Callable[[CurveSearch], None]]:
    """Every network trained to the end."""
    return CurveSearch(curves, make_search(strategy, curves.domain, seed), seed, tells_all=False), train_whole


def by_rungs(strategy: str, curves: MadeCurves, seed: int) -> tuple[CurveSearch, Callable[[CurveSearch], None]]:
    """Asynchronous successive halving; the strategies that learn across fidelities are told all."""
    search = make_search(strategy, curves.domain, seed)
    return CurveSearch(curves, search, seed, tells_all=strategy.startswith("bayes")), halving(RUNGS, KEEP)


def paused(strategy: str, curves: MadeCurves, seed: int) -> tuple[CurveSearch, Callable[[CurveSearch], None]]:
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
    curves = make_curves(KNOBS, KINDS, CASES[case], seed=seed)
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


def until(found: list[list[float]], case: str) -> float:
    """When it was found, infinite if it was not."""
    sign = 1 if case == "one" else -1
    return next((seconds for seconds, worth in found if sign * worth <= sign * NEAR[case]), math.inf)


def row_of(there: list[dict[str, Any]], case: str, way: str, strategy: str, given: argparse.Namespace) -> str:
    """A row of the table: searches of one case by one way and strategy."""
    cells = [str(len(there))]
    for mark in (mark for mark in MARKS if mark <= given.seconds):
        worths = [at(each["found"], mark, math.nan) for each in there]
        known = [each for each in worths if not math.isnan(each)]
        error = statistics.stdev(known) / len(known) ** 0.5 if len(known) > 1 else math.nan
        missing = f" ({len(known)} of {len(worths)})" if len(known) < len(worths) else ""
        spread = f" ± {error:.3f}" if len(known) > 1 else ""
        cells.append(f"{statistics.mean(known):.3f}{spread}{missing}" if known else "none")
    moments = sorted(until(each["found"], case) for each in there)
    middle, reached = statistics.median_high(moments), sum(map(math.isfinite, moments))
    found = f"{middle:.0f}" if math.isfinite(middle) else f"over {given.seconds:g}"
    cells.append(f"{found} ({reached} of {len(there)})")
    cells += [f"{statistics.mean(each['begun'] for each in there):.0f}"]
    cells += [f"{statistics.mean(len(each['found']) for each in there):.0f}"]
    cells += [f"{statistics.mean(each['cpu_seconds'] for each in there):.1f}"]
    return f"| {way} | {strategy} | {' | '.join(cells)} |"


def page(kept: dict[str, Any], given: argparse.Namespace) -> str:
    """The tables of both cases."""
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
    what = {"one": "one objective: regret, in deviations of the table", "two": "two objectives: share of hypervolume"}
    near = {"one": f"seconds to a regret of {NEAR['one']}", "two": f"seconds to {100 * NEAR['two']:.0f} %"}
    for case in given.cases:
        marks = [f"after {mark} s" for mark in MARKS if mark <= given.seconds]
        columns = ["trainings", "strategy", "seeds", *marks, f"{near[case]}, median", "begun", "to the end", "CPU s"]
        title = f"{what[case][0].upper()}{what[case][1:]}"
        lines += [f"## {title}", "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
        for way, strategy in ROWS:
            keys = [f"{case}/{way}/{strategy}/{seed}" for seed in range(given.seeds)]
            there = [kept["searches"][key] for key in keys if key in kept["searches"]]
            lines += [row_of(there, case, way, strategy, given)] if there else []
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Search what is not there, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--cases", nargs="+", choices=tuple(CASES), default=tuple(CASES))
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
