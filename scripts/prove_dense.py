"""Detection and segmentation on four backbones of equal macs, with and without weights learned from single articles.

    python scripts/make_scenes.py scenes --train 150 --test 100 --side 64 --articles trouser sneaker bag
    python scripts/prove_dense.py detection --scenes scenes --work work --out results/detection --epochs 12 --seeds 3
    python scripts/prove_dense.py segmentation --scenes scenes --work work --out results/detection --epochs 12 --seeds 3

The backbones: one that a search found on Fashion-MNIST, widened to the budget, a smaller one of that search brought to
it by compound scaling, ResNet-18 narrowed, and MobileNetV2, whose macs are the budget. Each is trained on
Fashion-MNIST's classes once and begins a detector (Faster R-CNN) or a segmenter (U-Net) with these weights, or from
nothing, otherwise alike but for `--body-share`, the learning rate of pretrained backbones in that of all else;
`--starts equal` is these weights at the whole rate. `--known NAME=FILE` adds a network of the zoo with released weights
against the same one from nothing, at its own macs. A row is kept as a training ends in `--out`, weights in `--work`;
what is there is not done again. README.md is written anew: it shows the rows of the setting that each task was run in
last, and what findings.md in `--out` says of them. `--seeds 0` makes backbones and weights alone; several processes may
then share the work (`--backbones`).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from dense_page import EQUAL, PRETRAINED, SCRATCH, STARTS, page
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
    how = {"run": given.task, "setting": setting(given), "told": {"how": in_words(given), **told_of_run()}}
    table.row(f"{given.task} run", lambda: how, is_wanted=True)
    compared = list(backbones(given, table))
    for seed in range(given.seeds):
        for backbone in compared:
            for start in given.starts:
                key = f"{given.task}, {backbone.name}, {start}, seed {seed}, {setting(given)}"
                row = table.row(key, partial(trained, given, backbone, start, seed))
                print(key, row.get("metrics") or row["failure"], flush=True)
                atomic_write(given.out / "README.md", page(table.rows.values(), findings_in(given.out)))


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
    parser.add_argument("--starts", nargs="+", choices=STARTS, default=[PRETRAINED, SCRATCH])
    usual = naslab.DenseRecipe()
    parser.add_argument("--batch-size", type=int, default=usual.batch_size)
    parser.add_argument("--learning-rate", type=float, default=usual.learning_rate)
    parser.add_argument("--body-share", type=float, default=usual.body_share)
    parser.add_argument("--boxes", type=int, default=usual.boxes, help="of an image, that heads learn from")
    parser.add_argument("--resolution", type=int, help="scenes are resized to it; by default --side")
    parser.add_argument("--backbones", nargs="+", help="take these alone")
    parser.add_argument("--known", nargs="*", default=[], metavar="NAME=FILE")
    parser.add_argument("--trials", type=int, default=16, help="networks of the search")
    parser.add_argument("--search-epochs", type=int, default=2)
    parser.add_argument("--search-images", type=int, default=2500)
    parser.add_argument("--images", type=int, default=5000, help="of Fashion-MNIST, to learn from before")
    parser.add_argument("--pretraining-epochs", type=int, default=5)
    parser.add_argument("--data-dir", type=Path)
    return parser.parse_args(arguments)


def findings_in(folder: Path) -> str:
    """What a person wrote of the rows, in findings.md beside them; nothing where there is no such file."""
    path = folder / "findings.md"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def recipe_of(given: argparse.Namespace, start: str) -> naslab.DenseRecipe:
    """How a detector or segmenter with a `start` is trained."""
    return naslab.DenseRecipe(
        batch_size=given.batch_size,
        learning_rate=given.learning_rate,
        body_share=1.0 if start == EQUAL else given.body_share,
        boxes=given.boxes,
    )


def setting(given: argparse.Namespace) -> str:
    """What tells the rows of this run from those of other recipes and sizes: what is not as usual."""
    usual = naslab.DenseRecipe()
    told = [f"{given.epochs} epochs"]
    for name in ("batch_size", "learning_rate", "body_share", "boxes"):
        if (value := getattr(given, name)) != getattr(usual, name):
            told.append(f"{name} {value:g}")
    if given.resolution not in (None, given.side):
        told.append(f"resized to {given.resolution}")
    return ", ".join(told)


def in_words(given: argparse.Namespace) -> str:
    """The recipe of this run in the words of a page."""
    recipe = recipe_of(given, PRETRAINED)
    boxes = f", at most {recipe.boxes} boxes of an image" if given.task == "detection" else ""
    rates = f"a learning rate of {recipe.learning_rate:g}, times {recipe.body_share:g} for a pretrained network"
    size = f"images of {given.resolution or given.side} pixels"
    return f"{given.epochs} epochs, batches of {recipe.batch_size}, {rates}{boxes}; {size}"


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
        strategy="evolution",
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
        out=given.work / f"{given.task}-{backbone.name}-{start}-{seed}-{setting(given).replace(' ', '_')}",
        epochs=given.epochs,
        recipe=recipe_of(given, start),
        resolution=given.resolution,
        channels=given.head_channels,
        seed=seed,
        pretrained=None if start == SCRATCH else backbone.source,
    )
    kept = ("metrics", "classes", "cost", "num_train_images", "num_test_images", "wall_seconds")
    load = round(os.getloadavg()[0], 1)
    told = {"task": given.task, "backbone": backbone.name, "start": start, "seed": seed, "load": load}
    return told | {name: result[name] for name in kept} | {"loss": result["curve"][-1]["loss"]}


if __name__ == "__main__":
    main()
