"""Strategies compared on tables of known results: how few trainings each needs. Nothing is trained.

    NASLAB_DATA=DIR .venv/bin/python scripts/bench_strategies.py [--seeds 100] [--trials 200] [--minutes-each 5]

Cases: NAS-Bench-Macro (Su et al. 2021) with one and two objectives, and searched by 100 simulated workers, which then
lag and fail; made-up tables of knobs of mixed kinds whose results come with noise, one small, one of 83,000 rows, one
with two objectives. Every strategy begins the same seeds; one that has used its minutes of a case begins no more, and
the table says how many it had. Times of asks are of processes side by side, one a core.

Writes OUT/table.json, OUT/table.md, and for each case CASE.html with its curves, as pictures too where Chromium is.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from naslab.bench.cluster import Cluster
from naslab.bench.compare import Comparison, judge, reference_point, searches
from naslab.bench.known_tables import load_nas_bench_macro
from naslab.bench.made_table import make_table
from naslab.bench.processes import num_cores, process_pool
from naslab.bench.simulate import Trace
from naslab.bench.standing import Spread, Standing, top_loss
from naslab.bench.table import TableDomain
from naslab.errors import NaslabError, SpecError
from naslab.facts import machine_facts, version_facts
from naslab.figures.compare import write_curves
from naslab.strategies.registry import make_search, strategy_names

BLOCK = 4
"""Searches for each process between two looks at the clock."""
NOISE = 0.15
"""Of made-up results, in deviations of the whole table's: about that of a run of NAS-Bench-Macro beside its top."""


class Case(NamedTuple):
    """A table, the cluster that searches it, how many times the trials asked for, and the strategies; all if empty."""

    title: str
    load: Callable[[], TableDomain]
    cluster: Cluster
    times: int = 1
    strategies: tuple[str, ...] = ()


def macro(*objectives: str, duration: str | None = None) -> TableDomain:
    """NAS-Bench-Macro from the data folder."""
    folder = os.environ.get("NASLAB_DATA")
    if folder is None:
        raise SpecError("NASLAB_DATA", "must name the folder of nas_bench_macro")
    return load_nas_bench_macro(Path(folder), objectives, duration=duration)


NOISY = Cluster(noise=NOISE)
ON_CLUSTERS = ("random", "evolution", "local", "nsga2", "tpe", "bayes")
CASES = {
    "macro": Case("NAS-Bench-Macro, accuracy", lambda: macro("accuracy"), Cluster()),
    "macro_two": Case("NAS-Bench-Macro, accuracy and macs", lambda: macro("accuracy", "macs"), Cluster()),
    "made_small": Case("made up, small, with noise", lambda: make_table(seed=1), NOISY),
    "made_large": Case("made up, large, with noise", lambda: make_table((8, 8, 6), (5, 4, 4, 3), seed=2), NOISY),
    "made_two": Case(
        "made up, small, score and macs, with noise", lambda: make_table(objectives=("score", "macs"), seed=3), NOISY
    ),
    "cluster": Case(
        "NAS-Bench-Macro, 100 simulated workers",
        lambda: macro("accuracy", duration="macs"),
        Cluster(workers=100),
        times=2,
        strategies=ON_CLUSTERS,
    ),
    "cluster_faults": Case(
        "NAS-Bench-Macro, 100 simulated workers, 5 % stragglers, 5 % failures",
        lambda: macro("accuracy", duration="macs"),
        Cluster(workers=100, straggler_rate=0.05, failure_rate=0.05),
        times=2,
        strategies=ON_CLUSTERS,
    ),
}


def measured(
    domain: TableDomain, name: str, trials: int, cluster: Cluster, given: argparse.Namespace, pool: Executor | None
) -> list[Trace]:
    """One search a seed, until the seeds or the minutes are used up."""
    traces: list[Trace] = []
    start = time.monotonic()
    while len(traces) < given.seeds and (not traces or time.monotonic() - start < 60 * given.minutes_each):
        seeds = range(len(traces), min(given.seeds, len(traces) + BLOCK * given.processes))
        traces += searches(domain, name, trials, seeds, cluster, pool)
    return traces


def compared(
    case: Case, given: argparse.Namespace, pool: Executor | None
) -> tuple[TableDomain, Comparison, dict[str, str]]:
    """The strategies on one table, and why others were left out."""
    domain = case.load()
    standings, curves, left_out = {}, {}, {}
    for name in [each for each in given.strategies if not case.strategies or each in case.strategies]:
        try:
            make_search(name, domain, 0)
        except NaslabError as error:
            left_out[name] = str(error)
            continue
        traces = measured(domain, name, case.times * given.trials, case.cluster, given, pool)
        standings[name], curves[name] = judge(domain, traces, case.cluster.workers)
        print(f"{case.title}: {name}, {len(traces)} seeds, {standings[name].cpu_seconds:.0f} s of CPU", file=sys.stderr)
    target = domain.objectives[0].loss(top_loss(domain))
    return domain, Comparison(standings, curves, reference_point(domain), target), left_out


def record(case: Case, domain: TableDomain, found: Comparison, left_out: dict[str, str]) -> dict[str, Any]:
    """A case as plain values."""
    return {
        "title": case.title,
        "rows": domain.space.size(),
        "networks": domain.num_networks,
        "objectives": msgspec.to_builtins(domain.objectives),
        "cluster": msgspec.to_builtins(case.cluster),
        "target": found.target,
        "reference_point": found.reference,
        "strategies": msgspec.to_builtins(found.strategies),
        "left_out": left_out,
    }


