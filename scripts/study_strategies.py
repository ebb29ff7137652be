"""One real study for each strategy and seed, at equal budget: networks trained on the handwritten digits.

    .venv/bin/python scripts/study_strategies.py [--trials 48] [--epochs 4] [--seeds 3] [--space digits_demo]
    .venv/bin/python scripts/study_strategies.py --space mixed_cifar --side 16 --limit 'macs<=8e6'

Accuracy up, macs down, under a limit; `--side` makes the space's images smaller than its file says. All studies are in
one ledger; the same call continues what is not finished. Strategies that cannot search two objectives are left out, by
name and reason.

Writes OUT/table.md, OUT/table.json and OUT/studies.html with its curves, as pictures too where Chromium is.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

import naslab
from naslab.analysis.study import StudyView
from naslab.atomic_write import atomic_write
from naslab.bench.real_studies import RealStanding, corner, judge_studies
from naslab.bench.standing import Spread
from naslab.errors import NaslabError
from naslab.execution.workers import Workers
from naslab.figures.compare import growth_figure
from naslab.figures.markup import element
from naslab.figures.page import figure_block, page
from naslab.lab.problems import make_problem, resolve_strategy
from naslab.provenance import installed_versions, machine_description
from naslab.space import SearchSpace, load_space
from naslab.strategies.registry import strategy_names

PANELS = {
    "hypervolume": ("Hypervolume over trials", "share of the box up to the corner"),
    "accuracy": ("Best validation accuracy over trials", "best validation accuracy (%)"),
}


def searched_space(given: argparse.Namespace) -> SearchSpace:
    """The space, for images of another side where one is given."""
    space = load_space(given.space)
    if given.side is None:
        return space
    channels = space.template["input"][0]
    return SearchSpace(space.template | {"input": [channels, given.side, given.side]}, space.name)


def searched(name: str, given: argparse.Namespace) -> list[StudyView]:
    """The studies of a strategy, one a seed; what the ledger holds of them is not trained again."""
    views = []
    for seed in range(given.seeds):
        start = time.monotonic()
        views.append(
            naslab.search(
                searched_space(given),
                dataset=given.dataset,
                max_images=given.max_images,
                strategy=name,
                trials=given.trials,
                epochs=given.epochs,
                limits=given.limit,
                workers=Workers(count=given.workers),
                ledger=given.ledger,
                study=f"{name}-{seed}",
                seed=seed,
            )
        )
        print(f"{name}, seed {seed}: {time.monotonic() - start:.0f} s", file=sys.stderr)
    return views


def compared(given: argparse.Namespace) -> tuple[dict[str, RealStanding], dict[str, str]]:
    """How each strategy did, and why others were left out."""
    problem = make_problem(
        searched_space(given), given.dataset, ("accuracy", "macs"), given.limit, None, given.max_images
    )
    found, left_out = {}, {}
    for name in given.strategies:
        try:
            resolve_strategy(name, problem, 0)
        except NaslabError as error:
            left_out[name] = str(error)
            continue
        found[name] = judge_studies(searched(name, given), marks(given.trials), given.floor)
    return found, left_out


def marks(trials: int) -> list[int]:
    """A quarter, a half and all of the trials."""
    return sorted({max(1, trials // 4), max(1, trials // 2), trials})


def draw(found: dict[str, RealStanding], given: argparse.Namespace) -> None:
    """The curves as a page, and as pictures where there is a browser."""
    title = f"Strategies on {given.space}, {given.trials} trials of {given.epochs} epochs, {given.seeds} seeds"
    blocks = []
    for panel, (heading, axis) in PANELS.items():
        curves = {name: getattr(each, f"{panel}_curve") for name, each in found.items()}
        note = f"Means over {given.seeds} seeds, bands of a standard error each way."
        blocks.append(figure_block(growth_figure(curves, axis, heading), panel, note, height=560, level="h2"))
    path = given.out / "studies.html"
    atomic_write(path, page(title, element("main", element("h1", title), *blocks)))
    sys.path.insert(0, str(Path(__file__).parent))
    try:
        from screenshot import screenshot

        for panel in PANELS:
            screenshot(path, given.out / f"{panel}.png", width=1100, select=f"figure:has(#{panel})")
    except (ImportError, SystemExit) as reason:
        print(f"no pictures: {reason}", file=sys.stderr)


def markdown(value: dict[str, Any], found: dict[str, RealStanding]) -> str:
    """The measurements as a page."""
    machine = value["machine"]
    known = ", ".join(f"{name} {version}" for name, version in value["versions"].items() if version != "not installed")
    steps = list(next(iter(found.values())).hypervolume) if found else []
    heads = ["strategy", "seeds", *(f"hypervolume after {step}" for step in steps)]
    heads += [*(f"best accuracy after {step}" for step in steps), "failed", "s of training a study"]
    lines = [
        "# One study per strategy at equal budget",
        "",
        f"`{value['command']}`, {value['seconds'] / 60:.0f} minutes in this call; what the ledger held was not trained "
        "again.",
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}; "
        f"{value['workers']} workers; load average {value['load'][0]:.2f} at the start, {value['load'][1]:.2f} at the "
        f"end. {known}.",
        "",
        "Means ± a standard error over seeds. Hypervolume: the share, in per cent, of the box between "
        f"{value['reference_point']} and 100 % accuracy at no cost. Best accuracy: the highest validation accuracy of "
        "the trials, of one training each and so too high by its luck, for all strategies alike. Differences within "
        "two errors are none.",
        "",
        row_line(heads),
        row_line(["---", *["---:"] * (len(heads) - 1)]),
    ]
    for name, each in found.items():
        cells = [name, str(each.seeds), *(words(each.hypervolume[step], 100) for step in steps)]
        cells += [*(words(each.accuracy[step]) for step in steps), str(each.failed), f"{each.train_seconds.mean:.0f}"]
        lines.append(row_line(cells))
    lines += [""] * bool(value["left_out"]) + [f"- {name}: left out, {why}" for name, why in value["left_out"].items()]
    return "\n".join(lines) + "\n"


def row_line(cells: list[str]) -> str:
    """A row of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def words(spread: Spread, factor: float = 1.0) -> str:
    """A figure over seeds."""
    return spread.words(".2f", ".2f", factor)


