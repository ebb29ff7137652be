"""Detection and segmentation on four backbones of equal macs, with and without weights learned from single articles.

    python scripts/make_scenes.py scenes --train 150 --test 100 --side 64 --articles trouser sneaker bag
    python scripts/prove_dense.py detection --scenes scenes --work work --out results/detection --epochs 12 --seeds 3
    python scripts/prove_dense.py segmentation --scenes scenes --work work --out results/detection --epochs 12 --seeds 3

The backbones: one that a search found on Fashion-MNIST, widened to the budget, a smaller one of that search brought to
it by compound scaling, ResNet-18 narrowed, and MobileNetV2, whose macs are the budget. Each is trained on
Fashion-MNIST's classes once and begins a detector (Faster R-CNN) or a segmenter (U-Net) with these weights, or from
nothing, otherwise alike. `--known NAME=FILE` adds a network of the zoo with released weights against the same one from
nothing, at its own macs. A row is kept as a training ends in `--out`, weights in `--work`; what is there is not done
again, and README.md is written anew. `--seeds 0` makes backbones and weights alone; several processes may then share
the work (`--backbones`).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from dense_page import PRETRAINED, SCRATCH, page
from msgspec.structs import replace
from proof_table import Row, Table, told_of_run

import naslab
from naslab.arch import ArchSpec, Head, cost, load_arch, save_arch
from naslab.atomic_write import atomic_write
from naslab.lab.models import Model
from naslab.scaling import EFFICIENTNET_RULE, WIDTH, Compound, meet_budget
from naslab.study.recipe import named_recipe

SEARCHED_AT = 32
"""The side of the images that are searched and learned on before: single articles as large as those of the scenes."""
DATA = {"detection": "coco:{}/coco", "segmentation": "masks:{}/masks"}


class Backbone(NamedTuple):
    """A network by `name`, for images of scenes; `source` is a file of weights to begin with."""

    name: str
    arch: ArchSpec
    source: Path


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing of a task, and write the page after every row."""
    given = parsed(arguments)
    table = Table(given.out / "rows.jsonl")
    table.row(f"{given.task} run", lambda: {"run": given.task, "told": told_of_run()}, is_wanted=True)
    compared = list(backbones(given, table))
    for seed in range(given.seeds):
        for backbone in compared:
            for start in (PRETRAINED, SCRATCH):
                key = f"{given.task}, {backbone.name}, {start}, seed {seed}, {given.epochs} epochs"
                row = table.row(key, partial(trained, given, backbone, start, seed))
                print(key, row.get("metrics") or row["failure"], flush=True)
                atomic_write(given.out / "README.md", page(table.rows.values()))


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=list(DATA))
    parser.add_argument("--scenes", type=Path, required=True, help="a folder that make_scenes.py wrote")
    parser.add_argument("--work", type=Path, required=True, help="a folder for weights")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--space", type=Path, default=Path("results/detection/space.yaml"))
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--head-channels", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--backbones", nargs="+", help="take these alone")
    parser.add_argument("--known", nargs="*", default=[], metavar="NAME=FILE")
    parser.add_argument("--trials", type=int, default=16, help="networks of the search")
    parser.add_argument("--search-epochs", type=int, default=2)
    parser.add_argument("--search-images", type=int, default=2500)
    parser.add_argument("--images", type=int, default=5000, help="of Fashion-MNIST, to learn from before")
    parser.add_argument("--pretraining-epochs", type=int, default=5)
    parser.add_argument("--data-dir", type=Path)
    return parser.parse_args(arguments)


def backbones(given: argparse.Namespace, table: Table) -> Iterator[Backbone]:
    """The networks that are compared, each with its weights, which are learned where they are not there."""
    for name, arch in networks(given, table).items():
        if given.backbones is None or name in given.backbones:
            yield Backbone(name, arch, learned(given, table, name, arch))
    for text in given.known:
        name, _, file = text.partition("=")
        yield Backbone(f"{name}, released weights", at_side(naslab.model(name), given.side), Path(file))


