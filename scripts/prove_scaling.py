"""Ways of scaling at equal macs: depth, width and resolution alone against compound, the figure of the EfficientNet
paper (arXiv 1905.11946) redone at small scale, and MobileNetV1's grid of widths and resolutions (arXiv 1704.04861).

    .venv/bin/python scripts/prove_scaling.py --dataset cifar10 --epochs 8 --seeds 3 --minutes 240

Every training is an outcome of a ledger: the same command continues after a crash or when the time is up, and rewrites
table.csv, figure.html and README.md from what is there. Accuracy is that of validation images after the last epoch of
a short training with one recipe for all; hardware, versions, repeats and seconds are in the README it writes.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

import naslab
from naslab.analysis.multiplier_grid import MultiplierGrid, multiplier_grid
from naslab.analysis.scaling_ways import WaysTable, ways_table
from naslab.arch import ArchSpec, arch_id
from naslab.execution.events import Event, TrialFinished
from naslab.execution.source import make_candidate
from naslab.figures.scaling_ways import write_ways
from naslab.lab.models import Model, find_model
from naslab.lab.scaling import problem_of, run_trainings
from naslab.provenance import command_line, installed_versions, machine_description
from naslab.scaling import DEPTH, EFFICIENTNET_RULE, PLAIN, RESOLUTION, UNIFORM, WIDTH, meet_budget, scale
from naslab.study.outcome import Candidate
from naslab.training.datasets.info import dataset_info

WAYS = {
    "depth": DEPTH,
    "width": WIDTH,
    "resolution": RESOLUTION,
    "compound": EFFICIENTNET_RULE,
    "uniform": UNIFORM,
}
GRID = "mobilenet_v1_grid"
GRID_WIDTHS = (1.0, 0.75, 0.5, 0.25)
GRID_RESOLUTIONS = (1.0, 192 / 224, 160 / 224, 128 / 224)


class TimeIsUpError(Exception):
    """The time given is over; what is finished is kept."""


class Watch:
    """Prints every outcome and ends the run when the time is up."""

    def __init__(self, minutes: float) -> None:
        self._end = time.monotonic() + 60 * minutes

    def __call__(self, event: Event) -> None:
        if isinstance(event, TrialFinished):
            outcome = event.outcome
            origin = outcome.candidate.origin
            print(
                f"[{event.number}/{event.total}] {origin.get('way', 'baseline')} x {origin.get('asked', 1):g}, seed "
                f"{outcome.candidate.seed}: {outcome.value('accuracy'):.2f} %, {outcome.estimate.wall_seconds:.0f} s",
                flush=True,
            )
        if time.monotonic() > self._end:
            raise TimeIsUpError


def small_mobilenet(facts_shape: tuple[int, int, int], num_classes: int) -> ArchSpec:
    """MobileNetV1 at a quarter of its width, its stem without a stride, for small images."""
    channels, height, width = facts_shape
    arch = naslab.model("mobilenet_v1_025", num_classes=num_classes, resolution=(height, width), in_channels=channels)
    return without_stem_stride(arch)


def without_stem_stride(arch: ArchSpec) -> ArchSpec:
    """The network that looks at small images at their full resolution first."""
    stem = tuple(msgspec.structs.replace(stage, stride=1) for stage in arch.stem)
    return msgspec.structs.replace(arch, stem=stem)


def small_resnet(facts_shape: tuple[int, int, int], num_classes: int) -> ArchSpec:
    """ResNet-20 of two blocks a stage at three eighths of its width."""
    channels, height, width = facts_shape
    arch = naslab.model("resnet20_cifar", num_classes=num_classes, resolution=(height, width), in_channels=channels)
    return scale(arch, depth=2 / 3, width=0.375, rounding=PLAIN)


def found_network(given: argparse.Namespace, watch: Watch) -> ArchSpec:
    """The network named by --found, else the most accurate of a small search under a limit on macs."""
    if given.found is not None:
        return find_model(given.found, given.found_ledger or given.ledger).arch
    study = naslab.search(
        given.space,
        dataset=given.dataset,
        max_images=given.max_images,
        strategy="evolution",
        trials=given.search_trials,
        epochs=given.search_epochs,
        limits=[f"macs<={given.search_macs:g}"],
        workers=given.workers,
        ledger=given.ledger,
        study="scaling-proof-search",
        data_dir=given.data_dir,
        on_event=watch,
    )
    complete = [each for each in study.outcomes if each.is_complete]
    return max(complete, key=lambda each: each.value("accuracy")).candidate.arch


def jobs_of_ways(base: ArchSpec, given: argparse.Namespace, seed: int) -> list[Candidate]:
    """The baseline and every way of scaling it to every multiple of its macs."""
    jobs = [make_candidate(base, 0, given.epochs, seed, "search", origin={"operator": "baseline"})]
    macs = naslab.cost(base).macs
    for asked in given.ratios:
        for way in given.ways:
            member = meet_budget(base, "macs", asked * macs, WAYS[way], rounding=PLAIN).member
            origin = {**member.origin, "rule": f"{way} x {asked:g}", "way": way, "asked": asked}
            jobs.append(make_candidate(member.arch, 0, given.epochs, seed, "family", origin=origin))
    return jobs


def jobs_of_grid(base: ArchSpec, epochs: int, seed: int) -> list[Candidate]:
    """MobileNetV1's sixteen: four widths at four resolutions of a baseline, which is the first of them."""
    jobs = [make_candidate(base, 0, epochs, seed, "search", origin={"operator": "baseline"})]
    for width in GRID_WIDTHS:
        for resolution in GRID_RESOLUTIONS:
            arch = scale(base, width=width, resolution=resolution, rounding=PLAIN)
            if arch != base:
                origin = {
                    "way": "grid",
                    "width": width,
                    "resolution": resolution,
                    "rule": f"{width:g}, {resolution:.2f}",
                }
                jobs.append(make_candidate(arch, 0, epochs, seed, "family", origin=origin))
    return jobs


