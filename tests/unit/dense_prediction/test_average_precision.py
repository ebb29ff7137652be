"""Our average precisions are those of torchmetrics and pycocotools; the mean intersection over union is theirs too."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
import torch

from naslab.dense_prediction.average_precision import (
    ELEVEN_RECALLS,
    OVERLAPS,
    RECALLS,
    Image,
    average_precisions,
    box_overlaps,
    class_precisions,
    keypoint_similarities,
    mask_overlaps,
)
from naslab.dense_prediction.mean_iou import PixelCounts

CLASSES = 3
SIDE = 160


def boxes(rng, count):
    corner = rng.uniform(0, SIDE * 0.7, (count, 2))
    return np.concatenate([corner, np.minimum(corner + rng.uniform(4, SIDE * 0.6, (count, 2)), SIDE)], axis=1)


def scene(rng):
    """True objects, some of them crowds, and what was found: near ones, others, and wrong labels."""
    count = int(rng.integers(0, 7))
    true = boxes(rng, count)
    labels = rng.integers(0, CLASSES, count)
    near = true + rng.normal(0, 4, true.shape)
    near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 2)
    found = np.concatenate([near, true, boxes(rng, 4)])
    found_labels = np.concatenate([labels, rng.integers(0, CLASSES, count + 4)])
    return true, labels, rng.random(count) < 0.2, found, found_labels, rng.random(len(found)).round(2)


def filled(corners):
    """The pixels of boxes: of shape (boxes, side, side)."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    inside = [(columns >= a) & (columns < c) & (rows >= b) & (rows < d) for a, b, c, d in np.round(corners)]
    return np.array(inside, bool).reshape(-1, SIDE, SIDE)


@pytest.fixture(scope="module")
def scenes():
    rng = np.random.default_rng(5)
    return [scene(rng) for _ in range(12)]


def theirs(scenes, **options):
    from torchmetrics.detection import MeanAveragePrecision

    # Its own thresholds are float32, which recalls of exactly 0.7 fall on the wrong side of.
    exact = {"rec_thresholds": RECALLS.tolist(), "iou_thresholds": OVERLAPS.tolist()} | options
    measure = MeanAveragePrecision(class_metrics=True, **exact)
    for true, labels, crowd, found, found_labels, scores in scenes:
        one = {"labels": torch.from_numpy(labels), "iscrowd": torch.from_numpy(crowd).long()}
        other = {"labels": torch.from_numpy(found_labels), "scores": torch.from_numpy(scores)}
        one["boxes"], other["boxes"] = torch.from_numpy(true), torch.from_numpy(found)
        measure.update([other], [one])
    with contextlib.redirect_stdout(io.StringIO()):
        return measure.compute()


