"""Maps at strides, and pyramids on them: torchvision's detectors train on a network of ours."""

from __future__ import annotations

import pytest
import torch
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.ops import FrozenBatchNorm2d

import naslab
from naslab.arch import ArchSpec, ConvBlock, Stage
from naslab.arch.build import build
from naslab.errors import SpecError
from naslab.pretrained.features import LEVELS, FeatureMaps, chosen_levels, feature_maps, levels_of
from naslab.zoo import model, model_names

LARGE = [name for name in model_names() if set(LEVELS) <= {each.reduction for each in levels_of(model(name))}]


def test_most_networks_of_the_zoo_are_backbones() -> None:
    assert len(LARGE) > 90
    assert {"resnet50", "vgg16", "convnext_tiny", "nasnet_a_mobile", "densenet121"} <= set(LARGE)


@pytest.mark.parametrize(
    "name", ["mobilenet_v2", "resnet18", "efficientnet_lite0", "nasnet_a_mobile", "regnet_y_400mf"]
)
def test_maps_have_the_channels_and_sides_that_are_said(name: str) -> None:
    arch = model(name, resolution=64)
    with torch.device("meta"):
        maps = FeatureMaps(build(arch), chosen_levels(arch, LEVELS))
        found = maps(torch.empty(2, 3, 64, 64))
    assert [tuple(each.shape) for each in found] == [
        (2, channels, 64 // side, 64 // side) for channels, side in zip(maps.channels, maps.reduction, strict=True)
    ]


@pytest.mark.parametrize(("name", "theirs"), [("mobilenet_v2", "mobilenetv2_100"), ("resnet18", "resnet18")])
def test_they_are_those_of_timm(name: str, theirs: str) -> None:
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        network = timm.create_model(theirs, features_only=True)
    info = [(each["num_chs"], each["reduction"]) for each in network.feature_info.get_dicts()]
    found = feature_maps(model(name), LEVELS).feature_info
    assert [(each["num_chs"], each["reduction"]) for each in found] == [each for each in info if each[1] >= 4]


def small() -> ArchSpec:
    stages = (Stage(block=ConvBlock(), width=6, stride=2), Stage(block=ConvBlock(), width=8, repeats=2, stride=2))
    return ArchSpec(input=(3, 16, 16), stages=stages, num_classes=3)


def test_maps_are_what_the_network_computes() -> None:
    network, maps = build(small(), 1).eval(), naslab.features(small(), levels=(2, 4), seed=1).eval()
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        first, second = maps(images)
        assert torch.equal(first, network.stage0(images))
        assert torch.equal(network.head(second), network(images))


@pytest.mark.parametrize(
    ("levels", "rule"),
    [
        ((4, 8), "network has maps at strides 2, 4, none at 8: name levels among these"),
        ((4, 2), "must be strides in ascending order, as 4, 8, 16, 32, got 4, 2"),
        ((), "must be strides in ascending order, as 4, 8, 16, 32, got none"),
    ],
)
def test_strides_that_are_not_there(levels: tuple[int, ...], rule: str) -> None:
    with pytest.raises(SpecError) as error:
        naslab.features(small(), levels=levels)
    assert str(error.value) == f"levels: {rule}"


def test_a_detector_trains_on_a_backbone() -> None:
    backbone = naslab.backbone(naslab.model("mobilenet_v2"), out_channels=16)
    assert isinstance(backbone, BackboneWithFPN)
    detector = FasterRCNN(backbone, num_classes=3, min_size=64, max_size=64, box_detections_per_img=5)
    images = [torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))]
    targets = [{"boxes": torch.tensor([[8.0, 8.0, 40.0, 40.0]]), "labels": torch.tensor([2])}]
    losses = detector.train()(images, targets)
    sum(losses.values()).backward()
    weights = [each.grad for each in backbone.body.parameters()]
    assert all(each is not None and torch.isfinite(each).all() for each in weights)
    with torch.inference_mode():
        assert set(detector.eval()(images)[0]) == {"boxes", "labels", "scores"}


def test_frozen_norms_and_trained_weights(tmp_path: object) -> None:
    backbone = naslab.backbone(small(), levels=(2, 4), out_channels=4, freeze_norm=True)
    norms = [each for each in backbone.body.modules() if isinstance(each, FrozenBatchNorm2d)]
    assert len(norms) == 3
    with torch.inference_mode():
        maps = backbone.train()(torch.zeros(1, 3, 16, 16))
    assert {name: each.shape[2] for name, each in maps.items()} == {"0": 8, "1": 4, "pool": 2}
