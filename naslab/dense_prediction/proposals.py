"""Proposals of a detector in one order everywhere: in torch, and as ONNX Runtime gives them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection.rpn import RegionProposalNetwork


class OrderedProposals(RegionProposalNetwork):  # type: ignore[misc]  # torchvision has no types
    """torchvision's proposals, of which equally probable ones come in the order of their places.

    torch's `topk` gives them in any order, and which of those that overlap are left follows from it. Where units of the
    head are dead, many are equal. ONNX's TopK keeps this order, so that a file finds what the detector finds. Training
    is torchvision's.
    """

    def _get_top_n_idx(self, objectness: Tensor, num_anchors_per_level: list[int]) -> Tensor:
        if self.training or torch.onnx.is_in_onnx_export():
            return super()._get_top_n_idx(objectness, num_anchors_per_level)  # type: ignore[no-any-return]
        places, before = [], 0
        for level in objectness.split(num_anchors_per_level, dim=1):  # type: ignore[no-untyped-call]
            order = level.sort(dim=1, descending=True, stable=True).indices
            places.append(order[:, : self.pre_nms_top_n()] + before)
            before += level.shape[1]
        return torch.cat(places, dim=1)


def with_ordered_proposals(detector: nn.Module) -> nn.Module:
    """The `detector` of torchvision, which makes its own proposals, with these in order."""
    network: Any = detector.rpn
    network.__class__ = OrderedProposals
    return detector