def main() -> None:
    """Search, compare, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="digits_demo")
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--side", type=int, help="pixels of the space's images, by default as its file says")
    parser.add_argument("--max-images", type=int, help="of the training set; all unless given")
    parser.add_argument("--trials", type=int, default=48)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--floor", type=float, default=80.0, help="accuracy below which a network is worth nothing")
    parser.add_argument("--limit", nargs="*", default=["macs<=3e6"])
    parser.add_argument("--strategies", nargs="+", default=strategy_names())
    parser.add_argument("--workers", type=int, help="by default one a core")
    parser.add_argument("--ledger", type=Path, help="by default OUT/studies.db")
    parser.add_argument("--out", type=Path, default=Path("results/studies"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    given.ledger = given.ledger or given.out / "studies.db"
    start, load = time.monotonic(), os.getloadavg()[0]
    found, left_out = compared(given)
    problem = make_problem(
        searched_space(given), given.dataset, ("accuracy", "macs"), given.limit, None, given.max_images
    )
    reference = corner(problem, given.floor)
    value = {
        "command": shlex.join(["scripts/study_strategies.py", *sys.argv[1:]]),
        "machine": machine_description(),
        "versions": installed_versions(),
        "load": [load, os.getloadavg()[0]],
        "workers": Workers(count=given.workers).num_workers,
        "seconds": time.monotonic() - start,
        "reference_point": ", ".join(
            f"{goal.metric} {number:.6g}" for goal, number in zip(reference.objectives, reference.values, strict=True)
        ),
        "strategies": msgspec.to_builtins(found),
        "left_out": left_out,
    }
    (given.out / "table.json").write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    (given.out / "table.md").write_text(markdown(value, found), encoding="utf-8")
    if found:
        draw(found, given)
    print(markdown(value, found))


if __name__ == "__main__":
    main()
