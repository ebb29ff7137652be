"""Detectors and segmenters on a small network: they train, find, and cost what is counted."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import naslab
from naslab.arch import ArchSpec, ConvBlock, ResidualBlock, Stage
from naslab.dense_prediction.detectors import RATIOS, SCALES, anchors_of, num_proposals
from naslab.dense_prediction.macs import macs_until
from naslab.errors import SpecError
from naslab.pretrained.features import feature_maps
from naslab.zoo import model

LEVELS = (2, 4)
GIVEN = {"levels": LEVELS, "channels": 8}


def small() -> ArchSpec:
    stages = (Stage(block=ConvBlock(), width=6, stride=2), Stage(block=ResidualBlock(), width=8, stride=2))
    return ArchSpec(input=(3, 32, 32), stages=stages, num_classes=3)


def targets(with_masks: bool, with_points: bool) -> list[dict[str, torch.Tensor]]:
    box = {"boxes": torch.tensor([[4.0, 4, 20, 24]]), "labels": torch.tensor([2])}
    empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    if with_masks:
        box["masks"] = torch.zeros(1, 32, 32, dtype=torch.uint8)
        box["masks"][0, 4:24, 4:20] = 1
        empty["masks"] = torch.zeros(0, 32, 32, dtype=torch.uint8)
    if with_points:
        box["keypoints"], empty["keypoints"] = torch.tensor([[[5.0, 5, 2], [18, 20, 2]]]), torch.zeros(0, 2, 3)
    return [box, empty]


@pytest.mark.parametrize("kind", ["faster_rcnn", "mask_rcnn", "keypoint_rcnn", "fast_rcnn"])
def test_detectors_train_and_find(kind: str) -> None:
    torch.manual_seed(0)
    module = naslab.detector(small(), 2, kind, num_keypoints=2, **GIVEN)
    images = [torch.rand(3, 32, 32), torch.rand(3, 32, 32)]
    outside = ([torch.tensor([[3.0, 3, 22, 25]]), torch.tensor([[0.0, 0, 9, 9]])],) if kind == "fast_rcnn" else ()
    losses = module.train()(images, *outside, targets(kind == "mask_rcnn", kind == "keypoint_rcnn"))
    total = sum(losses.values())
    total.backward()
    assert torch.isfinite(total)
    assert len(losses) == {"faster_rcnn": 4, "mask_rcnn": 5, "keypoint_rcnn": 5, "fast_rcnn": 2}[kind]
    body = module.body if kind == "fast_rcnn" else module.backbone.body
    assert all(each.grad is not None for each in body.parameters())
    with torch.inference_mode():
        found = module.eval()(images, *outside)
    assert {"boxes", "labels", "scores"} <= found[0].keys()
    assert ("masks" in found[0], "keypoints" in found[0]) == (kind == "mask_rcnn", kind == "keypoint_rcnn")


@pytest.mark.parametrize("kind", ["unet", "fcn", "deeplabv3"])
def test_segmenters_give_a_class_a_pixel(kind: str) -> None:
    module = naslab.segmenter(small(), 4, kind, **GIVEN)
    found = module(torch.rand(2, 3, 30, 34))
    assert found.shape == (2, 4, 30, 34)
    found.sum().backward()
    assert all(each.grad is not None for each in module.body.parameters())


def test_anchors_have_three_scales_and_three_ratios() -> None:
    assert anchors_of([4, 8]).num_anchors_per_location() == [9, 9]
    assert len(SCALES) == len(RATIOS) == 3
    assert num_proposals([4, 8], 8, 8) == 9 * (4 + 1)
    assert num_proposals([4, 8], 800, 800) == 1000


def test_the_network_of_a_detector_costs_what_its_maps_do() -> None:
    for name, levels in (("resnet18", (4, 8, 16, 32)), ("mobilenet_v2", (4, 16))):
        arch = model(name, resolution=64)
        with torch.device("meta"), FlopCounterMode(display=False) as counter:
            maps = feature_maps(arch, levels)
            maps(torch.empty(1, 3, 64, 64))
        assert macs_until(arch, maps.levels[-1].module) == counter.get_total_flops() // 2


def test_costs_are_known_ones() -> None:
    """ResNet-50's detector as torchvision has it, of 9 anchors a position in place of 3."""
    from torchvision.models.detection import fasterrcnn_resnet50_fpn

    found = naslab.detector_cost("resnet50", 90, resolution=800)
    with torch.device("meta"):
        theirs = fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=91)
    anchors = 6 * 5 * (256 + 1)  # six more of five numbers each, from 256 channels and a bias
    assert found.params == sum(each.numel() for each in theirs.parameters()) + anchors
    assert found.macs == found.body_macs + found.head_macs == 134_789_019_136
    assert found.proposals == 1000


def test_segmenters_cost_what_they_compute() -> None:
    for kind in ("unet", "fcn", "deeplabv3"):
        module = naslab.segmenter(small(), 4, kind, **GIVEN).eval()
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            module(torch.rand(1, 3, 32, 32))
        found = naslab.detector_cost(small(), 4, kind, **GIVEN)
        assert (found.macs, found.proposals) == (counter.get_total_flops() // 2, 0)
        assert found.params == sum(each.numel() for each in module.parameters())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: naslab.detector(small(), 2), "has maps at strides 2, 4, none at 8, 16, 32"),
        (lambda: naslab.detector(small(), 2, "yolo"), "kind: must be one of faster_rcnn"),
        (lambda: naslab.segmenter(small(), 2, "u_net"), "kind: must be one of unet.*did you mean 'unet'"),
        (lambda: naslab.detector_cost(small(), 2, "fcn", levels=[64]), "none at 64"),
    ],
)
def test_what_does_not_fit_is_one_line(call, words) -> None:
    with pytest.raises(SpecError, match=words) as refused:
        call()
    assert len(str(refused.value).splitlines()) == 1
