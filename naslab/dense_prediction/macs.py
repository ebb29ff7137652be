"""What a whole detector or segmenter costs: the network from its description, the heads counted without memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from naslab.arch import ArchSpec
from naslab.arch.build import build
from naslab.arch.cost import layer_costs
from naslab.arch.lower import lower
from naslab.arch.plan import named_parts
from naslab.dense_prediction.detectors import DETECTIONS, POOLED, POOLED_MASK, FastRCNN, Sizes, num_proposals
from naslab.dense_prediction.making import make
from naslab.pretrained.features import FeatureMaps, chosen_levels


class DenseCost(msgspec.Struct, frozen=True):
    """The cost of a detector or segmenter for one image.

    `macs` are all multiply-accumulates, those of the network (`body_macs`) and of what stands on it (`head_macs`), that
    of boxes taken for `proposals` of them, the most there are, and of masks and points for 100 objects; `params` are
    all weights.
    """

    macs: int
    body_macs: int
    head_macs: int
    params: int
    proposals: int


def dense_cost(
    arch: ArchSpec, kind: str, num_classes: int, levels: Sequence[int], sizes: Sizes, height: int, width: int
) -> DenseCost:
    """What a network of a `kind` on the maps of `arch` at `levels` costs for an image of `height` x `width` pixels.

    `num_classes` and `sizes` are those that it is made with. Multiply-accumulates of the network are exact, from its
    description; those of heads are counted by running them on torch's meta device, where nothing is computed.
    """
    at = msgspec.structs.replace(arch, input=(arch.input[0], height, width))
    chosen = chosen_levels(arch, levels)
    body_macs = macs_until(at, chosen[-1].module)
    with torch.device("meta"):
        body = FeatureMaps(build(at), chosen)
        module = make(body, kind, num_classes, sizes).eval()
        params = sum(each.numel() for each in module.parameters())
        maps = body(torch.empty(1, at.input[0], height, width))
        found = num_proposals([*body.reduction, 2 * body.reduction[-1]], height, width)
        run = _heads(module, maps, found)
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            run()
    head_macs = counter.get_total_flops() // 2
    return DenseCost(body_macs + head_macs, body_macs, head_macs, params, 0 if hasattr(module, "decoder") else found)


def macs_until(arch: ArchSpec, last: str) -> int:
    """The multiply-accumulates of a network up to its part `last`, which is counted."""
    parts = [name for name, _ in named_parts(lower(arch))]
    counted = set(parts[: parts.index(last) + 1])
    return sum(each.macs for each in layer_costs(arch) if each.path.split(".")[0] in counted)


def _heads(module: Any, maps: list[torch.Tensor], found: int) -> Callable[[], object]:
    """What runs all that stands on the maps of a network."""
    if hasattr(module, "decoder"):
        return lambda: module.decoder(maps)
    heads = module.roi_heads
    channels = maps[-1].shape[1] if isinstance(module, FastRCNN) else module.backbone.out_channels

    def boxes(count: int, side: int) -> torch.Tensor:
        return torch.empty(count, channels, side, side, device="meta")

    def run() -> None:
        if not isinstance(module, FastRCNN):
            pyramid = module.backbone.fpn(OrderedDict((str(index), each) for index, each in enumerate(maps)))
            module.rpn.head(list(pyramid.values()))
        heads.box_predictor(heads.box_head(boxes(found, POOLED)))
        for name in ("mask", "keypoint"):
            if (head := getattr(heads, f"{name}_head", None)) is not None:
                _after(head, getattr(heads, f"{name}_predictor"), boxes(DETECTIONS, POOLED_MASK))

    return run


def _after(head: nn.Module, predictor: nn.Module, pooled: torch.Tensor) -> None:
    predictor(head(pooled))
