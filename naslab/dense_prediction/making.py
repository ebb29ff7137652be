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


BODY = "body"
"""What the maps of a network are called within a detector's backbone, and within a segmenter."""


def name_in_network(name: str) -> str:
    """What a tensor of a detector or segmenter is called in the network that it stands on; empty for one of heads.

    >>> name_in_network("backbone.body.stage0.0.conv.weight"), name_in_network("rpn.head.conv.0.0.weight")
    ('stage0.0.conv.weight', '')
    """
    parts = name.split(".")
    return ".".join(parts[parts.index(BODY) + 1 :]) if BODY in parts[:2] else ""
