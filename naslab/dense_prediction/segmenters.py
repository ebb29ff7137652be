"""Networks that give a class a pixel, on the maps of any network: U-Net, FCN and DeepLabV3."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.segmentation.deeplabv3 import DeepLabHead
from torchvision.models.segmentation.fcn import FCNHead

from naslab.dense_prediction.detectors import Sizes
from naslab.dense_prediction.tasks import SEGMENTERS
from naslab.errors import SpecError, nearest
from naslab.pretrained.features import FeatureMaps


def make_segmenter(body: FeatureMaps, kind: str, num_classes: int, sizes: Sizes) -> Segmenter:
    """A segmenter of a `kind` on the maps `body` of a network, for `num_classes` classes; `sizes` say how large.

    Raises `SpecError` for an unknown kind.
    """
    if kind not in SEGMENTERS:
        raise SpecError("kind", f"must be one of {', '.join(SEGMENTERS)}, got '{kind}'{nearest(kind, SEGMENTERS)}")
    decoder: nn.Module
    if kind == "unet":
        decoder = UNetDecoder(body.channels, num_classes, sizes.channels)
    else:
        head = FCNHead if kind == "fcn" else DeepLabHead
        decoder = LastMap(head(body.channels[-1], num_classes))
    return Segmenter(body, decoder, sizes)


class Segmenter(nn.Module):
    """The class of each pixel: a `decoder` reads the maps of `body`, what it gives is resized to the image.

    Images have the shape (batch, channels, height, width), from 0 to 1, and are normalised by the `sizes`; logits have
    the shape (batch, classes, height, width).
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, body: FeatureMaps, decoder: nn.Module, sizes: Sizes) -> None:
        super().__init__()
        self.body = body
        self.decoder = decoder
        self.register_buffer("mean", torch.tensor(list(sizes.mean)).reshape(-1, 1, 1))
        self.register_buffer("deviation", torch.tensor(list(sizes.deviation)).reshape(-1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.decoder(self.body((x - self.mean) / self.deviation))
        return resized(logits, (int(x.shape[-2]), int(x.shape[-1])))


class LastMap(nn.Module):
    """A `head` on the last of some maps, each of shape (batch, channels, height, width), that gives one such map."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, maps: list[Tensor]) -> Tensor:
        logits: Tensor = self.head(maps[-1])
        return logits


class UNetDecoder(nn.Module):
    """The way up of a U-Net (arXiv 1505.04597): the coarser map is resized, joined with the finer, filtered twice.

    `channels` are those of the maps from the finest on; each of shape (batch, channels, height, width). Filters have
    `width` at the coarsest map and half at each next one, at least 16; the answer is the finest map with `num_classes`
    channels. It is no plan of layers: sizes are known before in a plan, here they follow the image.
    """

    def __init__(self, channels: Sequence[int], num_classes: int, width: int) -> None:
        super().__init__()
        before = channels[-1]
        steps = []
        for index, skip in enumerate(reversed(channels[:-1])):
            filters = max(16, width >> index)
            steps.append(nn.Sequential(*_filter(before + skip, filters), *_filter(filters, filters)))
            before = filters
        self.steps = nn.ModuleList(steps)
        self.classifier = nn.Conv2d(before, num_classes, 1)

    def forward(self, maps: list[Tensor]) -> Tensor:
        x = maps[-1]
        for step, skip in zip(self.steps, reversed(maps[:-1]), strict=True):
            x = step(torch.cat([resized(x, (int(skip.shape[-2]), int(skip.shape[-1]))), skip], dim=1))
        logits: Tensor = self.classifier(x)
        return logits


def resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps of shape (batch, channels, height, width) brought to a `size` (height, width) bilinearly."""
    return functional.interpolate(maps, size=size, mode="bilinear", align_corners=False)


def _filter(before: int, behind: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(before, behind, 3, padding=1, bias=False), nn.BatchNorm2d(behind), nn.ReLU()
