"""Small data sets of boxes, masks and points in every layout, drawn by numpy: a bright square on a dark image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from naslab.dense_prediction.segments import counts_of

SIDE = 32
SQUARE = (8, 10, 22, 24)
"""Left, top, right and bottom of the object of each image."""
CLASSES = ("dark", "bright")


def picture(index: int) -> Image.Image:
    """An image of one square, whose brightness follows from `index`."""
    left, top, right, bottom = SQUARE
    values = np.full((SIDE, SIDE, 3), 30, np.uint8)
    values[top:bottom, left:right] = 150 + 20 * (index % 5)
    return Image.fromarray(values)


def square_mask() -> np.ndarray[Any, np.dtype[np.bool_]]:
    """The pixels of the square, of shape (height, width)."""
    mask = np.zeros((SIDE, SIDE), bool)
    mask[SQUARE[1] : SQUARE[3], SQUARE[0] : SQUARE[2]] = True
    return mask


def coco_content(count: int) -> dict[str, Any]:
    """COCO's annotations of `count` images; the last one is empty."""
    left, top, right, bottom = SQUARE
    images = [{"id": n, "file_name": f"{n}.png", "width": SIDE, "height": SIDE} for n in range(count)]
    outline: list[Any] = [
        [[left, top, right, top, right, bottom, left, bottom]],
        {"size": [SIDE, SIDE], "counts": counts_of(square_mask())},
    ]
    objects = [
        {
            "id": n + 1,
            "image_id": n,
            "category_id": 3 + 4 * (n % 2),
            "bbox": [left, top, right - left, bottom - top],
            "segmentation": outline[n % 2],
            "keypoints": [left, top, 2, right, bottom, 1],
        }
        for n in range(count - 1)
    ]
    categories = [{"id": 7, "name": "bright"}, {"id": 3, "name": "dark", "keypoints": ["corner", "end"]}]
    return {"images": images, "categories": categories, "annotations": objects}


def write_coco(root: Path, train: int = 4, test: int = 2) -> Path:
    """A data set for `coco:ROOT`."""
    (root / "annotations").mkdir(parents=True)
    for part, count in (("train", train), ("val", test)):
        (root / f"{part}2020").mkdir()
        for index in range(count):
            picture(index).save(root / f"{part}2020" / f"{index}.png")
        file = root / "annotations" / f"instances_{part}2020.json"
        file.write_text(json.dumps(coco_content(count)), encoding="utf-8")
    return root


def write_voc(root: Path) -> Path:
    """A data set for `voc:ROOT`."""
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / name).mkdir(parents=True)
    for index in range(4):
        picture(index).save(root / "JPEGImages" / f"{index}.png")
        left, top, right, bottom = SQUARE
        box = f"<xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>"
        size = f"<size><width>{SIDE}</width><height>{SIDE}</height><depth>3</depth></size>"
        name = CLASSES[index % 2]
        found = f"<object><name>{name}</name><difficult>{index % 2}</difficult><bndbox>{box}</bndbox></object>"
        text = f"<annotation><filename>{index}.png</filename>{size}{found}</annotation>"
        (root / "Annotations" / f"{index}.xml").write_text(text, encoding="utf-8")
    (root / "ImageSets" / "Main" / "train.txt").write_text("0\n1\n2\n", encoding="utf-8")
    (root / "ImageSets" / "Main" / "val.txt").write_text("3\n", encoding="utf-8")
    return root


def write_yolo(root: Path) -> Path:
    """A data set for `yolo:ROOT`; the last image has no file of labels."""
    left, top, right, bottom = (side / SIDE for side in SQUARE)
    box = f"{(left + right) / 2} {(top + bottom) / 2} {right - left} {bottom - top}"
    for part, count in (("train", 3), ("val", 2)):
        (root / "images" / part).mkdir(parents=True)
        (root / "labels" / part).mkdir(parents=True)
        for index in range(count):
            picture(index).save(root / "images" / part / f"{index}.png")
            if index < count - 1:
                (root / "labels" / part / f"{index}.txt").write_text(f"{index % 2} {box}\n", encoding="utf-8")
    (root / "data.yaml").write_text("names: {0: dark, 1: bright}\n", encoding="utf-8")
    return root


def write_masks(root: Path) -> Path:
    """A data set for `masks:ROOT`."""
    for part, count in (("train", 4), ("test", 2)):
        (root / "images" / part).mkdir(parents=True)
        (root / "masks" / part).mkdir(parents=True)
        for index in range(count):
            picture(index).save(root / "images" / part / f"{index}.png")
            Image.fromarray(square_mask().astype(np.uint8)).save(root / "masks" / part / f"{index}.png")
    (root / "classes.txt").write_text("\n".join(CLASSES) + "\n", encoding="utf-8")
    return root
