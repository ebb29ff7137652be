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
ONE_MAP = ("fast_rcnn", "fcn", "deeplabv3")
"""Kinds that read one map of a network."""
ALL_STRIDES = (4, 8, 16, 32)
MOST_STRIDE_OF_ONE = 16
"""Of that one map, for small things are lost on a coarser one."""
KINDS = ("faster_rcnn", "fast_rcnn", "mask_rcnn", "keypoint_rcnn")
"""Detectors."""
SEGMENTERS = ("unet", "fcn", "deeplabv3")
"""Networks that give a class a pixel."""


def levels_of_kind(kind: str) -> tuple[int, ...]:
    """The strides of the maps that a `kind` of detector or segmenter stands on unless told otherwise.

    >>> levels_of_kind("unet"), levels_of_kind("fcn")
    ((4, 8, 16, 32), (16,))
    """
    return (MOST_STRIDE_OF_ONE,) if kind in ONE_MAP else ALL_STRIDES
