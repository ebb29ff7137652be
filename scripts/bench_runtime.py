"""Runtime against macs, params and activations over scaled networks: the claim of "Fast and Accurate Model Scaling"
(arXiv 2103.06877) that activations predict runtime best, tested on this machine.

    .venv/bin/python scripts/bench_runtime.py --device cpu --minutes 20

Four baselines, each scaled by five rules to 1.5, 2 and 4 times its macs: 64 networks, measured in a shuffled order,
one image each in evaluation mode, the median of at least 11 passes and of `--rounds` rounds. networks.csv is written
after every network: the same command continues. Hardware, versions and repeats are in the README it writes.
"""

from __future__ import annotations

import argparse
import csv
import io
import random
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import msgspec
import torch

import naslab
from naslab.analysis.scaling_runtime import RuntimeTable, TimedNetwork, runtime_table
from naslab.arch import ArchSpec, arch_id, cost
from naslab.atomic_write import atomic_write
from naslab.estimators.latency import measure_arch
from naslab.figures.scaling_runtime import write_runtime
from naslab.provenance import command_line, installed_versions, machine_description
from naslab.scaling import DEPTH, FAST, PLAIN, RESOLUTION, UNIFORM, WIDTH, meet_budget

RULES = {"depth": DEPTH, "width": WIDTH, "resolution": RESOLUTION, "uniform": UNIFORM, "fast": FAST}
RATIOS = (1.5, 2.0, 4.0)
BASELINES = ("mobilenet_v1", "resnet18", "efficientnet_b0", "regnet_x_400mf")


def networks(names: list[str], resolution: int) -> Iterator[tuple[str, str, ArchSpec]]:
    """Baseline, rule and network of all that are measured."""
    for name in names:
        base = naslab.model(name, resolution=resolution)
        yield name, "baseline", base
        for ratio in RATIOS:
            for rule, compound in RULES.items():
                met = meet_budget(base, "macs", ratio * cost(base).macs, compound, rounding=PLAIN)
                yield name, f"{rule} x {ratio:g}", met.member.arch


def measure(name: str, rule: str, arch: ArchSpec, device: str, rounds: int) -> TimedNetwork:
    """A network timed in several rounds; the median of the medians, the widest of the ranges."""
    seen = [measure_arch(arch, device) for _ in range(rounds)]
    costs = cost(arch)
    return TimedNetwork(
        baseline=name,
        rule=rule,
        arch_id=arch_id(arch),
        macs=costs.macs,
        params=costs.params,
        activations=costs.activations,
        latency_ms=median(each.median_ms for each in seen),
        latency_ms_iqr=max(each.iqr_ms for each in seen),
    )


def read_networks(path: Path) -> list[TimedNetwork]:
    """The networks measured so far."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [msgspec.convert(row, TimedNetwork, strict=False) for row in csv.DictReader(file)]


def write_networks(timed: list[TimedNetwork], path: Path) -> None:
    """Write them whole or not at all."""
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, TimedNetwork.__struct_fields__)
    writer.writeheader()
    writer.writerows(msgspec.structs.asdict(each) for each in timed)
    atomic_write(path, table.getvalue())


def readme(given: argparse.Namespace, table: RuntimeTable, threads: int) -> str:
    """What was measured, on what, and what it shows."""
    machine, versions = machine_description(), installed_versions()
    rows = [
        f"| {each.cost} | {_interval(each.spearman, each.spearman_interval)} | "
        f"{_interval(each.pearson, each.pearson_interval)} | {_interval(each.within, each.within_interval)} | "
        f"{table.win_shares[each.cost]:.0%} |"
        for each in table.correlations
    ]
    noise = median(each.latency_ms_iqr / each.latency_ms for each in table.networks)
    lines = [
        "# Runtime against macs, params and activations",
        "",
        f"{len(table.networks)} networks: {', '.join(given.baselines)} at {given.resolution} pixels, scaled by "
        f"{', '.join(RULES)} to {', '.join(f'{ratio:g}' for ratio in RATIOS)} times their macs. One image, evaluation "
        f"mode, float32, {given.rounds} rounds of at least 11 passes. 90 % intervals by resampling networks within "
        "their families.",
        "",
        "| cost | Spearman | Pearson of logarithms | the same within families | strongest |",
        "|---|---|---|---|---|",
        *rows,
        "",
        f"**{table.verdict}.**",
        "",
        f"Single passes spread by {noise:.0%} (median over networks of interquartile range by median).",
        "",
        "## How",
        "",
        f"    {command_line()}",
        "",
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}; device "
        f"{given.device}, {threads} threads. " + ", ".join(f"{name} {value}" for name, value in versions.items()),
        "",
    ]
    return "\n".join(lines)


def _interval(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def main() -> None:
    """Measure what is not measured yet until the time is up, then write what there is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--baselines", nargs="+", default=list(BASELINES))
    parser.add_argument("--resolution", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, help="torch's CPU threads; by default its own choice")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--minutes", type=float, default=20, help="end after this time; run again to continue")
    parser.add_argument("--out", type=Path, default=Path("results/runtime"))
    given = parser.parse_args()
    if given.threads is not None:
        torch.set_num_threads(given.threads)
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / "networks.csv"
    timed = read_networks(path)
    known = {each.arch_id for each in timed}
    todo = {arch_id(arch): (name, rule, arch) for name, rule, arch in networks(given.baselines, given.resolution)}
    waiting = [item for key, item in todo.items() if key not in known]
    random.Random(0).shuffle(waiting)
    end = time.monotonic() + 60 * given.minutes
    for name, rule, arch in waiting:
        if time.monotonic() > end:
            print("the time is up; the same command continues")
            break
        timed.append(measure(name, rule, arch, given.device, given.rounds))
        write_networks(timed, path)
        print(f"[{len(timed)}/{len(todo)}] {name}, {rule}: {timed[-1].latency_ms:.2f} ms", flush=True)
    table = runtime_table(timed)
    write_runtime(table, given.out / "figure.html", "Runtime against macs, params and activations")
    (given.out / "README.md").write_text(readme(given, table, torch.get_num_threads()), encoding="utf-8")
    print(table.verdict)


if __name__ == "__main__":
    main()
