"""Scenes of articles of Fashion-MNIST on textured canvases, with boxes and masks: a data set for detection.

    python scripts/make_scenes.py OUT --train 200 --test 50 --side 96
    python scripts/make_scenes.py OUT --articles trouser sneaker bag

Writes OUT/coco (boxes and outlines as COCO's JSON, for `--dataset coco:OUT/coco`) and OUT/masks (a class a pixel, for
`--dataset masks:OUT/masks`), of the same images. Training scenes are made of training articles, test scenes of test
articles. The same seed makes the same scenes. Fashion-MNIST is read from NASLAB_DATA.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from naslab.dense_prediction.segments import counts_of
from naslab.study.data_choice import DataChoice
from naslab.training.datasets.arrays import Part
from naslab.training.datasets.class_names import class_names
from naslab.training.datasets.read import read_choice

MOST = 4
"""Articles of a scene; a scene has one at least."""
SIZES = (20, 44)
"""The sides of an article in pixels."""
LEAST_SEEN = 0.4
"""The share of an article that must be seen, where others cover it."""
DARK = 24
"""Values of an article's canvas, which is black, are below."""


def canvas(rng: np.random.Generator, side: int) -> NDArray[np.float64]:
    """A textured background of shape (side, side, 3): noise of three coarsenesses around a colour."""
    colour = rng.uniform(60, 190, 3)
    values = np.tile(colour, (side, side, 1))
    for cells, height in ((4, 40.0), (12, 25.0), (48, 15.0)):
        noise = rng.normal(0, 1, (cells, cells, 3)).astype(np.float32)
        planes = [Image.fromarray(noise[..., each]).resize((side, side), Image.Resampling.BICUBIC) for each in range(3)]
        values = values + height * np.stack([np.asarray(each) for each in planes], axis=-1)
    return values


def scene(
    rng: np.random.Generator, articles: NDArray[np.uint8], labels: NDArray[np.int64], side: int
) -> tuple[NDArray[np.uint8], list[tuple[int, NDArray[np.bool_]]]]:
    """An image of shape (side, side, 3), and the label and mask of each object in it."""
    values = canvas(rng, side)
    placed: list[tuple[int, NDArray[np.bool_]]] = []
    for _ in range(int(rng.integers(1, MOST + 1))):
        chosen = int(rng.integers(len(articles)))
        size = int(rng.integers(SIZES[0], min(SIZES[1], side) + 1))
        article = np.asarray(Image.fromarray(articles[chosen]).resize((size, size), Image.Resampling.BILINEAR))
        top, left = (int(each) for each in rng.integers(0, side - size + 1, 2))
        mask = np.zeros((side, side), bool)
        mask[top : top + size, left : left + size] = article > DARK
        if mask.sum() < 40 or any((old & ~mask).sum() < LEAST_SEEN * old.sum() for _, old in placed):
            continue
        tint = rng.uniform(0.5, 1.0, 3)
        drawn = np.zeros((side, side, 3))
        drawn[top : top + size, left : left + size] = article[..., None] * tint + 30 * (1 - tint)
        values = np.where(mask[..., None], drawn, values)
        placed = [(label, old & ~mask) for label, old in placed] + [(int(labels[chosen]), mask)]
    return np.clip(values, 0, 255).astype(np.uint8), placed


def write_part(
    out: Path, part: str, count: int, side: int, rng: np.random.Generator, names: tuple[str, ...], data: Any
) -> None:
    """Write `count` scenes of a part in both layouts, of the articles of `data`, whose labels are places in `names`."""
    articles, labels = np.asarray(data.images).reshape(-1, 28, 28), np.asarray(data.labels)
    places = {name: out / name for name in (f"coco/{part}", f"masks/images/{part}", f"masks/masks/{part}")}
    for place in (*places.values(), out / "coco" / "annotations"):
        place.mkdir(parents=True, exist_ok=True)
    images: list[dict[str, Any]] = []
    objects: list[dict[str, Any]] = []
    for index in range(count):
        pixels, placed = scene(rng, articles, labels, side)
        file = f"{index:05}.png"
        classes = np.zeros((side, side), np.uint8)
        images.append({"id": index, "file_name": file, "width": side, "height": side})
        for label, mask in placed:
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            left, top = int(columns[0]), int(rows[0])
            classes[mask] = label + 1
            objects.append(
                {
                    "id": len(objects) + 1,
                    "image_id": index,
                    "category_id": label + 1,
                    "bbox": [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top],
                    "area": int(mask.sum()),
                    "iscrowd": 0,
                    "segmentation": {"size": [side, side], "counts": counts_of(mask)},
                }
            )
        Image.fromarray(pixels).save(places[f"coco/{part}"] / file)
        Image.fromarray(pixels).save(places[f"masks/images/{part}"] / file)
        Image.fromarray(classes).save(places[f"masks/masks/{part}"] / file)
    categories = [{"id": label + 1, "name": name} for label, name in enumerate(names)]
    content = {"images": images, "categories": categories, "annotations": objects}
    (out / "coco" / "annotations" / f"instances_{part}.json").write_text(json.dumps(content), encoding="utf-8")
    (out / "masks" / "classes.txt").write_text("\n".join(("background", *names)) + "\n", encoding="utf-8")


def of_articles(data: Any, chosen: Sequence[int]) -> Any:
    """The images of `data` whose labels are among `chosen`, labelled by the place of theirs there."""
    labels = np.asarray(data.labels)
    kept = np.isin(labels, chosen)
    places = np.full(int(labels.max()) + 1, -1)
    places[list(chosen)] = np.arange(len(chosen))
    return SimpleNamespace(images=np.asarray(data.images)[kept], labels=places[labels[kept]])


def main() -> None:
    """Make the scenes that the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--train", type=int, default=200, help="training scenes")
    parser.add_argument("--test", type=int, default=50, help="test scenes")
    parser.add_argument("--side", type=int, default=96, help="height and width in pixels, 44 or more")
    parser.add_argument("--seed", type=int, default=0)
    choice = DataChoice("fashion_mnist")
    every = class_names(choice, None)
    parser.add_argument("--articles", nargs="+", choices=every, default=every, metavar="NAME", help="classes to use")
    asked = parser.parse_args()
    names = tuple(asked.articles)
    chosen = [every.index(name) for name in names]
    parts: tuple[tuple[Part, int], ...] = (("train", asked.train), ("test", asked.test))
    for part, count in parts:
        rng = np.random.default_rng([asked.seed, part == "test"])
        write_part(asked.out, part, count, asked.side, rng, names, of_articles(read_choice(choice, part), chosen))


if __name__ == "__main__":
    main()
