"""torchvision's detectors on the maps of any network: Fast, Faster, Mask and Keypoint R-CNN."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN, KeypointRCNN, MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.keypoint_rcnn import KeypointRCNNHeads, KeypointRCNNPredictor
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.transform import GeneralizedRCNNTransform, resize_boxes
from torchvision.ops import MultiScaleRoIAlign, RoIPool

from naslab.dense_prediction.proposals import with_ordered_proposals
from naslab.dense_prediction.tasks import KINDS
from naslab.errors import SpecError, nearest
from naslab.pretrained.backbones import Backbone
from naslab.pretrained.features import FeatureMaps

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the channels of ImageNet's images, from 0 to 1: what torchvision's networks were learned on."""
SCALES = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))
RATIOS = (0.5, 1.0, 2.0)
"""The sides of anchors at a stride, in 8 strides, and their heights in widths (arXiv 1506.01497)."""
ANCHOR = 8
LONGEST = 1333 / 800
"""The longest side of an image that is resized, in shortest ones, as in torchvision."""
PROPOSALS, DETECTIONS = 1000, 100
"""Boxes of an image that heads look at: proposals of where something is, and objects that have been found."""
POOLED, POOLED_MASK = 7, 14
"""The sides of the maps that are cut out of a box."""


def statistics(channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel of ImageNet's images; of another number of `channels`, their means.

    >>> statistics(3)[0], [round(each, 3) for each in statistics(1)[0]]
    ((0.485, 0.456, 0.406), [0.449])
    """
    if channels == len(MEAN):
        return MEAN, DEVIATION
    return (sum(MEAN) / len(MEAN),) * channels, (sum(DEVIATION) / len(DEVIATION),) * channels


class Sizes(NamedTuple):
    """How large what is between image and answer is.

    Images are resized to a shortest side of `side`, and normalised by `mean` and `deviation` of each channel, in values
    from 0 to 1. `channels` are those of the feature pyramid and of heads; `num_keypoints` those of an object.
    """

    side: int
    mean: Sequence[float] = MEAN
    deviation: Sequence[float] = DEVIATION
    channels: int = 256
    num_keypoints: int = 17


def make_detector(body: FeatureMaps, kind: str, num_classes: int, sizes: Sizes) -> nn.Module:
    """A detector of a `kind` on the maps `body` of a network, for `num_classes` classes beside the background.

    It is called with a list of images of shape (channels, height, width), from 0 to 1, and in training with targets, as
    torchvision's are; Fast R-CNN takes boxes of each image between them. `sizes` says how large it is. Raises
    `SpecError` for an unknown kind.
    """
    if kind not in KINDS:
        raise SpecError("kind", f"must be one of {', '.join(KINDS)}, got '{kind}'{nearest(kind, KINDS)}")
    if kind == "fast_rcnn":
        return FastRCNN(body, num_classes, sizes)
    pyramid = Backbone(body, sizes.channels)
    names = [str(index) for index in range(len(body.levels))]
    given: dict[str, Any] = {
        "backbone": pyramid,
        "min_size": sizes.side,
        "max_size": round(sizes.side * LONGEST),
        "image_mean": list(sizes.mean),
        "image_std": list(sizes.deviation),
        "rpn_anchor_generator": anchors_of([*body.reduction, 2 * body.reduction[-1]]),
        "box_roi_pool": MultiScaleRoIAlign(names, output_size=POOLED, sampling_ratio=2),
        "box_head": TwoMLPHead(sizes.channels * POOLED**2, 4 * sizes.channels),
        "box_predictor": FastRCNNPredictor(4 * sizes.channels, num_classes + 1),
    }
    if kind == "faster_rcnn":
        return with_ordered_proposals(FasterRCNN(**given))
    pool = MultiScaleRoIAlign(names, output_size=POOLED_MASK, sampling_ratio=2)
    width = sizes.channels
    if kind == "mask_rcnn":
        given |= {
            "mask_roi_pool": pool,
            "mask_head": MaskRCNNHeads(width, (width,) * 4, 1),
            "mask_predictor": MaskRCNNPredictor(width, width, num_classes + 1),
        }
        return with_ordered_proposals(MaskRCNN(**given))
    given |= {
        "keypoint_roi_pool": pool,
        "keypoint_head": KeypointRCNNHeads(width, (2 * width,) * 8),
        "keypoint_predictor": KeypointRCNNPredictor(2 * width, sizes.num_keypoints),
    }
    return with_ordered_proposals(KeypointRCNN(**given))


def anchors_of(strides: Sequence[int]) -> AnchorGenerator:
    """Anchors of three scales and three ratios at each position of maps at `strides`."""
    sides = tuple(tuple(ANCHOR * stride * scale for scale in SCALES) for stride in strides)
    return AnchorGenerator(sizes=sides, aspect_ratios=(RATIOS,) * len(strides))


class FastRCNN(nn.Module):
    """Fast R-CNN (arXiv 1504.08083): what is in boxes that come from elsewhere, pooled from the last map of `body`.

    Called with a list of images of shape (channels, height, width), from 0 to 1, a list of their `boxes`, of shape
    (count, 4), and in training `targets` with `boxes` and `labels`, from 1. Gives losses by name in training, else for
    each image `boxes`, `labels` and `scores`. `num_classes` are those beside the background, `sizes` as of the others.
    """

    def __init__(self, body: FeatureMaps, num_classes: int, sizes: Sizes) -> None:
        super().__init__()
        self.body = body
        longest = round(sizes.side * LONGEST)
        self.transform = GeneralizedRCNNTransform(sizes.side, longest, list(sizes.mean), list(sizes.deviation))
        width = 4 * sizes.channels
        self.roi_heads = RoIHeads(
            box_roi_pool=LastMapPool(POOLED, 1 / body.reduction[-1]),
            box_head=TwoMLPHead(body.channels[-1] * POOLED**2, width),
            box_predictor=FastRCNNPredictor(width, num_classes + 1),
            fg_iou_thresh=0.5,
            bg_iou_thresh=0.5,
            batch_size_per_image=512,
            positive_fraction=0.25,
            bbox_reg_weights=None,
            score_thresh=0.05,
            nms_thresh=0.5,
            detections_per_img=DETECTIONS,
        )

    def forward(
        self, images: list[Tensor], boxes: list[Tensor], targets: list[dict[str, Tensor]] | None = None
    ) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        before = [(int(each.shape[-2]), int(each.shape[-1])) for each in images]
        resized, targets = self.transform(images, targets)
        proposals = [
            resize_boxes(each.to(resized.tensors), list(old), list(new))
            for each, old, new in zip(boxes, before, resized.image_sizes, strict=True)
        ]
        maps = OrderedDict([("0", self.body(resized.tensors)[-1])])
        found, losses = self.roi_heads(maps, proposals, resized.image_sizes, targets)
        if self.training:
            return losses  # type: ignore[no-any-return]
        return self.transform.postprocess(found, resized.image_sizes, before)  # type: ignore[no-any-return]


class LastMapPool(nn.Module):
    """The largest values of a grid of `side` x `side` in each box (RoIPool), on a map of `scale` times the image.

    Called with maps by name, of which there is one, of shape (batch, channels, height, width), a list of `boxes`, each
    of shape (count, 4), and the `image_shapes`; gives the shape (boxes, channels, side, side).
    """

    def __init__(self, side: int, scale: float) -> None:
        super().__init__()
        self.pool = RoIPool((side, side), scale)

    def forward(self, maps: dict[str, Tensor], boxes: list[Tensor], image_shapes: list[tuple[int, int]]) -> Tensor:
        pooled: Tensor = self.pool(next(iter(maps.values())), boxes)
        return pooled


def num_proposals(strides: Sequence[int], height: int, width: int) -> int:
    """How many boxes are looked at, at most, in an image of `height` x `width` pixels with maps at `strides`."""
    each = len(SCALES) * len(RATIOS)
    return min(PROPOSALS, sum(min(PROPOSALS, each * -(-height // s) * -(-width // s)) for s in strides))


def as_floats(pixels: Tensor) -> Tensor:
    """Pixels from 0 to 255, uint8 of any shape, as numbers from 0 to 1 of the same shape."""
    return pixels.to(torch.float32) / 255
