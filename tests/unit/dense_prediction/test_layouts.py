"""COCO, Pascal VOC, YOLO and masks say the same of the same images, and whatever disagrees is one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotated_images import CLASSES, SIDE, SQUARE, square_mask, write_coco, write_masks, write_voc, write_yolo
from PIL import Image

from naslab.dense_prediction.annotations import checked_box
from naslab.dense_prediction.choosing import LAYOUTS, open_annotated
from naslab.dense_prediction.segments import RunLengths, counts_of, mask_of, run_lengths
from naslab.errors import NaslabError

WRITERS = {"coco": write_coco, "voc": write_voc, "yolo": write_yolo, "masks": write_masks}
TASK = {"coco": "instance_segmentation", "voc": "detection", "yolo": "detection", "masks": "segmentation"}


@pytest.mark.parametrize("layout", WRITERS)
def test_every_layout_tells_the_square(layout: str, tmp_path: Path) -> None:
    assert set(WRITERS) == set(LAYOUTS)
    data = open_annotated(f"{layout}:{WRITERS[layout](tmp_path / 'set')}", TASK[layout])
    assert sorted(data.classes) == sorted(CLASSES)
    train, tested, _ = data.split()
    assert len(train) >= 3
    assert tested
    first = train[0]
    assert (first.height, first.width) == (SIDE, SIDE)
    if layout == "masks":
        assert first.mask is not None
        return
    assert first.boxes.tolist() == [list(SQUARE)]
    assert [data.classes[label] for label in first.labels] == ["dark"]
    if layout == "coco":
        assert all((mask_of(each.segments[0], SIDE, SIDE) == square_mask()).all() for each in train[:2])
    if layout in ("coco", "yolo"):
        assert train[-1].boxes.shape == (0, 4)  # an image without objects
    if layout == "voc":
        assert [each.is_ignored.tolist() for each in train[:2]] == [[False], [True]]  # the difficult one
        assert not any(each.is_crowd.any() for each in train)


def test_points_and_a_set_of_one_part(tmp_path: Path) -> None:
    root = write_coco(tmp_path / "set")
    (root / "annotations" / "instances_val2020.json").unlink()
    data = open_annotated(f"coco:{root}", "keypoints")
    assert data.keypoints == ("corner", "end")
    train, tested, part = data.split()
    assert (len(train), len(tested), part) == (3, 1, "a fifth of train")
    assert data.split() is not None
    assert {each.path for each in train}.isdisjoint(each.path for each in tested)
    assert train[0].keypoints.shape[1:] == (2, 3)


def changed(change: Any) -> Any:
    """What breaks the training annotations of COCO by a change of their content."""

    def apply(root: Path) -> None:
        file = root / "annotations" / "instances_train2020.json"
        content = json.loads(file.read_text(encoding="utf-8"))
        change(content)
        file.write_text(json.dumps(content), encoding="utf-8")

    return apply


def of_object(**values: Any) -> Any:
    return changed(lambda content: content["annotations"][1].update(values))


def of_image(**values: Any) -> Any:
    return changed(lambda content: content["images"][1].update(values))


def linked(root: Path) -> None:
    file = root / "train2020" / "1.png"
    file.rename(root / "elsewhere.png")
    file.symlink_to(root / "elsewhere.png")


def linked_annotations(root: Path) -> None:
    file = root / "annotations" / "instances_train2020.json"
    file.rename(root / "elsewhere.json")
    file.symlink_to(root / "elsewhere.json")


BROKEN: dict[str, tuple[Any, str]] = {
    "no area": (of_object(bbox=[8, 10, 0, 14]), r"annotations\[1\]: the box .* has no area"),
    "outside": (of_object(bbox=[8, 10, 60, 14]), r"annotations\[1\]: the box .* reaches 36 pixels out of the image"),
    "not finite": (of_object(bbox=[8, 10, 1e400, 14]), r"not finite|must be|Expected"),
    "three numbers": (of_object(bbox=[8, 10, 14]), "got 3 numbers"),
    "image id": (of_object(image_id=99), "no image with the id 99"),
    "category": (of_object(category_id=5), r"the category 5 is not listed \(ids: 3, 7\)"),
    "other mask": (of_object(segmentation={"size": [16, 16], "counts": [256]}), "the mask has 16 x 16 pixels"),
    "short counts": (of_object(segmentation={"size": [SIDE, SIDE], "counts": [5, 5]}), "sum to 10"),
    "no counts": (of_object(segmentation={"size": [SIDE, SIDE], "counts": "~~"}), "no run lengths"),
    "counts of nothing": (of_object(segmentation={"size": [SIDE, SIDE], "counts": [None]}), "no run lengths"),
    "counts of no bound": (of_object(segmentation={"size": [SIDE, SIDE], "counts": [1e400]}), "no run lengths|finite"),
    "counts of a flag": (of_object(segmentation={"size": [SIDE, SIDE], "counts": [1023, True]}), "no run lengths"),
    "counts of text": (of_object(segmentation={"size": [SIDE, SIDE], "counts": [1023, "1"]}), "no run lengths"),
    "counts of a part": (of_object(segmentation={"size": [SIDE, SIDE], "counts": [1023.5, 0.5]}), "no run lengths"),
    "size of flags": (of_object(segmentation={"size": [None, "x"], "counts": [1024]}), "the mask has"),
    "area below 0": (of_object(area=-1.0), "area is a number of pixels from 0, got -1"),
    "area that is none": (of_object(area=float("nan")), "area is a number|area"),
    "two corners": (of_object(segmentation=[[1, 1, 2, 2]]), "three corners"),
    "polygon outside": (of_object(segmentation=[[1, 1, 90, 2, 3, 3]]), "leaves the image"),
    "one outline": (of_object(segmentation=None), "no outlines"),
    "points": (of_object(keypoints=[1, 2, 2]), "has 2 keypoints"),
    "same id": (of_image(id=0), "the id 0 of another image"),
    "other size": (of_image(width=40, height=40), "has 32 x 32 pixels and its annotations say 40 x 40|mask has"),
    "away": (of_image(file_name="../../secret.png"), "leads out of the data set"),
    "missing": (of_image(file_name="77.png"), "77.png is not there"),
    "no categories": (changed(lambda content: content["categories"].clear()), "lists no categories"),
    "twice": (changed(lambda content: content["categories"].append({"id": 7, "name": "x"})), "the same id or name"),
    "a list": (changed(lambda content: content.update(images=3)), "holds no COCO annotations"),
    "same file": (of_image(file_name="0.png"), r"images\[1\] is the file of images\[0\]"),
    "linked annotations": (linked_annotations, "it is a link"),
    "link": (linked, "it is a link"),
    "damaged": (lambda root: (root / "train2020" / "1.png").write_bytes(b"x" * 50), "cannot be read as an image"),
    "no training": (lambda root: (root / "annotations" / "instances_train2020.json").unlink(), "write annotations/"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_disagrees_in_coco_is_one_line(case: str, tmp_path: Path) -> None:
    root = write_coco(tmp_path / "set")
    spoil, words = BROKEN[case]
    spoil(root)
    with pytest.raises(NaslabError, match=words) as refused:
        open_annotated(f"coco:{root}", "instance_segmentation")
    assert len(str(refused.value).splitlines()) == 1
    assert "set" in str(refused.value) or "instances_train" in str(refused.value)


def text_of(file: str, text: str) -> Any:
    return lambda root: (root / file).write_text(text, encoding="utf-8")


def xml(encoding: str, text: str, written: str = "") -> Any:
    content = f"<?xml version='1.0' encoding='{encoding}'?>{text}".encode(written or encoding)
    return lambda root: (root / "Annotations/0.xml").write_bytes(content)


def mask_of_size(root: Path) -> None:
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(root / "masks" / "train" / "0.png")


def mask_of_class(root: Path) -> None:
    Image.fromarray(np.full((SIDE, SIDE), 9, np.uint8)).save(root / "masks" / "train" / "0.png")


def coloured_mask(root: Path) -> None:
    Image.fromarray(np.zeros((SIDE, SIDE, 3), np.uint8)).save(root / "masks" / "train" / "0.png")


def linked_labels(root: Path) -> None:
    (root / "labels" / "train" / "2.txt").symlink_to(root / "nowhere.txt")


OTHERS: list[tuple[str, Any, str]] = [
    ("voc", text_of("Annotations/0.xml", "<!DOCTYPE a [<!ENTITY b 'c'>]><a/>"), "document type or entities"),
    ("voc", xml("utf-16", "<!DOCTYPE a><a/>"), "document type or entities"),
    ("voc", xml("utf-16", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"), "document type or entities"),
    ("voc", xml("big5", "<a/>"), "0.xml is not XML"),
    ("voc", xml("utf-32", "<a/>"), "0.xml is not XML"),
    ("voc", xml("nothing", "<a/>", "ascii"), "0.xml is not XML"),
    ("voc", xml("ascii", "<a><size><width>nan</width></size></a>"), "size/width must be a number, got 'nan'"),
    ("voc", xml("ascii", "<a><size><width>inf</width></size></a>"), "size/width must be a number, got 'inf'"),
    ("voc", xml("ascii", "<a><size><width>-3</width><height>2</height></size></a>"), "size/width must be a whole"),
    ("voc", xml("ascii", "<a><size><width>3.5</width><height>2</height></size></a>"), "size/width must be a whole"),
    ("voc", text_of("Annotations/0.xml", "<a>"), "is not XML"),
    ("voc", text_of("Annotations/0.xml", "<a/>"), "size/width must be a number"),
    ("voc", text_of("classes.txt", "dark\n"), "the class 'bright' is not listed"),
    ("voc", text_of("ImageSets/Main/train.txt", "../0\n"), "leads out of the data set"),
    ("yolo", text_of("labels/train/0.txt", "5 0.5 0.5 0.1 0.1\n"), "the class '5' is not listed, there are 2"),
    ("yolo", text_of("labels/train/0.txt", "0 50 50 10 10\n"), "a share of the image's side"),
    ("yolo", text_of("labels/train/0.txt", "0 0.5 0.5 0 0.1\n"), "has no area"),
    ("yolo", text_of("labels/train/0.txt", "0 0.5 0.5 0.1\n"), "three corners"),
    ("yolo", linked_labels, "it is a link"),
    ("yolo", text_of("data.yaml", "names: 3\n"), "has no names of classes"),
    ("masks", mask_of_size, "the mask has 16 x 16 pixels, its image 32 x 32"),
    ("masks", mask_of_class, "the class 9 is not listed"),
    ("masks", coloured_mask, "has one 8-bit number"),
    ("masks", lambda root: (root / "masks" / "train" / "0.png").unlink(), "is not there"),
    ("masks", lambda root: (root / "classes.txt").unlink(), "write classes.txt"),
]


@pytest.mark.parametrize(("layout", "spoil", "words"), OTHERS)
def test_what_disagrees_elsewhere_is_one_line(layout: str, spoil: Any, words: str, tmp_path: Path) -> None:
    root = WRITERS[layout](tmp_path / "set")
    spoil(root)
    with pytest.raises(NaslabError, match=words) as refused:
        open_annotated(f"{layout}:{root}", TASK[layout])
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["masks:there", "coco", "coco:", "digits", "coco:nowhere"])
def test_another_data_set_is_refused(name: str) -> None:
    with pytest.raises(NaslabError, match=r"needs a data set coco:DIR or voc:DIR or yolo:DIR|is not there: nowhere"):
        open_annotated(name, "detection")


def test_masks_are_those_of_pycocotools() -> None:
    from pycocotools import mask as theirs

    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = rng.random((13, 17)) < rng.random()
        text = theirs.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
        found = run_lengths(text, [13, 17], (13, 17), "here")
        assert (mask_of(found, 13, 17) == mask).all()
        assert counts_of(mask) == found.counts.tolist()
    assert (mask_of(RunLengths(np.array([0, 6])), 2, 3)).all()


def test_a_box_is_cut_to_its_image() -> None:
    assert checked_box((-0.5, 0, 10.4, 10), 10, 10, "here") == (0, 0, 10, 10)
