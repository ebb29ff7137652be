"""The data sets of detection and segmentation by name: `coco:DIR`, `voc:DIR`, `yolo:DIR` and `masks:DIR`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from naslab.dense_prediction.annotations import AnnotatedSet, check_images
from naslab.dense_prediction.coco import read_coco
from naslab.dense_prediction.masks import read_masks
from naslab.dense_prediction.tasks import DENSE_TASKS, DenseTask
from naslab.dense_prediction.voc import read_voc
from naslab.dense_prediction.yolo import read_yolo
from naslab.errors import DataError, shown
from naslab.study.task import MOST_OF_A_CLASS_NAME


class Layout(NamedTuple):
    """How a data set lies in a folder: what `read`s it by its name, folder and task, and the `tasks` it may be for."""

    read: Callable[[str, Path, DenseTask], AnnotatedSet]
    tasks: tuple[DenseTask, ...]


LAYOUTS = {
    "coco": Layout(read_coco, ("detection", "instance_segmentation", "keypoints")),
    "voc": Layout(lambda name, root, _: read_voc(name, root), ("detection",)),
    "yolo": Layout(lambda name, root, _: read_yolo(name, root), ("detection", "instance_segmentation")),
    "masks": Layout(lambda name, root, _: read_masks(name, root), ("segmentation",)),
}
"""The layouts by the word before the colon."""


def open_annotated(name: str, task: DenseTask) -> AnnotatedSet:
    """The data set `name`, as `coco:DIR`, read and checked whole for a `task`.

    Raises `DataError` for another layout, for annotations that the task needs and that are not there, and for whatever
    disagrees in the files.

    >>> open_annotated("voc:street", "keypoints")
    Traceback (most recent call last):
    naslab.errors.DataError: the task keypoints needs a data set coco:DIR, got 'voc:street'
    """
    word, colon, place = name.partition(":")
    fitting = [each for each, layout in LAYOUTS.items() if task in layout.tasks]
    if not colon or not place or word not in fitting:
        told = " or ".join(f"{each}:DIR" for each in fitting)
        raise DataError(f"the task {task} needs a data set {told}, got '{shown(name)}'")
    root = Path(place).expanduser()
    if not root.is_dir():
        raise DataError(f"the folder of the data set is not there: {root}")
    data = LAYOUTS[word].read(name, root, task)
    _require_told(data, task)
    check_images(data)
    return data


def _require_told(data: AnnotatedSet, task: DenseTask) -> None:
    for each in data.classes + data.keypoints:
        if len(each) > MOST_OF_A_CLASS_NAME:
            rule = f"the name of a class may have {MOST_OF_A_CLASS_NAME:,} characters, got {len(each):,}: {shown(each)}"
            raise DataError(f"{data.name}: {rule}")
    for images in data.parts.values():
        for each in images:
            if task == "instance_segmentation" and each.segments is None:
                raise DataError(f"{data.name} has no outlines of the objects in {each.path.name}, which {task} needs")
    if task == "keypoints" and not data.keypoints:
        raise DataError(f"{data.name} has no category with keypoints, which the task keypoints needs: list their names")
    if DENSE_TASKS[task].finds_objects and not any(len(each.labels) for each in data.split()[0]):
        raise DataError(f"{data.name} has no object in any training image; annotate some")
    if len(data.parts["train"]) < 2:
        raise DataError(f"{data.name} has {len(data.parts['train'])} training image; two or more are needed")
