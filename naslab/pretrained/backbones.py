"""Backbones of torchvision's detectors: a network's maps under a feature pyramid (arXiv 1612.03144)."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.ops import FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

from naslab.pretrained.features import FeatureMaps


class Backbone(BackboneWithFPN):  # type: ignore[misc]  # torchvision has no types
    """`body`, maps of a network, and `fpn`, which brings each to `out_channels`; torchvision's detectors take it.

    Images have the shape (batch, channels, height, width). Maps come by name, `0` the finest, and `pool`, a coarser one
    behind the last, each of shape (batch, `out_channels`, height, width) at its stride.
    """

    def __init__(self, body: FeatureMaps, out_channels: int = 256) -> None:
        nn.Module.__init__(self)
        self.body = body
        self.fpn = FeaturePyramidNetwork(body.channels, out_channels, extra_blocks=LastLevelMaxPool())
        self.out_channels = out_channels

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        maps = self.body(x)
        made: dict[str, Tensor] = self.fpn(OrderedDict((str(index), each) for index, each in enumerate(maps)))
        return made


def freeze_norms(module: nn.Module) -> None:
    """Put torchvision's frozen batch norms in place of a module's: batches of a few images would spoil statistics."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            frozen = FrozenBatchNorm2d(child.num_features, child.eps)
            frozen.load_state_dict(child.state_dict())
            setattr(module, name, frozen)
        else:
            freeze_norms(child)