def distinct(jobs: Sequence[Candidate]) -> list[Candidate]:
    """The jobs without networks that two ways make alike; the first way keeps it."""
    return list({arch_id(job.arch): job for job in reversed(jobs)}.values())[::-1]


def run_baseline(name: str, base: ArchSpec, given: argparse.Namespace, seed: int, watch: Watch) -> None:
    """Train one seed of one baseline's ways, or of the grid."""
    jobs = jobs_of_grid(base, given.epochs, seed) if name == GRID else jobs_of_ways(base, given, seed)
    run_trainings(
        f"scaling-proof-{name}",
        problem_of(Model(name, base), given.dataset, given.max_images, given.ledger, None),
        distinct(jobs),
        naslab.Workers(count=given.workers, device=given.device),
        given.ledger,
        given.data_dir,
        watch,
    )


def baselines(given: argparse.Namespace, watch: Watch) -> dict[str, ArchSpec]:
    """The networks to scale, by name."""
    facts = dataset_info(given.dataset)
    shape = (facts.channels, facts.height, facts.width)
    made = {}
    for name in given.baselines:
        if name == "mobilenet_v1":
            made[name] = small_mobilenet(shape, facts.num_classes)
        elif name == "resnet":
            made[name] = small_resnet(shape, facts.num_classes)
        elif name == GRID:
            made[name] = scale(small_mobilenet(shape, facts.num_classes), width=2.0, rounding=PLAIN)
        else:
            made[name] = found_network(given, watch)
    return made


def stored(given: argparse.Namespace) -> tuple[list[WaysTable], list[MultiplierGrid]]:
    """The table of every baseline that the ledger holds, and the grid."""
    tables, grids = [], []
    for name in given.baselines:
        try:
            view = naslab.open_study(f"scaling-proof-{name}", given.ledger)
        except naslab.NaslabError:
            continue
        if name == GRID:
            grids.append(multiplier_grid(view, "MobileNetV1"))
        else:
            tables.append(ways_table(view, name))
    return [table for table in tables if table.ways], grids


