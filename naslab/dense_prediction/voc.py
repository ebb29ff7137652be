"""Pascal VOC's layout: an XML file of boxes for each image (`Annotations`, `JPEGImages`, `ImageSets/Main`)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from naslab.dense_prediction.annotations import (
    PART_NAMES,
    TEST,
    TRAIN,
    VALIDATION,
    AnnotatedSet,
    Annotation,
    annotation,
    checked_box,
    inner_file,
    require_files,
)
from naslab.errors import DataError, shown
from naslab.reading import Bounds, read_bytes

XML = Bounds(bytes=4 * 2**20, nodes=0)
LIST = Bounds(bytes=64 * 2**20, nodes=0)
Found = list[tuple[str, ElementTree.Element]]


def read_voc(name: str, root: Path) -> AnnotatedSet:
    """The data set `name` in the folder `root`; parts are `ImageSets/Main/train.txt`, `val.txt` and `test.txt`.

    Without these all images are for training. Classes are those of `classes.txt`, one a line, or else those that
    objects have, in the order of the alphabet. Boxes count pixels from 1, both ends within; objects marked as difficult
    need not be found. Raises `DataError` and `ReadError` for what is not there or disagrees.
    """
    stems = _parts(root)
    trees = {
        part: [(stem, _tree(inner_file(root / "Annotations", f"{stem}.xml", str(root)))) for stem in each]
        for part, each in stems.items()
    }
    classes = _classes(root, [tree for found in trees.values() for _, tree in found])
    parts = {part: tuple(_annotation(root, stem, tree, classes) for stem, tree in trees[part]) for part in trees}
    return AnnotatedSet(name, classes, parts)


def lines_of(path: Path, keep: bool = False) -> list[str]:
    """The lines of a text file that are not empty, without spaces around, or with `keep` all as they are.

    Raises `ReadError`, and `DataError` for a link, and where it is not UTF-8."""
    require_files([path], path.parent)
    try:
        lines = read_bytes(path, LIST).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8; write it so") from None
    return lines if keep else [line.strip() for line in lines if line.strip()]


def _parts(root: Path) -> dict[str, list[str]]:
    lists = root / "ImageSets" / "Main"
    found = {
        part: [line.split()[0] for line in lines_of(lists / f"{name}.txt")]
        for part in (TRAIN, VALIDATION, TEST)
        for name in PART_NAMES[part]
        if (lists / f"{name}.txt").is_file()
    }
    if TRAIN not in found:
        found = {TRAIN: sorted(path.stem for path in (root / "Annotations").glob("*.xml"))}
    if not found[TRAIN]:
        raise DataError(f"{root} has no training images: write ImageSets/Main/train.txt and Annotations/*.xml")
    return {part: stems for part, stems in found.items() if stems}


def _tree(path: Path) -> ElementTree.Element:
    require_files([path], "the list of images")
    content = read_bytes(path, XML)

    def refuse(*_: Any) -> None:
        raise DataError(f"{path} declares a document type or entities, which are not read; take them out")

    declared = expat.ParserCreate()  # whatever the encoding: the parser itself says what it meets
    declared.StartDoctypeDeclHandler = declared.EntityDeclHandler = refuse
    try:
        declared.Parse(content, True)
        return ElementTree.fromstring(content)
    except (expat.ExpatError, ElementTree.ParseError, ValueError, LookupError) as error:
        raise DataError(f"{path} is not XML: {shown(str(error))}; write it as UTF-8") from None


def _classes(root: Path, trees: list[ElementTree.Element]) -> tuple[str, ...]:
    file = root / "classes.txt"
    if file.is_file():
        return tuple(lines_of(file))
    found = sorted({(each.findtext("name") or "").strip() for tree in trees for each in tree.iter("object")} - {""})
    if not found:
        raise DataError(f"{root} has no object in any image; annotate some, or list the classes in classes.txt")
    return tuple(found)


def _annotation(root: Path, stem: str, tree: ElementTree.Element, classes: tuple[str, ...]) -> Annotation:
    file = root / "Annotations" / f"{stem}.xml"
    width, height = (_side(tree, f"size/{side}", str(file)) for side in ("width", "height"))
    folder = root / "JPEGImages"
    path = inner_file(folder, tree.findtext("filename") or f"{stem}.jpg", str(file))
    boxes, labels, difficult = [], [], []
    for index, each in enumerate(tree.iter("object")):
        place = f"{file}: object {index + 1}"
        label = (each.findtext("name") or "").strip()
        if label not in classes:
            raise DataError(f"{place}: the class '{shown(label)}' is not listed in classes.txt; list it, or mend it")
        left, top, right, bottom = (_number(each, f"bndbox/{k}", place) for k in ("xmin", "ymin", "xmax", "ymax"))
        boxes.append(checked_box((left - 1, top - 1, right, bottom), width, height, place))
        labels.append(classes.index(label))
        difficult.append((each.findtext("difficult") or "0").strip() == "1")
    return annotation(path, (height, width), boxes, labels, is_ignored=difficult)


def _side(tree: ElementTree.Element, path: str, place: str) -> int:
    value = _number(tree, path, place)
    if value < 1 or value != int(value):
        raise DataError(f"{place}: {path} must be a whole number from 1, got {value:g}; write it in pixels")
    return int(value)


def _number(tree: ElementTree.Element, path: str, place: str) -> float:
    text = tree.findtext(path)
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{place}: {path} must be a number, got '{shown(text or '')}'; write it in pixels")
    return value
