"""How well a detector or segmenter does on images: average precisions, or the mean intersection over union."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from naslab.dense_prediction.annotations import Annotation
from naslab.dense_prediction.average_precision import (
    Image,
    average_precisions,
    box_overlaps,
    class_precisions,
    keypoint_similarities,
    mask_overlaps,
)
from naslab.dense_prediction.detectors import as_floats
from naslab.dense_prediction.images import read_image, read_mask
from naslab.dense_prediction.mean_iou import PixelCounts
from naslab.dense_prediction.segmenters import resized
from naslab.dense_prediction.segments import mask_of
from naslab.dense_prediction.tasks import DENSE_TASKS, DenseTask


class DenseEvaluation(NamedTuple):
    """The `metrics` by name, from 0 to 1, and the main one of each class, in their order; `None` where it is not there.

    `class_values` are average precisions of boxes, or intersections over unions.
    """

    metrics: dict[str, float]
    class_values: list[float | None]


class Objects(NamedTuple):
    """What was found in an image, the most certain first.

    `boxes` are left, top, right and bottom in pixels, of shape (objects, 4), `labels` from 0 and `scores` of shape
    (objects,); `masks`, bool of shape (objects, height, width), and `keypoints` of shape (objects, points, 3) where the
    network finds them.
    """

    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]
    masks: NDArray[np.bool_] | None = None
    keypoints: NDArray[np.float64] | None = None

    def chosen(self, kept: NDArray[np.bool_]) -> Objects:
        """Only the objects that are `kept`, of shape (objects,)."""
        masks = None if self.masks is None else self.masks[kept]
        points = None if self.keypoints is None else self.keypoints[kept]
        return Objects(self.boxes[kept], self.labels[kept], self.scores[kept], masks, points)


@torch.inference_mode()
def find_objects(detector: nn.Module, pixels: Tensor, device: str) -> Objects:
    """What a `detector` finds in an image, uint8 of shape (channels, height, width), computed on a `device`."""
    (found,) = detector.eval()([as_floats(pixels.to(device))])
    masks, points = found.get("masks"), found.get("keypoints")
    return Objects(
        found["boxes"].double().cpu().numpy(),
        found["labels"].cpu().numpy() - 1,
        found["scores"].double().cpu().numpy(),
        None if masks is None else (masks[:, 0] > 0.5).cpu().numpy(),
        None if points is None else points.double().cpu().numpy(),
    )


@torch.inference_mode()
def classify_pixels(segmenter: nn.Module, pixels: Tensor, side: tuple[int, int], device: str) -> NDArray[np.int64]:
    """The class of each of an image's `pixels`, uint8 of shape (channels, height, width): of shape (height, width).

    The `segmenter` sees it resized to `side` (height, width), on a `device`.
    """
    size = (int(pixels.shape[1]), int(pixels.shape[2]))
    logits = segmenter.eval()(resized(as_floats(pixels.to(device))[None], side))
    classes: NDArray[np.int64] = resized(logits, size)[0].argmax(dim=0).cpu().numpy()
    return classes


def evaluate(
    module: nn.Module,
    images: Sequence[Annotation],
    task: DenseTask,
    num_classes: int,
    channels: int,
    side: tuple[int, int],
    device: str,
) -> DenseEvaluation:
    """How well `module` does a `task` on annotated `images` of `num_classes` classes, on a `device`.

    It takes images of `channels` channels; a segmenter sees them resized to `side` (height, width). Raises `DataError`
    for an image or a mask that cannot be read.
    """
    if not DENSE_TASKS[task].finds_objects:
        counts = PixelCounts(num_classes)
        for each in images:
            assert each.mask is not None
            true = read_mask(each.mask, (each.height, each.width), num_classes).numpy()
            counts.add(classify_pixels(module, as_channels(read_image(each.path), channels), side, device), true)
        return DenseEvaluation(counts.metrics(), counts.class_ious)
    kinds: dict[str, list[Image]] = {"box_": []}
    for each in images:
        found = find_objects(module, as_channels(read_image(each.path), channels), device)
        kinds["box_"].append(compared(found, each, "box_"))
        if task == "instance_segmentation":
            kinds.setdefault("mask_", []).append(compared(found, each, "mask_"))
        if task == "keypoints":
            kinds.setdefault("keypoint_", []).append(compared(found, each, "keypoint_"))
    metrics: dict[str, float] = {}
    for prefix, listed in kinds.items():
        metrics |= average_precisions(listed, num_classes, prefix)
    return DenseEvaluation(metrics, class_precisions(kinds["box_"], num_classes))


def compared(found: Objects, true: Annotation, by: str) -> Image:
    """What was `found` in an image beside what is there, compared `by` `box_`, `mask_` or `keypoint_`."""
    areas = (found.boxes[:, 2:] - found.boxes[:, :2]).prod(axis=1)
    ignored = many = ~true.is_to_find  # these may be found any number of times
    if by == "mask_":
        assert found.masks is not None
        masks = true_masks(true)
        similar = mask_overlaps(found.masks, masks, true.is_crowd)
        areas = found.masks.sum(axis=(1, 2)).astype(np.float64)
    elif by == "keypoint_":
        assert found.keypoints is not None
        assert true.keypoints is not None
        similar = keypoint_similarities(found.keypoints, true.keypoints, true.boxes, true.areas)
        ignored = ignored | ~(true.keypoints[:, :, 2] > 0).any(axis=1)
    else:
        similar = box_overlaps(found.boxes, true.boxes, true.is_crowd)
    return Image(similar, found.scores, found.labels, areas, true.labels, true.areas, ignored, many)


def true_masks(true: Annotation) -> NDArray[np.bool_]:
    """The masks of the objects of an image: bool of shape (objects, height, width)."""
    masks = [mask_of(each, true.height, true.width) for each in true.segments or ()]
    return np.stack(masks) if masks else np.zeros((0, true.height, true.width), bool)


def as_channels(pixels: Tensor, channels: int) -> Tensor:
    """A coloured image of shape (3, height, width) as one of `channels`, 3 or 1: of shape (channels, height, width)."""
    return pixels if channels == 3 else pixels.to(torch.float32).mean(dim=0, keepdim=True).round().to(torch.uint8)


def told(values: DenseEvaluation, classes: Sequence[str]) -> dict[str, Any]:
    """An evaluation as plain values, those of classes by their names, `classes`."""
    return {"metrics": values.metrics, "classes": dict(zip(classes, values.class_values, strict=True))}
