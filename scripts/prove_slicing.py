"""Sliced and sorted weights: accuracy of narrower networks that begin with a trained one's weights, against scratch.

    python scripts/prove_slicing.py --dataset fashion_mnist --max-images 2500 --seeds 3 --out results/transfer/slicing

For each seed a network is trained, and narrower ones of it (one share of all widths) begin with its first channels,
with its largest (L1, as once-for-all networks sort them), or from nothing. Accuracy is that of validation images: of
the weights as they are with norms measured anew, and behind one epoch of the same recipe on the same images for all.
Each seed of a network is kept in rows.jsonl as it ends and not done again; README.md is the table. The same command
gives the same numbers on one machine.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

from proof_table import Row, Table, markdown_table, mean_and_error, told_of_run
from torch import nn

from naslab.arch import ArchSpec, ConvBlock, InvertedBottleneck, ResidualBlock, Stage, cost
from naslab.arch.build import build
from naslab.atomic_write import atomic_write
from naslab.pretrained.carried import Carried
from naslab.pretrained.narrowing import narrower
from naslab.pretrained.scoring import measure_norms
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
NETWORKS: dict[str, InvertedBottleneck | ResidualBlock] = {
    "inverted bottlenecks": InvertedBottleneck(expansion=3),
    "residual blocks": ResidualBlock(shortcut="projection"),
}

HEAD = """\
# Sliced weights, sorted and unsorted, against scratch

Validation accuracy in per cent, mean and standard error over seeds, of narrower networks that begin with a trained
one's weights (its largest channels by L1, or its first) or from nothing: norms measured anew, and behind one epoch.
Written by `scripts/prove_slicing.py`; the numbers of every seed are in rows.jsonl.
"""


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


def measured(kind: str, seed: int, choice: DataChoice, epochs: int) -> Row:
    """Accuracies of one network and seed: `base` of the whole, and of each width and way before and after an epoch."""
    block = NETWORKS[kind]
    split, facts = load_dataset(choice), facts_of(choice)
    whole = network(block, facts)
    parent = build(whole, seed)
    base = fitted(parent, whole, split, choice.name, epochs, seed)
    starts = {way: Carried(whole, parent.cpu().state_dict(), seed, way == "sorted") for way in WAYS[:2]}
    found = []
    for share in WIDTHS:
        small = network(block, facts, share)
        for way in WAYS:
            module = starts[way].module(small) if way in starts else build(small, seed)
            before = as_they_are(module, small, split)
            after = fitted(module, small, split, choice.name, 1, seed)
            found.append({"width": share, "way": way, "macs": cost(small).macs, "before": before, "after": after})
    return {"network": kind, "seed": seed, "macs": cost(whole).macs, "base": base, "narrower": found}


def page(rows: Collection[Row], epochs: int, told: dict[str, str]) -> str:
    """The table as a page."""
    lines: list[Sequence[object]] = []
    for kind in NETWORKS:
        of_kind = [row for row in rows if row.get("network") == kind]
        if of_kind:
            base = mean_and_error([row["base"] for row in of_kind])
            lines.append((kind, 1.0, f"{epochs} epochs", f"{of_kind[0]['macs']:,}", "-", base))
        for share, way in itertools.product(WIDTHS, WAYS):
            cells = [
                each for row in of_kind for each in row["narrower"] if (each["width"], each["way"]) == (share, way)
            ]
            if cells:
                means = [mean_and_error([each[when] for each in cells]) for when in ("before", "after")]
                lines.append((kind, share, way, f"{cells[0]['macs']:,}", *means))
    head = ("network", "width", "start", "macs", "as they are", "after one epoch")
    return "\n".join(
        [HEAD, *markdown_table(head, lines), "", *(f"- {name}: {value}" for name, value in told.items()), ""]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing, and write the page after every seed of a network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--max-images", type=int)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args(arguments)
    table = Table(asked.out / "rows.jsonl")
    told = {
        "data": f"{asked.dataset}, {asked.max_images or 'all'} images, a fifth of which validate",
        "seeds": str(asked.seeds),
        **told_of_run(),
    }
    choice = DataChoice(name=asked.dataset, max_images=asked.max_images)
    for seed in range(asked.seeds):
        for kind in NETWORKS:
            row = table.row(f"{kind}, seed {seed}", partial(measured, kind, seed, choice, asked.epochs))
            print(f"{kind}, seed {seed}: {row['base']:.1f} %", flush=True)
            atomic_write(asked.out / "README.md", page(table.rows.values(), asked.epochs, told))


if __name__ == "__main__":
    main()
