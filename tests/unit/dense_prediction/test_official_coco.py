"""COCO as it is published: a file for each task, and a few boxes of no area."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotated_images import coco_content, write_coco

import naslab
from naslab.dense_prediction.annotations import cut_box
from naslab.dense_prediction.choosing import open_annotated
from naslab.errors import DataError


@pytest.mark.parametrize(
    ("task", "classes"),
    [("detection", ("dark", "bright")), ("instance_segmentation", ("dark", "bright")), ("keypoints", ("person",))],
)
def test_each_task_reads_its_file(task: Any, classes: tuple[str, ...], tmp_path: Path) -> None:
    root = write_coco(tmp_path / "set")
    for part, count in (("train", 4), ("val", 2)):
        content = coco_content(count)
        content["categories"] = [{"id": 1, "name": "person", "keypoints": ["corner", "end"]}]
        for each in content["annotations"]:
            each["category_id"] = 1
        file = root / "annotations" / f"person_keypoints_{part}2020.json"
        file.write_text(json.dumps(content), encoding="utf-8")
    assert open_annotated(f"coco:{root}", task).classes == classes


def with_bare_boxes(root: Path, boxes: list[list[float]], others: int) -> str:
    """The set with training boxes of these sides added, and the first one repeated `others` times."""
    write_coco(root)
    file = root / "annotations" / "instances_train2020.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    first = content["annotations"][0]
    content["annotations"] += [{**first, "bbox": box} for box in boxes] + [first] * others
    file.write_text(json.dumps(content), encoding="utf-8")
    return f"coco:{root}"


BARE = [[8.0, 10, 14, 0.0], [20.0, 10, 1e-6, 14], [32.0, 3, 0.5, 4]]


def test_a_few_boxes_of_no_area_are_left_out(tmp_path: Path) -> None:
    data = open_annotated(with_bare_boxes(tmp_path / "set", BARE, 400), "keypoints")
    (first, *_) = data.parts["train"]
    assert len(first.boxes) == len(first.labels) == len(first.areas) == len(first.segments) == 401
    assert first.keypoints.shape == (401, 2, 3)
    (note,) = data.notes
    assert note.endswith("3 of 406 boxes have no area and are left out")


def test_a_training_says_what_is_left_out(tmp_path: Path) -> None:
    name = with_bare_boxes(tmp_path / "set", BARE, 400)

    def stop(line: str) -> None:
        raise InterruptedError(line)

    with pytest.raises(InterruptedError, match="3 of 406 boxes have no area"):
        naslab.train_detector("resnet18", task="detection", dataset=name, out=tmp_path / "out", note=stop)


@pytest.mark.parametrize("box", BARE)
def test_more_of_them_are_refused(box: list[float], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"annotations\[3\]: the box .* has no area"):
        open_annotated(with_bare_boxes(tmp_path / "set", [box], 90), "detection")


@pytest.mark.parametrize("box", [[8.0, 10, -3, 4], [50.0, 10, 0, 4], [1.0, 2, 3]])
def test_what_no_rounding_makes_is_refused_however_rare(box: list[float], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"annotations\[3\]: "):
        open_annotated(with_bare_boxes(tmp_path / "set", [box], 400), "detection")


def test_boxes_keep_their_area_in_float32_however_they_are_scaled() -> None:
    rng = np.random.default_rng(0)
    kept = 0
    for _ in range(2000):
        side = int(rng.integers(2, 8000))
        left, width, scale = (
            rng.uniform(0, side - 1),
            side * 10 ** rng.uniform(-8, -4),
            np.float32(rng.uniform(0.01, 4)),
        )
        box = cut_box((left, 0, left + width, 1), side, side, "here")
        if box is not None:
            kept += 1
            ends = np.array([box.left, box.right], np.float32)
            flipped = np.float32(side) - ends
            assert ends[0] * scale < ends[1] * scale
            assert flipped[1] * scale < flipped[0] * scale
    assert 200 < kept < 1800
