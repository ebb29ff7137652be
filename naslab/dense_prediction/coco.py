"""COCO's layout: a JSON file of images, categories and annotations for each part (arXiv 1405.0312)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from naslab.arch.files import decode
from naslab.dense_prediction.annotations import (
    PART_NAMES,
    TRAIN,
    AnnotatedSet,
    Annotation,
    Box,
    annotation,
    checked_box,
    cut_box,
    inner_file,
    require_files,
)
from naslab.dense_prediction.segments import Segment, polygons_of, run_lengths
from naslab.dense_prediction.tasks import DenseTask
from naslab.errors import DataError, SpecError, shown
from naslab.reading import Bounds, read_values

ANNOTATIONS = Bounds(bytes=2**30, nodes=200_000_000, text=2_000_000)
"""The annotations of all COCO fit."""
MOST_WITHOUT_AREA = 0.01
"""The share of boxes of no area up to which these are left out: COCO itself holds some. More are a mistake."""


class _Image(msgspec.Struct):
    id: int
    file_name: str
    width: int
    height: int


class _Category(msgspec.Struct):
    id: int
    name: str
    keypoints: list[str] = []


class _Object(msgspec.Struct):
    image_id: int
    category_id: int
    bbox: list[float]
    iscrowd: int = 0
    area: float | None = None
    segmentation: Any = None
    keypoints: list[float] | None = None


class _File(msgspec.Struct):
    images: list[_Image]
    categories: list[_Category]
    annotations: list[_Object]


class _Categories(NamedTuple):
    """The label of each category by its id, the names in the order of labels, and the names of keypoints."""

    labels: dict[int, int]
    names: tuple[str, ...]
    keypoints: tuple[str, ...]


def read_coco(name: str, root: Path, task: DenseTask) -> AnnotatedSet:
    """The data set `name` in the folder `root`: `annotations/instances_train*.json` and images in `train*`.

    For the `task` keypoints `person_keypoints_train*.json` is taken where both are there. The file of a part may also
    be `annotations/train.json`, `train.json` or `train/_annotations.coco.json`, images lie in a folder of the part's
    name, in `images/train` or in `images`. Boxes of no area are left out, which the notes say, up to one in a hundred.
    Raises `DataError` and `ReadError` for what is not there, disagrees or leads elsewhere.
    """
    files = {part: file for part in PART_NAMES if (file := _file_of(root, part, task)) is not None}
    if TRAIN not in files:
        raise DataError(
            f"{root} has no COCO annotations of training images: write annotations/instances_train.json, or train.json"
        )
    parts: dict[str, tuple[Annotation, ...]] = {}
    known: _Categories | None = None
    notes: list[str] = []
    for part, file in files.items():
        require_files([file], root)
        try:
            content = decode(read_values(file, ANNOTATIONS), _File)
        except SpecError as error:
            raise DataError(f"{file} holds no COCO annotations: {error}") from None
        found = _categories(file, content.categories)
        if known is not None and found != known:
            raise DataError(f"{file} lists other categories than {files[TRAIN]}; list the same ones in both")
        known = found
        parts[part], bare = _images(file, content, found, _folder_of(root, file, part, content.images))
        if bare:
            notes.append(f"{file}: {len(bare):,} of {len(content.annotations):,} boxes have no area and are left out")
    assert known is not None
    return AnnotatedSet(name, known.names, parts, known.keypoints, tuple(notes))


def _file_of(root: Path, part: str, task: DenseTask) -> Path | None:
    kinds = ("instances", "person_keypoints")
    for name in PART_NAMES[part]:
        kept = root / "annotations"
        for kind in reversed(kinds) if task == "keypoints" else kinds:
            if found := sorted(kept.glob(f"{kind}_{name}*.json")):
                return found[0]
        for file in (kept / f"{name}.json", root / f"{name}.json", root / name / "_annotations.coco.json"):
            if file.is_file():
                return file
    return None


def _folder_of(root: Path, file: Path, part: str, images: list[_Image]) -> Path:
    """Where the images of a file of annotations lie: the first place that has the first of them."""
    if not images:
        raise DataError(f"{file} lists no images; a part has one or more")
    names = (file.stem.rpartition("_")[2], *PART_NAMES[part])
    places = [*(root / each for each in names), *(root / "images" / each for each in names), root / "images", root]
    places = [file.parent, *places] if file.parent.name in PART_NAMES[part] else places
    first = inner_file(root, images[0].file_name, f"{file}: images[0]").relative_to(root)
    for place in places:
        if (place / first).exists():
            return place
    tried = ", ".join(dict.fromkeys(str(each.relative_to(root)) for each in places))
    raise DataError(f"{root / first} is not there, {file} names it, nor is it in {tried}; add the images")


def _categories(file: Path, listed: list[_Category]) -> _Categories:
    order = sorted(listed, key=lambda each: each.id)
    if not order:
        raise DataError(f"{file} lists no categories; an object has one")
    if len({each.id for each in order}) < len(order) or len({each.name for each in order}) < len(order):
        raise DataError(f"{file}: two categories have the same id or name; give each its own")
    points = {tuple(each.keypoints) for each in order if each.keypoints}
    if len(points) > 1:
        raise DataError(f"{file}: categories have different keypoints; one network finds the same points of all")
    names = tuple(each.name for each in order)
    return _Categories({each.id: label for label, each in enumerate(order)}, names, next(iter(points), ()))


def _images(
    file: Path, content: _File, categories: _Categories, folder: Path
) -> tuple[tuple[Annotation, ...], list[int]]:
    """The annotations of the images of a file, and which of its objects are left out since their boxes have no area."""
    images: dict[int, _Image] = {}
    objects: dict[int, list[tuple[str, _Object, Box]]] = {}
    bare: list[int] = []
    names: dict[str, int] = {}
    for index, image in enumerate(content.images):
        if (other := names.setdefault(image.file_name, index)) != index:
            raise DataError(f"{file}: images[{index}] is the file of images[{other}]; list each file once")
        if image.id in images:
            raise DataError(f"{file}: images[{index}] has the id {image.id} of another image; give each its own")
        if image.width < 1 or image.height < 1:
            raise DataError(f"{file}: images[{index}] has {image.width} x {image.height} pixels; write its size")
        images[image.id] = image
    for index, each in enumerate(content.annotations):
        place = f"{file}: annotations[{index}]"
        if each.image_id not in images:
            raise DataError(f"{place}: there is no image with the id {each.image_id}; list the image, or mend the id")
        if each.category_id not in categories.labels:
            known = ", ".join(map(str, list(categories.labels)[:20]))
            raise DataError(f"{place}: the category {each.category_id} is not listed (ids: {known}); list it")
        if (box := _box(each, images[each.image_id], place)) is None:
            bare.append(index)
        else:
            objects.setdefault(each.image_id, []).append((place, each, box))
    if len(bare) > MOST_WITHOUT_AREA * len(content.annotations):
        first = content.annotations[bare[0]]
        image = images[first.image_id]
        checked_box(_corners(first), image.width, image.height, f"{file}: annotations[{bare[0]}]")
    made = tuple(
        _annotation(inner_file(folder, image.file_name, str(file)), image, objects.get(image.id, []), categories)
        for image in images.values()
    )
    return made, bare


def _box(each: _Object, image: _Image, place: str) -> Box | None:
    """The box of an object; `None` where it has no area. Raises `DataError` for what no rounding makes."""
    if len(each.bbox) != 4:
        raise DataError(f"{place}: bbox is left, top, width and height, got {len(each.bbox)} numbers; mend it")
    made = checked_box if min(each.bbox[2:]) < 0 else cut_box
    return made(_corners(each), image.width, image.height, place)


def _corners(each: _Object) -> Box:
    left, top, width, height = each.bbox
    return Box(left, top, left + width, top + height)


def _annotation(
    path: Path, image: _Image, objects: list[tuple[str, _Object, Box]], categories: _Categories
) -> Annotation:
    boxes, outlines, points = [box for *_, box in objects], [], []
    for place, each, box in objects:
        outlines.append(_segment(each, box, image, place))
        if categories.keypoints:
            points.append(_points(each, len(categories.keypoints), place))
    told = [each for each in outlines if each is not None]
    if told and len(told) < len(outlines):
        place = objects[outlines.index(None)][0]
        raise DataError(f"{place}: has no segmentation where other objects of {path.name} have one; draw all or none")
    for place, each, _ in objects:
        if each.area is not None and not 0 <= each.area < math.inf:
            raise DataError(f"{place}: area is a number of pixels from 0, got {each.area:g}; mend it or leave it out")
    marked = np.array(points, np.float64).reshape(len(points), len(categories.keypoints), 3)
    areas = [
        each.area if each.area is not None else (box.right - box.left) * (box.bottom - box.top)
        for _, each, box in objects
    ]
    return annotation(
        path,
        (image.height, image.width),
        boxes,
        [categories.labels[each.category_id] for _, each, _ in objects],
        areas=areas,
        is_crowd=[each.iscrowd == 1 for _, each, _ in objects],
        segments=told if told or not objects else None,
        keypoints=marked if categories.keypoints else None,
    )


def _segment(each: _Object, box: Box, image: _Image, place: str) -> Segment | None:
    told = each.segmentation
    if told is None or told == []:
        return None
    if isinstance(told, list) and all(isinstance(ring, list) and all(map(_is_number, ring)) for ring in told):
        return polygons_of(told, image.width, image.height, place)
    if isinstance(told, dict) and isinstance(told.get("size"), list) and isinstance(told.get("counts"), list | str):
        return run_lengths(told["counts"], told["size"], (image.height, image.width), place)
    rule = f"segmentation must be polygons or a size with counts, got {shown(told)}; write it as COCO does"
    raise DataError(f"{place}: {rule}")


def _points(each: _Object, count: int, place: str) -> NDArray[np.float64]:
    told = each.keypoints if each.keypoints is not None else [0.0] * (3 * count)
    if len(told) != 3 * count:
        raise DataError(f"{place}: its category has {count} keypoints, 3 numbers each, got {len(told)}; mend it")
    if not np.isfinite(told).all():
        raise DataError(f"{place}: keypoints has numbers that are not finite; write pixels")
    return np.array(told, np.float64).reshape(-1, 3)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
