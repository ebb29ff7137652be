"""Detectors and segmenters by the name of their kind."""

from __future__ import annotations

from torch import nn

from naslab.dense_prediction.detectors import Sizes, make_detector
from naslab.dense_prediction.segmenters import make_segmenter
from naslab.dense_prediction.tasks import SEGMENTERS
from naslab.pretrained.features import FeatureMaps


def make(body: FeatureMaps, kind: str, num_classes: int, sizes: Sizes) -> nn.Module:
    """What `make_detector` or `make_segmenter` makes of the maps `body`, whichever knows the `kind`.

    `num_classes` and `sizes` are passed on.
    """
    if kind in SEGMENTERS:
        return make_segmenter(body, kind, num_classes, sizes)
    return make_detector(body, kind, num_classes, sizes)