def write_rows(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Rows as a CSV file, none as no file."""
    if rows:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


def write_results(
    given: argparse.Namespace, tables: Sequence[WaysTable], grids: Sequence[MultiplierGrid], is_done: bool
) -> None:
    """table.csv, grid.csv, figure.html with its pictures, and README.md."""
    write_rows([row for table in tables for row in table.rows()], given.out / "table.csv")
    write_rows([row for grid in grids for row in grid.rows()], given.out / "grid.csv")
    page = given.out / "figure.html"
    write_ways(tables, page, "Ways of scaling at equal macs", grids)
    names = [f"ways-{index}" for index, _ in enumerate(tables)] + [f"grid-{index}" for index, _ in enumerate(grids)]
    try:
        from screenshot import screenshot

        for name in names:
            screenshot(page, given.out / f"{name}.png", width=1100, select=f"figure:has(#{name})")
    except (ImportError, SystemExit) as reason:
        print(f"no pictures: {reason}")
        names = []
    (given.out / "README.md").write_text(readme(given, tables, grids, names, is_done), encoding="utf-8")


def readme(
    given: argparse.Namespace,
    tables: Sequence[WaysTable],
    grids: Sequence[MultiplierGrid],
    pictures: Sequence[str],
    is_done: bool,
) -> str:
    """What was run, on what, and what it shows."""
    machine, versions = machine_description(), installed_versions()
    seconds = sum(each.wall_seconds * len(each.accuracies) for table in tables for each in table.ways)
    trainings = sum(len(each.accuracies) for table in tables for each in table.ways)
    trainings += sum(len(each.accuracies) for grid in grids for each in grid.cells)
    images = f"{given.max_images} training images" if given.max_images else "all training images"
    lines = [
        "# Ways of scaling at equal macs",
        "",
        f"Depth, width and resolution alone against compound, each to {' and '.join(f'{r:g}' for r in given.ratios)} "
        f"times the baseline's exact macs (within 2 % where the lattice allows it). {given.dataset}, {images} (a fifth "
        f"of them for validation), {given.epochs} epochs, {given.seeds} seeds, one recipe for all. Accuracy is that of "
        "the validation images after the last epoch; error bars are standard errors over seeds.",
        "",
        "## What it shows",
        "",
        *(f"- {verdict}" for table in tables for verdict in table.verdicts()),
        *(f"- {grid.verdict()}" for grid in grids),
        *([] if is_done else ["- The time given was over before every training was done: see `seeds` in table.csv."]),
        "",
        "Larger input means the same images enlarged: they hold no more detail, unlike ImageNet's. Short trainings "
        "favour networks that learn fast. Both bound what this says of the paper's claim.",
        "",
        *(f"![{name}]({name}.png)\n" for name in pictures),
        *(line for grid in grids for line in grid_lines(grid)),
        "## How",
        "",
        f"    {command_line()}",
        "",
        f"{trainings} trainings, {seconds / 60:.0f} minutes of training of the ways beside other work on the machine. "
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}; device "
        f"{given.device}. " + ", ".join(f"{name} {version}" for name, version in versions.items()),
        "",
    ]
    return "\n".join(lines)


def grid_lines(grid: MultiplierGrid) -> list[str]:
    """The grid as the paper prints it: widths down, resolutions across, accuracy and millions of macs."""
    sizes = grid.resolutions
    lines = [
        f"## {grid.name}'s widths and resolutions",
        "",
        "Accuracy in per cent ± a standard error over seeds; millions of macs in brackets. A width of 1 stands for "
        "half of the published network's, a resolution of 1 for the images' own.",
        "",
        "| width | " + " | ".join(f"{height} x {width}" for height, width in sizes) + " |",
        "| ---: |" + " ---: |" * len(sizes),
    ]
    for width in grid.widths:
        cells = [grid.cell(width, size) for size in sizes]
        words = ["-" if cell is None else f"{cell.mean:.1f} ± {cell.sem:.1f} ({cell.macs / 1e6:.2f})" for cell in cells]
        lines.append(f"| {width:g} | " + " | ".join(words) + " |")
    return [*lines, ""]


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--baselines", nargs="+", default=["mobilenet_v1", "resnet", "found", "mobilenet_v1_grid"])
    parser.add_argument("--dataset", default="cifar10")
    parser.add_argument("--max-images", type=int, help="use this many training images")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ratios", type=float, nargs="+", default=[2.0, 4.0])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--minutes", type=float, default=240, help="end after this time; run again to continue")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--found", help="a model found by naslab: a file or STUDY:TRIAL; else a small search")
    parser.add_argument("--found-ledger", help="the ledger of --found")
    parser.add_argument("--space", default="mbconv_cifar")
    parser.add_argument("--search-trials", type=int, default=24)
    parser.add_argument("--search-epochs", type=int, default=1)
    parser.add_argument("--search-macs", type=float, default=6e6)
    parser.add_argument("--data-dir")
    parser.add_argument("--out", type=Path, default=Path("results/scaling_proof"))
    parser.add_argument("--ledger", help="by default study.db in --out")
    given = parser.parse_args()
    unknown = set(given.baselines) - {"mobilenet_v1", "resnet", "found", "mobilenet_v1_grid"}
    if unknown:
        parser.error(f"unknown baselines {', '.join(sorted(unknown))}")
    given.out.mkdir(parents=True, exist_ok=True)
    given.ledger = given.ledger or str(given.out / "study.db")
    return given


def main() -> None:
    """Train seed by seed until all is done or the time is up, then write what there is."""
    given = arguments()
    watch = Watch(given.minutes)
    is_done = False
    try:
        networks = baselines(given, watch)
        for seed in range(given.seeds):
            for name, base in networks.items():
                print(f"-- {name}, seed {seed}", flush=True)
                run_baseline(name, base, given, seed, watch)
        is_done = True
    except TimeIsUpError:
        print("the time is up; the same command continues")
    tables, grids = stored(given)
    if tables:
        write_results(given, tables, grids, is_done)
        for verdict in (each for table in tables for each in table.verdicts()):
            print(verdict)


if __name__ == "__main__":
    main()
