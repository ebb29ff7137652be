"""Sliced and sorted weights: accuracy of narrower networks that begin with a trained one's weights, against scratch.

    .venv/bin/python scripts/prove_slicing.py --dataset fashion_mnist --max-images 2500 --seeds 3

For each seed a network is trained, and narrower ones of it (one share of all widths) begin with its first channels,
with its largest (L1, as once-for-all networks sort them), or from nothing. Accuracy is that of validation images: of
the weights as they are with norms measured anew, and behind one epoch of the same recipe on the same images for all.
The table is written as README.md, the numbers as table.json; the same command gives the same numbers on one machine.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import fmean, stdev

from torch import nn

from naslab.arch import ArchSpec, ConvBlock, InvertedBottleneck, ResidualBlock, Stage, cost
from naslab.arch.build import build
from naslab.pretrained.carried import Carried
from naslab.pretrained.narrowing import narrower
from naslab.pretrained.scoring import measure_norms
from naslab.provenance import command_line, installed_versions, machine_description
from naslab.study.data_choice import DataChoice
from naslab.study.recipe import named_recipe
from naslab.training.augment import Normaliser
from naslab.training.data import DataSplit, load_dataset
from naslab.training.datasets.facts import DataFacts
from naslab.training.datasets.info import facts_of
from naslab.training.evaluation import evaluate
from naslab.training.loop import train

WIDTHS = (0.75, 0.5, 0.25)
WAYS = ("sorted", "first", "scratch")
NETWORKS = {
    "inverted bottlenecks": InvertedBottleneck(expansion=3),
    "residual blocks": ResidualBlock(shortcut="projection"),
}


def network(block: InvertedBottleneck | ResidualBlock, facts: DataFacts, share: float = 1.0) -> ArchSpec:
    """The network of a kind of block for the data, or a narrower one of it."""
    widths = [narrower(width, share) for width in (16, 32, 64)]
    return ArchSpec(
        input=(facts.channels, facts.height, facts.width),
        stem=(Stage(block=ConvBlock(), width=widths[0], stride=2 if facts.height > 16 else 1),),
        stages=(
            Stage(block=block, width=widths[1], repeats=2, stride=2),
            Stage(block=block, width=widths[2], repeats=2, stride=2),
        ),
        num_classes=facts.num_classes,
    )


def fitted(module: nn.Module, arch: ArchSpec, split: DataSplit, dataset: str, epochs: int, seed: int) -> float:
    """The validation accuracy in per cent behind a training by the recipe of short trainings."""
    curve = train(module, split, named_recipe("short", dataset), epochs, size=arch.input[1:], seed=seed)
    return curve[-1].validation_accuracy


def as_they_are(module: nn.Module, arch: ArchSpec, split: DataSplit) -> float:
    """The validation accuracy in per cent of weights with norms measured anew."""
    normalise = Normaliser(split, arch.input[1:])
    measure_norms(module, split.train, normalise)
    return evaluate(module, split.validation, normalise, named_recipe("short", "digits")).accuracy


def measured(dataset: str, max_images: int | None, epochs: int, seeds: int) -> list[dict[str, object]]:
    """One row for each network, width and way: accuracies by seed, before and after one epoch."""
    choice = DataChoice(name=dataset, max_images=max_images)
    split, facts = load_dataset(choice), facts_of(choice)
    rows: list[dict[str, object]] = []
    for kind, block in NETWORKS.items():
        whole = network(block, facts)
        found: dict[tuple[float, str], tuple[list[float], list[float]]] = {}
        base = []
        for seed in range(seeds):
            parent = build(whole, seed)
            base.append(fitted(parent, whole, split, dataset, epochs, seed))
            starts = {way: Carried(whole, parent.cpu().state_dict(), seed, way == "sorted") for way in WAYS[:2]}
            for share in WIDTHS:
                small = network(block, facts, share)
                for way in WAYS:
                    module = starts[way].module(small) if way in starts else build(small, seed)
                    before, after = found.setdefault((share, way), ([], []))
                    before.append(as_they_are(module, small, split))
                    after.append(fitted(module, small, split, dataset, 1, seed))
            print(f"{kind}, seed {seed}: {base[-1]:.1f} %", flush=True)
        rows.append({"network": kind, "width": 1.0, "way": f"{epochs} epochs", "macs": cost(whole).macs, "after": base})
        for (share, way), (before, after) in found.items():
            macs = cost(network(block, facts, share)).macs
            rows.append({"network": kind, "width": share, "way": way, "macs": macs, "before": before, "after": after})
    return rows


def words(values: object) -> str:
    """Mean and standard error over seeds."""
    if not isinstance(values, list):
        return "-"
    error = stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{fmean(values):.1f} ± {error:.1f}"


def page(rows: list[dict[str, object]], told: dict[str, object]) -> str:
    """The table as a page."""
    lines = [
        "# Sliced weights, sorted and unsorted, against scratch",
        "",
        "Validation accuracy in per cent, mean and standard error over seeds, of narrower networks that begin with a",
        "trained one's weights (its largest channels by L1, or its first) or from nothing: norms measured anew, and",
        "behind one epoch. Written by `scripts/prove_slicing.py`; the numbers of every seed are in table.json.",
        "",
        "| network | width | start | macs | as they are | after one epoch |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        before, after = words(row.get("before")), words(row["after"])
        lines.append(f"| {row['network']} | {row['width']} | {row['way']} | {row['macs']:,} | {before} | {after} |")
    lines += ["", *(f"- {name}: {value}" for name, value in told.items()), ""]
    return "\n".join(lines)


def main() -> None:
    """Measure, and write the page and the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--max-images", type=int)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("results/transfer"))
    asked = parser.parse_args()
    began = time.perf_counter()
    rows = measured(asked.dataset, asked.max_images, asked.epochs, asked.seeds)
    machine = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in machine_description().items())
    told: dict[str, object] = {
        "data": f"{asked.dataset}, {asked.max_images or 'all'} images, a fifth of which validate",
        "seeds": asked.seeds,
        "command": command_line(),
        "machine": machine,
        "versions": ", ".join(f"{name} {version}" for name, version in installed_versions().items()),
        "seconds": round(time.perf_counter() - began),
    }
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "table.json").write_text(json.dumps({"rows": rows, **told}, indent=1) + "\n", encoding="utf-8")
    (asked.out / "README.md").write_text(page(rows, told), encoding="utf-8")


if __name__ == "__main__":
    main()
