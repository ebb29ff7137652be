"""The layout of YOLO: a text file of boxes or polygons for each image, in shares of its sides, and `data.yaml`."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from naslab.dense_prediction.annotations import (
    PART_NAMES,
    TRAIN,
    AnnotatedSet,
    Annotation,
    annotation,
    checked_box,
    require_files,
)
from naslab.dense_prediction.segments import Segment, polygons_of
from naslab.dense_prediction.voc import lines_of
from naslab.errors import DataError, shown
from naslab.reading import whole_number, yaml_values

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"})


def read_yolo(name: str, root: Path) -> AnnotatedSet:
    """The data set `name` in the folder `root`: `images/train`, `labels/train`, and the names of classes in a file.

    That is `data.yaml` with `names`, or `classes.txt`. The folders may stand the other way round, as `train/images`. A
    line is a class from 0 and the middle, width and height of a box, or the corners of a polygon; an image without a
    file of labels has no objects. Raises `DataError` and `ReadError` for what is not there or disagrees.
    """
    classes = _classes(root)
    parts: dict[str, tuple[Annotation, ...]] = {}
    for part, names in PART_NAMES.items():
        for each in names:
            places = (
                (root / "images" / each, root / "labels" / each),
                (root / each / "images", root / each / "labels"),
            )
            for images, labels in places:
                files = image_files_in(images)
                if files and part not in parts:
                    parts[part] = tuple(_annotation(file, labels / f"{file.stem}.txt", classes) for file in files)
    if TRAIN not in parts:
        raise DataError(f"{root} has no training images: put them into images/train, their labels into labels/train")
    return AnnotatedSet(name, classes, parts)


def image_files_in(folder: Path) -> list[Path]:
    """The image files of a folder in the order of their names; none where it is not there."""
    return sorted(each for each in folder.glob("*") if each.suffix.lower() in ENDINGS)


def _classes(root: Path) -> tuple[str, ...]:
    for file in (root / "data.yaml", root / "dataset.yaml"):
        if file.is_file():
            content = yaml_values(_NUMBERED.sub(r'\1"\2"\3', "\n".join(lines_of(file, keep=True))), file)
            names = content.get("names") if isinstance(content, dict) else None
            listed = [names[key] for key in sorted(names, key=_as_number)] if isinstance(names, dict) else names
            if not isinstance(listed, list) or not listed or not all(isinstance(each, str) for each in listed):
                raise DataError(f"{file} has no names of classes: write names: [cat, dog]")
            return tuple(listed)
    if (root / "classes.txt").is_file():
        return tuple(lines_of(root / "classes.txt"))
    raise DataError(f"{root} says nowhere what its classes are: write data.yaml with names: [cat, dog]")


def _annotation(file: Path, labels: Path, classes: tuple[str, ...]) -> Annotation:
    from PIL import Image

    require_files([file], file.parent)
    try:
        with Image.open(file) as image:
            width, height = image.size
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{file} cannot be read as an image: {error}") from None
    boxes, found, outlines = [], [], []
    for number, line in enumerate(lines_of(labels) if labels.exists() or labels.is_symlink() else [], start=1):
        place = f"{labels}: line {number}"
        label, *shares = line.split()
        index = whole_number(label)
        if index is None or index >= len(classes):
            rule = f"the class '{shown(label)}' is not listed, there are {len(classes)} (from 0)"
            raise DataError(f"{place}: {rule}; list it in data.yaml, or mend the line")
        values = np.array([_share(each, place) for each in shares])
        found.append(index)
        if len(values) == 4:
            x, y, wide, high = values * [width, height, width, height]
            box = (x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)
        else:
            corners = (values.reshape(-1, 2) if len(values) % 2 == 0 else values[:, None]) * [width, height]
            outlines.append(polygons_of([corners.reshape(-1)[: values.size].tolist()], width, height, place))
            box = (*corners.min(axis=0), *corners.max(axis=0))
        boxes.append(checked_box(box, width, height, place))
    if outlines and len(outlines) < len(boxes):
        raise DataError(f"{labels}: some lines are boxes and others polygons; write all of an image alike")
    segments: list[Segment] | None = [*outlines] if outlines or not boxes else None
    return annotation(file, (height, width), boxes, found, segments=segments)


_NUMBERED = re.compile(r"(?m)(^\s*|[{,]\s*)(\d+)(\s*:\s)")
"""Keys that are numbers, which plain values have none of."""


def _as_number(key: str) -> tuple[int, str]:
    number = whole_number(key)
    return (len(key), key) if number is None else (number, "")


def _share(text: str, place: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise DataError(f"{place}: must be a share of the image's side from 0 to 1, got '{shown(text)}'; divide by it")
    return value
