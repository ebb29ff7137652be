"""Strategies compared on tables of known results: how few trainings each needs. Nothing is trained.

    NASLAB_DATA=DIR .venv/bin/python scripts/bench_strategies.py [--share 1] [--minutes-each 4] [--cases macro ...]

Cases: NAS-Bench-Macro (Su et al. 2021) with one and two objectives, and searched by 100 simulated workers, which then
lag and fail; NAS-Bench-201 (Dong and Yang 2020) on CIFAR-100 after 200 epochs (`cells`), after 12 of one seed
(`cells_short`), and with a measured latency (`cells_latency`); made-up tables with collapsed networks, with noise that
differs (`told_noise`: each measurement says how sure it is; `untold_noise`: it does not), with a measured latency, and
with three and four objectives (`collapsed`, `uneven_noise`, `measured`, `three`, `four`); priors that are right,
inverted and shuffled (`prior_right` and so on; `made_small` has none), and proxies as a prior of NAS-Bench-Macro: the
number of layers, naswot and the ensemble (`macro_layers`, `cluster_layers` and so on); made-up tables of knobs of mixed
kinds whose results come with noise, one small, one of 83,000 rows, one with two objectives; rugged tables that take one
worker a hundred evaluations and more, searched by one and by 100 (`workers`); short trainings that half agree with long
ones, under successive halving (`rungs`); how long an ask takes after 10,000 outcomes (`asks`). Beside the own
strategies stand those of other packages that are installed (the extra `bench`).

The cases stand in `bench_strategy_cases.py`. Seeds are SEEDS times the case's share and `--share`; one that has used
its minutes of a case begins no more, and the table says how many it had. What is measured is kept in OUT/parts, by case
and strategy: the same call goes on where it was interrupted, and one for the same seeds with more minutes measures only
what is not there. Times of asks are CPU time.

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
from functools import partial
from pathlib import Path
from typing import Any

import bench_sections
import msgspec
from bench_sections import Measure, Show, number, row_line
from bench_strategy_cases import CASES, Case

from naslab.atomic_write import atomic_write
from naslab.bench.compare import Comparison, Curves, judge, reference_point, searches
from naslab.bench.peers import make_contender, peer_names
from naslab.bench.processes import num_cores, process_pool
from naslab.bench.simulate import Trace
from naslab.bench.standing import Spread, Standing, top_loss
from naslab.bench.table import TableDomain
from naslab.errors import NaslabError
from naslab.figures.compare import write_curves
from naslab.provenance import installed_versions, machine_description
from naslab.strategies.registry import PER_SECOND, strategy_names

BLOCK = 4
"""Searches for each process between two looks at the clock."""
COMPARED = [name for name in strategy_names() if name not in PER_SECOND]
"""Trainings are counted: those that count seconds are left out where they are not asked for."""


def measured(
    domain: TableDomain, name: str, trials: int, case: Case, given: argparse.Namespace, pool: Executor | None
) -> list[Trace]:
    """One search a seed, until the seeds or the minutes are used up."""
    traces: list[Trace] = []
    start = time.monotonic()
    wanted = case.seeds(name, given.share)
    while len(traces) < wanted and (not traces or time.monotonic() - start < 60 * given.minutes_each):
        seeds = range(len(traces), min(wanted, len(traces) + BLOCK * given.processes))
        traces += searches(domain, name, trials, seeds, case.cluster, pool)
    return traces


def kept(path: Path, settings: dict[str, Any], make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What was measured with these settings, from its file where it is there, else made and kept."""
    if path.exists():
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["settings"] == settings:
            return dict(found["value"])
    start = time.monotonic()
    value = {**make(), "seconds": 0.0}
    value["seconds"] = time.monotonic() - start
    atomic_write(path, json.dumps({"settings": settings, "value": value}) + "\n")
    return value


def compared(
    key: str, given: argparse.Namespace, pool: Executor | None
) -> tuple[TableDomain, Comparison, dict[str, str], float]:
    """The strategies on one table, why others were left out, and how many seconds it took, earlier calls included."""
    case = CASES[key]
    domain = case.load()
    standings, curves, left_out, seconds = {}, {}, {}, 0.0
    for name in [each for each in given.strategies if not case.strategies or each in case.strategies]:
        try:
            make_contender(name, domain, 0)
        except NaslabError as error:
            left_out[name] = str(error)
            continue
        trials = case.times * given.trials
        settings = {"seeds": case.seeds(name, given.share), "trials": trials}
        find = partial(judged, domain, name, trials, case, given, pool)
        found = kept(given.out / "parts" / f"{key}-{name}.json", settings, find)
        standings[name] = msgspec.convert(found["standing"], Standing)
        curves[name] = msgspec.convert(found["curves"], Curves)
        seconds += found["seconds"]
    target = domain.objectives[0].loss(top_loss(domain))
    return domain, Comparison(standings, curves, reference_point(domain), target), left_out, seconds