def of_pycocotools(true_objects, found_objects, kind):
    """COCO's own numbers: average precision, that at 0.5 and 0.75, and (not of points) of small and medium objects."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        images = [{"id": each, "width": SIDE, "height": SIDE} for each in {it["image_id"] for it in true_objects}]
        categories = [{"id": label + 1, "name": str(label)} for label in range(CLASSES)]
        known.dataset = {"images": images, "annotations": true_objects, "categories": categories}
        known.createIndex()
        measure = COCOeval(known, known.loadRes(found_objects), kind)
        measure.evaluate()
        measure.accumulate()
        measure.summarize()
    return measure.stats


def ours(scenes, is_masks=False):
    images = []
    for true, labels, crowd, found, found_labels, scores in scenes:
        if is_masks:
            one, other = filled(true), filled(found)
            similar = mask_overlaps(other, one, crowd)
            areas = [each.reshape(len(each), SIDE * SIDE).sum(axis=1).astype(float) for each in (other, one)]
        else:
            similar = box_overlaps(found, true, crowd)
            areas = [(each[:, 2:] - each[:, :2]).prod(axis=1) for each in (found, true)]
        images.append(Image(similar, scores, found_labels, areas[0], labels, areas[1], crowd, crowd))
    return images


def test_average_precisions_are_those_of_torchmetrics(scenes):
    expected = theirs(scenes)
    images = ours(scenes)
    found = average_precisions(images, CLASSES, "")
    names = {"ap": "map", "ap50": "map_50", "ap75": "map_75", "ap_small": "map_small"}
    names |= {"ap_medium": "map_medium", "ap_large": "map_large"}
    assert 0.05 < found["ap"] < 0.95
    for own, name in names.items():
        assert found.get(own, -1) == pytest.approx(float(expected[name]), abs=1e-6), own
    assert class_precisions(images, CLASSES) == pytest.approx(expected["map_per_class"].tolist(), abs=1e-6)


def test_average_precisions_of_masks_are_those_of_pycocotools(scenes):
    from pycocotools.mask import encode

    true_objects, found_objects = [], []
    for image, (true, labels, crowd, found, found_labels, scores) in enumerate(scenes, start=1):
        for label, is_crowd, mask in zip(labels, crowd, filled(true), strict=True):
            told: dict[str, Any] = {"id": len(true_objects) + 1, "image_id": image, "category_id": int(label) + 1}
            told |= {"iscrowd": int(is_crowd), "area": float(mask.sum()), "bbox": [0, 0, 1, 1]}
            true_objects.append(told | {"segmentation": encode(np.asfortranarray(mask.astype(np.uint8)))})
        for label, score, mask in zip(found_labels, scores, filled(found), strict=True):
            told = {"image_id": image, "category_id": int(label) + 1, "score": float(score)}
            found_objects.append(told | {"segmentation": encode(np.asfortranarray(mask.astype(np.uint8)))})
    kept = {each["image_id"] for each in true_objects}
    found_objects = [each for each in found_objects if each["image_id"] in kept]
    expected = of_pycocotools(true_objects, found_objects, "segm")
    images = [each for image, each in enumerate(ours(scenes, is_masks=True), start=1) if image in kept]
    found = average_precisions(images, CLASSES, "")
    for index, name in enumerate(("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")):
        assert found.get(name, -1) == pytest.approx(expected[index], abs=1e-6), name


def test_eleven_recalls_are_those_of_torchmetrics(scenes):
    expected = theirs(scenes, rec_thresholds=ELEVEN_RECALLS.tolist(), iou_thresholds=[0.5])
    found = average_precisions(ours(scenes), CLASSES, "box_")
    assert found["box_ap_voc11"] == pytest.approx(float(expected["map"]), abs=1e-6)
    assert found["box_ap_voc11"] != found["box_ap50"]


def test_keypoints_are_those_of_pycocotools():
    rng = np.random.default_rng(1)
    true_objects, found_objects, images = [], [], []
    for image in range(1, 7):
        true = boxes(rng, 3)
        areas = (true[:, 2:] - true[:, :2]).prod(axis=1)
        points = np.concatenate([rng.uniform(0, SIDE, (3, 17, 2)), rng.integers(0, 3, (3, 17, 1))], axis=2)
        points[2, :, 2] *= image % 2  # an object without a marked point
        found = points.copy()
        found[..., :2] += rng.normal(0, 2, (3, 17, 2))
        scores = rng.random(3)
        for index in range(3):
            marked = int((points[index, :, 2] > 0).sum())
            left, top, right, bottom = true[index]
            box = [left, top, right - left, bottom - top]
            told: dict[str, Any] = {
                "id": len(true_objects) + 1,
                "image_id": image,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": box,
            }
            told |= {"area": areas[index], "num_keypoints": marked, "keypoints": points[index].ravel().tolist()}
            true_objects.append(told)
            flat = found[index].ravel().tolist()
            scored = {"image_id": image, "category_id": 1, "keypoints": flat, "score": scores[index]}
            found_objects.append(scored)
        ignored = ~(points[..., 2] > 0).any(axis=1)
        lows, highs = found[..., :2].min(axis=1), found[..., :2].max(axis=1)
        similar = keypoint_similarities(found, points, true, areas)
        zeros = np.zeros(3, int)
        own = Image(similar, scores, zeros, (highs - lows).prod(axis=1), zeros, areas, ignored, np.zeros(3, bool))
        images.append(own)
    expected = of_pycocotools(true_objects, found_objects, "keypoints")
    found_values = average_precisions(images, 1, "keypoint_")
    assert 0.05 < found_values["keypoint_ap"] < 0.95
    assert found_values["keypoint_ap"] == pytest.approx(expected[0], abs=1e-6)
    assert found_values["keypoint_ap50"] == pytest.approx(expected[1], abs=1e-6)


def test_mean_iou_is_that_of_torchmetrics():
    from torchmetrics.classification import MulticlassJaccardIndex

    rng = np.random.default_rng(0)
    true, found = rng.integers(0, 4, (3, 20, 20)), rng.integers(0, 4, (3, 20, 20))
    true[0, :4] = 255
    counts = PixelCounts(4)
    for one, other in zip(found, true, strict=True):
        counts.add(one, other)
    measure = MulticlassJaccardIndex(4, ignore_index=255)
    expected = measure(torch.from_numpy(found), torch.from_numpy(true))
    assert counts.metrics()["mean_iou"] == pytest.approx(float(expected), abs=1e-6)
    assert counts.metrics()["pixel_accuracy"] == pytest.approx((found == true)[true < 4].mean())


def test_nothing_found_and_nothing_there():
    empty = box_overlaps(np.zeros((0, 4)), np.zeros((0, 4)), np.zeros(0, bool))
    none, numbers = np.zeros(0, int), np.zeros(0)
    image = Image(empty, numbers, none, numbers, none, numbers, none.astype(bool), none.astype(bool))
    assert average_precisions([image], 2, "") == {}
    assert class_precisions([image], 2) == [None, None]
    assert PixelCounts(2).metrics() == {"mean_iou": 0.0, "pixel_accuracy": 0.0}
