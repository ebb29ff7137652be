"""The tasks of dense prediction, and the networks that do them. No torch here."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

DenseTask: TypeAlias = Literal["detection", "instance_segmentation", "keypoints", "segmentation"]
"""Boxes, boxes with masks, boxes with points, or a class a pixel."""


class DenseTaskRow(NamedTuple):
    """A task: whether it `finds_objects`, the `kinds` of networks for it, the default first, and its `main` metric."""

    finds_objects: bool
    kinds: tuple[str, ...]
    main: str


DENSE_TASKS: dict[DenseTask, DenseTaskRow] = {
    "detection": DenseTaskRow(True, ("faster_rcnn",), "box_ap"),
    "instance_segmentation": DenseTaskRow(True, ("mask_rcnn",), "mask_ap"),
    "keypoints": DenseTaskRow(True, ("keypoint_rcnn",), "keypoint_ap"),
    "segmentation": DenseTaskRow(False, ("unet", "fcn", "deeplabv3"), "mean_iou"),
}
"""The tasks by name, with what `naslab train` trains for them."""
KINDS = ("faster_rcnn", "fast_rcnn", "mask_rcnn", "keypoint_rcnn")
"""Detectors."""
SEGMENTERS = ("unet", "fcn", "deeplabv3")
"""Networks that give a class a pixel."""