def networks(given: argparse.Namespace, table: Table) -> dict[str, ArchSpec]:
    """The four networks of equal macs, written to files as they are made and read from there."""
    reference = at_side(naslab.model("mobilenet_v2"), given.side)
    budget = cost(reference).macs
    made: dict[str, Callable[[], ArchSpec]] = {
        "found": lambda: scaled(found(given, table, budget, budget), budget, WIDTH),
        "rescaled": lambda: scaled(found(given, table, budget, budget / 2), budget, DEPTH_AND_WIDTH),
        "resnet18": lambda: scaled(at_side(naslab.model("resnet18"), given.side), budget, WIDTH),
        "mobilenet_v2": lambda: reference,
    }
    archs = {}
    for name, make in made.items():
        path = given.out / f"{name}.yaml"
        if not path.exists():
            save_arch(make(), path)
        archs[name] = load_arch(path)
        table.row(f"network {name}", partial(sizes, name, archs[name]))
    return archs


DEPTH_AND_WIDTH = replace(EFFICIENTNET_RULE, gamma=1.0)
"""Compound scaling of depth and width: images have one size for all."""


def scaled(arch: ArchSpec, macs: float, rule: Compound) -> ArchSpec:
    """A network brought to so many `macs` by a rule of scaling."""
    return meet_budget(arch, "macs", macs, rule).member.arch


def at_side(arch: ArchSpec, side: int) -> ArchSpec:
    """A network for coloured images of a side, with nothing but pooling before its classifier, which detectors lack."""
    return replace(arch, input=(3, side, side), head=Head(), num_classes=10)


def sizes(name: str, arch: ArchSpec) -> Row:
    """What a network costs, of one image of a scene."""
    total = cost(arch)
    return {"network": name, "macs": total.macs, "params": total.params}


def found(given: argparse.Namespace, table: Table, budget: float, most: float) -> ArchSpec:
    """The most accurate network within `most` macs of a search within the `budget`, both of images of scenes."""
    share = (SEARCHED_AT / given.side) ** 2
    study = naslab.search(
        given.space,
        dataset="fashion_mnist",
        max_images=given.search_images,
        trials=given.trials,
        epochs=given.search_epochs,
        objectives=["accuracy", "macs"],
        limits=[f"macs<={budget * share:.0f}"],
        workers=1,
        ledger=given.work / "search.db",
        study="backbones",
        data_dir=None if given.data_dir is None else str(given.data_dir),
    )
    within = [each for each in study.outcomes if each.is_complete and each.value("macs") <= most * share]
    best = max(within, key=lambda each: each.value("accuracy"))
    told = {"trials": len(study.outcomes), "trial": best.candidate.trial, "accuracy": best.value("accuracy")}
    table.row(f"search, within {most:.0f} macs", lambda: {"searched": most, **told})
    return at_side(best.candidate.arch, given.side)


def learned(given: argparse.Namespace, table: Table, name: str, arch: ArchSpec) -> Path:
    """A file of weights that a network learned on Fashion-MNIST's classes, from seed 0."""
    path = Path(given.work) / f"{name}.safetensors"
    table.row(f"weights of {name}", partial(pretrained, given, name, arch, path), is_wanted=not path.exists())
    return path


def pretrained(given: argparse.Namespace, name: str, arch: ArchSpec, path: Path) -> Row:
    """Train a network on single articles, as large as those of the scenes, into a file of weights."""
    small = replace(arch, input=(1, SEARCHED_AT, SEARCHED_AT))
    result = naslab.train(
        small,
        dataset="fashion_mnist",
        epochs=given.pretraining_epochs,
        recipe=named_recipe("short", "fashion_mnist"),
        max_images=given.images,
        save_to=path,
        data_dir=given.data_dir,
    ).result
    return {"learned": name, "accuracy": result.test_accuracy, "epochs": len(result.curve), "images": given.images}


def trained(given: argparse.Namespace, backbone: Backbone, start: str, seed: int) -> Row:
    """One detector or segmenter: what it found in the test scenes, and what it costs."""
    result = naslab.train_detector(
        Model(backbone.name, backbone.arch),
        task=given.task,
        dataset=DATA[given.task].format(given.scenes),
        out=given.work / f"{given.task}-{backbone.name}-{start}-{seed}-{given.epochs}",
        epochs=given.epochs,
        channels=given.head_channels,
        seed=seed,
        pretrained=backbone.source if start == PRETRAINED else None,
    )
    kept = ("metrics", "classes", "cost", "num_train_images", "num_test_images", "wall_seconds")
    load = round(os.getloadavg()[0], 1)
    told = {"task": given.task, "backbone": backbone.name, "start": start, "seed": seed, "load": load}
    return told | {name: result[name] for name in kept} | {"loss": result["curve"][-1]["loss"]}


if __name__ == "__main__":
    main()
