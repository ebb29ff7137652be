"""Detectors and segmenters on any network: made, and counted.

naslab.detector("mobilenet_v2", num_classes=3)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from naslab.arguments import flag, one_of, optional, takes, text, whole
from naslab.dense_prediction.tasks import KINDS, SEGMENTERS, levels_of_kind
from naslab.errors import SpecError, nearest
from naslab.lab.backbones import SOURCE, STRIDES, features
from naslab.lab.models import LEDGER, MODEL, RESOLUTION, SEED, AnyModel, AnyResolution, Model, find_model

if TYPE_CHECKING:
    from torch import nn

    from naslab.dense_prediction.macs import DenseCost
    from naslab.pretrained.sources import PretrainedWeights
    from naslab.pretrained.start import Pretrained

WIDTH = 256
"""Channels of heads, as in torchvision."""

MADE = {
    "network": MODEL,
    "num_classes": whole(1),
    "levels": optional(STRIDES),
    "channels": whole(4),
    "pretrained": SOURCE,
    "freeze_norm": flag(),
    "ledger": LEDGER,
    "seed": SEED,
}


@takes(kind=text("the name of a kind"), side=optional(whole(1)), num_keypoints=whole(1), **MADE)
def detector(
    network: AnyModel,
    num_classes: int,
    kind: str = "faster_rcnn",
    *,
    levels: Sequence[int] | None = None,
    side: int | None = None,
    channels: int = WIDTH,
    num_keypoints: int = 17,
    pretrained: str | Path | None = None,
    freeze_norm: bool = False,
    ledger: str | Path = "naslab.db",
    seed: int = 0,
) -> nn.Module:
    """torchvision's detector of a `kind` on the maps of a network: a module that takes a list of images from 0 to 1.

    `kind` is `faster_rcnn` (proposals of three scales and three ratios), `mask_rcnn`, `keypoint_rcnn` (of
    `num_keypoints` points) or `fast_rcnn`, which takes a list of boxes beside the images and pools from one map.
    `num_classes` are those beside the background, which torchvision counts as one more. Images are resized to a
    shortest side of `side` pixels (the network's own), heads have `channels`. `network`, `levels` (by default 4, 8, 16
    and 32, of Fast R-CNN 16), `pretrained`, `freeze_norm`, `ledger` and `seed` are those of `naslab.backbone`. Raises
    `SpecError` for an unknown kind and for strides that the network does not have.

    >>> import naslab
    >>> module = naslab.detector("mobilenet_v2", num_classes=2, channels=16, side=64)
    >>> type(module).__name__, module.roi_heads.box_predictor.cls_score.out_features
    ('FasterRCNN', 3)
    """
    if kind not in KINDS:
        raise SpecError("kind", f"must be one of {', '.join(KINDS)}, got '{kind}'{nearest(kind, KINDS)}")
    given = {"levels": levels, "side": side, "channels": channels, "pretrained": pretrained}
    return _made(network, num_classes, kind, num_keypoints, **given, freeze_norm=freeze_norm, ledger=ledger, seed=seed)


@takes(kind=text("the name of a kind"), **MADE)
def segmenter(
    network: AnyModel,
    num_classes: int,
    kind: str = "unet",
    *,
    levels: Sequence[int] | None = None,
    channels: int = WIDTH,
    pretrained: str | Path | None = None,
    freeze_norm: bool = False,
    ledger: str | Path = "naslab.db",
    seed: int = 0,
) -> nn.Module:
    """A class a pixel on the maps of a network: a module that takes images of shape (batch, channels, height, width).

    They are from 0 to 1; logits have the shape (batch, `num_classes`, height, width). `kind` is `unet` (on all
    `levels`, by default 4, 8, 16 and 32; the coarsest has `channels` filters), `fcn` or `deeplabv3`, torchvision's
    heads on the map at stride 16. Images are taken as they are. `network`, `pretrained`,
    `freeze_norm`, `ledger` and `seed` are those of `naslab.backbone`. Raises `SpecError` for an unknown kind and for
    strides that the network does not have.

    >>> import naslab, torch
    >>> module = naslab.segmenter("mobilenet_v2", num_classes=3, channels=16).eval()
    >>> module(torch.rand(1, 3, 64, 64)).shape
    torch.Size([1, 3, 64, 64])
    """
    if kind not in SEGMENTERS:
        raise SpecError("kind", f"must be one of {', '.join(SEGMENTERS)}, got '{kind}'{nearest(kind, SEGMENTERS)}")
    given = {"levels": levels, "side": None, "channels": channels, "pretrained": pretrained}
    return _made(network, num_classes, kind, 1, **given, freeze_norm=freeze_norm, ledger=ledger, seed=seed)


@takes(
    network=MODEL,
    num_classes=whole(1),
    kind=one_of(*KINDS, *SEGMENTERS),
    levels=optional(STRIDES),
    resolution=RESOLUTION,
    channels=whole(4),
    num_keypoints=whole(1),
    ledger=LEDGER,
)
def detector_cost(
    network: AnyModel,
    num_classes: int,
    kind: str = "faster_rcnn",
    *,
    levels: Sequence[int] | None = None,
    resolution: AnyResolution | None = None,
    channels: int = WIDTH,
    num_keypoints: int = 17,
    ledger: str | Path = "naslab.db",
) -> DenseCost:
    """The multiply-accumulates and weights of a whole detector or segmenter for one image, the network's part exact.

    `resolution` (height, width) is that of the image as it is computed on, by default the network's own. Heads are
    counted on torch's meta device: those of boxes for all proposals, at most 1,000, those of masks and points for 100
    objects. `network`, `num_classes`, `kind`, `levels`, `channels`, `num_keypoints` and `ledger` are those of
    `naslab.detector` and `naslab.segmenter`. Raises `SpecError` for strides that the network does not have.

    >>> import naslab
    >>> found = naslab.detector_cost("resnet50", 90, resolution=800)
    >>> found.body_macs, found.macs
    (52131840000, 134789019136)
    """
    from naslab.dense_prediction.detectors import Sizes
    from naslab.dense_prediction.macs import dense_cost

    arch = find_model(network, ledger, resolution).arch
    height, width = arch.input[1:]
    sizes = Sizes(min(height, width), (0.5,) * arch.input[0], (0.5,) * arch.input[0], channels, num_keypoints)
    return dense_cost(arch, kind, num_classes, levels or levels_of_kind(kind), sizes, height, width)


def _made(network: AnyModel, num_classes: int, kind: str, num_keypoints: int, **given: Any) -> nn.Module:
    import torch

    from naslab.dense_prediction.detectors import Sizes
    from naslab.dense_prediction.making import make

    channels, side = given.pop("channels"), given.pop("side")
    freeze_norm, seed = given.pop("freeze_norm"), given["seed"]
    found = find_model(network, given["ledger"])
    body = features(found, given.pop("levels") or levels_of_kind(kind), **given)
    if freeze_norm:
        from naslab.pretrained.backbones import freeze_norms

        freeze_norms(body)
    begun = begun_with(found, source_of(found, given["pretrained"], given["ledger"]), 0.0, seed)
    mean, deviation = statistics_of(found, begun)
    of_pixels = (tuple(each / 255 for each in mean), tuple(each / 255 for each in deviation))
    sizes = Sizes(side or min(found.arch.input[1:]), *of_pixels, channels, num_keypoints)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make(body, kind, num_classes, sizes)


def source_of(found: Model, pretrained: str | Path | None, ledger: str | Path) -> PretrainedWeights | None:
    """The weights that `pretrained` names for the network `found`, or its own; `None` for fresh ones.

    `ledger` is where studies are looked for.
    """
    from naslab.pretrained.sources import read_source

    named = pretrained if pretrained is not None else found.weights
    return None if named is None else read_source(named, found.name, ledger)


def begun_with(found: Model, source: PretrainedWeights | None, least_match: float, seed: int) -> Pretrained | None:
    """The network `found` with the weights of a `source`; `None` for fresh ones, drawn from `seed`.

    Raises `DataError` where less than the share `least_match` of the weights fits.
    """
    from naslab.pretrained.start import pretrained as begin_with

    if source is None:
        return None
    return begin_with(found.arch, source, model=found.name, least_share=least_match, seed=seed)


def statistics_of(found: Model, begun: Pretrained | None) -> tuple[Sequence[float], Sequence[float]]:
    """Mean and deviation of the channels of `found`, from 0 to 255: those of the weights `begun`, or of ImageNet."""
    if begun is not None and begun.beginning.mean:
        return begun.beginning.mean, begun.beginning.deviation
    from naslab.pretrained.sources import imagenet

    return imagenet(found.arch.input[0])