def judged(
    domain: TableDomain, name: str, trials: int, case: Case, given: argparse.Namespace, pool: Executor | None
) -> dict[str, Any]:
    """A strategy on a table as plain values."""
    standing, curves = judge(domain, measured(domain, name, trials, case, given, pool), case.cluster.workers)
    print(f"{case.title}: {name}, {standing.seeds} seeds, {standing.cpu_seconds:.0f} s of CPU", file=sys.stderr)
    return {"standing": msgspec.to_builtins(standing), "curves": msgspec.to_builtins(curves)}


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


SECTIONS: dict[str, tuple[Measure, Show]] = {
    "workers": (bench_sections.measure_workers, bench_sections.show_workers),
    "rungs": (bench_sections.measure_rungs, bench_sections.show_rungs),
    "asks": (bench_sections.measure_asks, bench_sections.show_asks),
}
"""What is no comparison of strategies on one table: how it is measured, and as lines of the page."""


def markdown(value: dict[str, Any]) -> str:
    """The measurements as a page."""
    machine = value["machine"]
    known = ", ".join(f"{name} {version}" for name, version in value["versions"].items() if version != "not installed")
    lines = [
        "# How few trainings each strategy needs",
        "",
        f"`{value['command']}`, {value['seconds'] / 60:.0f} minutes in all its calls.",
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}; "
        f"{value['processes']} processes; load average {value['load'][0]:.2f} at the start, {value['load'][1]:.2f} at "
        f"the end. {known}.",
        "",
        "Figures are means ± a standard error over seeds, (medians) in brackets. Regret: the best found below the "
        "table's best, of the table's own values where results come with noise. Top: the best 0.1 % of rows, found by "
        "most seeds after so many evaluations; - where not. Times are CPU time: of an ask, and of all searches.",
    ]
    for case in value["cases"].values():
        lines += ["", f"## {case['title']}", "", *case_lines(case)]
    for name, section in value["sections"].items():
        lines += ["", *SECTIONS[name][1](section)]
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


def words(spread: Spread | None) -> str:
    """A figure over seeds."""
    if spread is None:
        return "-"
    return spread.words(".3g", ".1g") + ("" if spread.sem is None else f" ({spread.median:.3g})")


def main() -> None:
    """Measure each case and write what is known after it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1.0, help="of the usual seeds")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--minutes-each", type=float, default=4.0, help="of one strategy on one case")
    parser.add_argument("--cases", nargs="+", choices=[*CASES, *SECTIONS], default=[*CASES, *SECTIONS])
    parser.add_argument("--strategies", nargs="+", default=[*COMPARED, *peer_names()])
    parser.add_argument("--processes", type=int, default=num_cores())
    parser.add_argument("--out", type=Path, default=Path("results/strategies"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    load, seconds, cases, sections = os.getloadavg()[0], 0.0, {}, {}
    with process_pool(given.processes) as pool:
        for name in given.cases:
            if name in SECTIONS:
                measure, _ = SECTIONS[name]
                settings = {"share": given.share}
                find = partial(measure, given.share, pool)
                sections[name] = kept(given.out / "parts" / f"{name}.json", settings, find)
                seconds += sections[name]["seconds"]
            else:
                domain, found, left_out, took = compared(name, given, pool)
                cases[name] = record(CASES[name], domain, found, left_out)
                seconds += took
                pictures(name, found, CASES[name].title, given.out)
            value = {
                "command": shlex.join(["scripts/bench_strategies.py", *sys.argv[1:]]),
                "machine": machine_description(),
                "versions": installed_versions(),
                "load": [load, os.getloadavg()[0]],
                "processes": given.processes,
                "seconds": seconds,
                "cases": cases,
                "sections": sections,
            }
            (given.out / "table.json").write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
            (given.out / "table.md").write_text(markdown(value), encoding="utf-8")
    print(markdown(value))


if __name__ == "__main__":
    main()