def pictures(name: str, found: Comparison, title: str, out: Path) -> None:
    """The curves of a case as a page, and as pictures where there is a browser."""
    page = out / f"{name}.html"
    write_curves(found, title, page)
    sys.path.insert(0, str(Path(__file__).parent))
    panels = ["regret"] + ["hypervolume"] * (len(found.reference) > 1)
    try:
        from screenshot import screenshot

        for panel in panels:
            screenshot(page, out / f"{name}_{panel}.png", width=1100, select=f"figure:has(#{panel})")
    except (ImportError, SystemExit) as reason:
        print(f"no pictures: {reason}", file=sys.stderr)


def markdown(value: dict[str, Any]) -> str:
    """The measurements as a page."""
    machine = value["machine"]
    known = ", ".join(f"{name} {version}" for name, version in value["versions"].items() if version != "not installed")
    lines = [
        "# How few trainings each strategy needs",
        "",
        f"`{value['command']}`, {value['seconds'] / 60:.0f} minutes.",
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}; "
        f"{value['processes']} processes; load average {value['load'][0]:.2f} at the start, {value['load'][1]:.2f} at "
        f"the end. {known}.",
        "",
        "Figures are means ± a standard error over seeds, (medians) in brackets. Regret: the best found below the "
        "table's best, of the table's own values where results come with noise. Top: the best 0.1 % of rows, found by "
        "most seeds after so many evaluations; - where not. CPU: seconds of all its searches.",
    ]
    for case in value["cases"].values():
        lines += ["", f"## {case['title']}", "", *case_lines(case)]
    return "\n".join(lines) + "\n"


def case_lines(case: dict[str, Any]) -> list[str]:
    """A case as a table."""
    standings = {name: msgspec.convert(each, Standing) for name, each in case["strategies"].items()}
    first = case["objectives"][0]["metric"]
    budgets = list(dict.fromkeys(budget for each in standings.values() for budget in each.regret))
    has_share = any(each.hypervolume for each in standings.values())
    reference = ", ".join(f"{name} {value:.6g}" for name, value in case["reference_point"].items())
    lines = [f"{case['rows']:,} rows, {case['networks']:,} networks; target: {first} {case['target']:.6g}."]
    if has_share:
        lines.append(f"Hypervolume: the share of the whole table's, from {reference}; objectives are not scaled.")
    heads = ["strategy", "seeds", *(f"regret after {budget}" for budget in budgets), "to top"]
    heads += [f"hypervolume after {budget}" for budget in budgets] if has_share else []
    is_cluster = case["cluster"]["workers"] > 1
    heads += ["minutes to target", "workers busy", "wasted"] if is_cluster else []
    lines += ["", row_line([*heads, "ms an ask", "CPU"]), row_line(["---", *["---:"] * (len(heads) + 1)])]
    for name, each in standings.items():
        cells = [name, str(each.seeds), *(words(each.regret.get(budget)) for budget in budgets)]
        cells.append(number(each.evaluations_to_top))
        cells += [words(each.hypervolume.get(budget)) for budget in budgets] if has_share else []
        if is_cluster:
            minutes = None if each.seconds_to_target is None else each.seconds_to_target / 60
            busy = "-" if each.utilisation is None else f"{each.utilisation:.1%}"
            cells += [number(minutes), busy, words(each.wasted)]
        lines.append(row_line([*cells, number(each.ask_ms), f"{each.cpu_seconds:.0f}"]))
    lines += [""] * bool(case["left_out"]) + [f"- {name}: left out, {why}" for name, why in case["left_out"].items()]
    return lines


def row_line(cells: list[str]) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def words(spread: Spread | None) -> str:
    """A figure over seeds."""
    return "-" if spread is None else f"{spread.mean:.3g} ± {spread.sem:.1g} ({spread.median:.3g})"


def number(value: float | None) -> str:
    """Three significant digits."""
    return "-" if value is None else f"{value:.3g}"


def main() -> None:
    """Measure each case and write what is known after it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--minutes-each", type=float, default=5.0, help="of one strategy on one case")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--strategies", nargs="+", default=[name for name in strategy_names() if name != "auto"])
    parser.add_argument("--processes", type=int, default=num_cores())
    parser.add_argument("--out", type=Path, default=Path("results/strategies"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    start, load, cases = time.monotonic(), os.getloadavg()[0], {}
    with process_pool(given.processes) as pool:
        for name in given.cases:
            domain, found, left_out = compared(CASES[name], given, pool)
            cases[name] = record(CASES[name], domain, found, left_out)
            value = {
                "command": shlex.join(["scripts/bench_strategies.py", *sys.argv[1:]]),
                "machine": machine_facts(),
                "versions": version_facts(),
                "load": [load, os.getloadavg()[0]],
                "processes": given.processes,
                "seconds": time.monotonic() - start,
                "cases": cases,
            }
            (given.out / "table.json").write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
            (given.out / "table.md").write_text(markdown(value), encoding="utf-8")
            pictures(name, found, CASES[name].title, given.out)
    print(markdown(value))


if __name__ == "__main__":
    main()
