"""naslab's networks in timm's registry: the same outputs, features as timm describes them, weights and refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec.structs import replace
from networks import cell_net, conv_net

import naslab
from naslab.arch.build import build
from naslab.errors import NaslabError, SpecError
from naslab.package.facts import Facts, Preprocessing, header
from naslab.pretrained.features import levels_of
from naslab.training.weights import save_weights

IMAGES = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def timm() -> Any:
    """Loaded by the tests that run, and not by every process that collects them."""
    return pytest.importorskip("timm")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "w.safetensors"
    how = Preprocessing(height=8, width=8, channels=1, mean=(51.0,), deviation=(102.0,))
    facts = Facts(name="a", arch=conv_net(), preprocessing=how, class_names=tuple("abcdefghij"))
    save_weights(build(conv_net(), seed=5), path, header(facts))
    return path


def test_a_trained_network_comes_from_timm(weights: Path, timm: Any) -> None:
    assert naslab.register_with_timm(weights, "mine") == ("naslab_mine",)
    assert "naslab_mine" in timm.list_models("naslab_*")
    network = timm.create_model("naslab_mine", pretrained=True).eval()
    with torch.inference_mode():
        assert torch.equal(network(IMAGES), build(conv_net(), seed=5).eval()(IMAGES))
    config = timm.data.resolve_data_config({}, model=network)
    assert (config["input_size"], config["mean"], config["std"]) == ((1, 8, 8), (0.2,), (0.4,))
    assert network.pretrained_cfg["label_names"] == list("abcdefghij")
    assert (network.num_classes, [each["reduction"] for each in network.feature_info]) == (
        10,
        [each.reduction for each in levels_of(conv_net())],
    )


@pytest.mark.parametrize("arch", [conv_net(), cell_net()], ids=["plain", "cells"])
def test_features_are_the_maps_that_timm_describes(arch, timm: Any) -> None:
    [name] = naslab.register_with_timm(arch, "maps")
    places = range(len(levels_of(arch)))
    network = timm.create_model(name, features_only=True, out_indices=list(places), in_chans=2).eval()
    with torch.inference_mode():
        maps = network(IMAGES.expand(2, 2, 32, 32))
    assert network.feature_info.channels() == [each.shape[1] for each in maps]
    assert network.feature_info.reduction() == [32 // each.shape[2] for each in maps]
    with pytest.raises(SpecError, match="out_indices: must be some of 0 "):
        timm.create_model(name, features_only=True, out_indices=(9,))


def test_small_networks_give_all_maps_that_they_have(weights: Path, timm: Any) -> None:
    (name,) = naslab.register_with_timm(weights, "small")
    strides = [each.reduction for each in levels_of(conv_net())]
    assert max(strides) < 4
    network = timm.create_model(name, features_only=True).eval()
    assert network.feature_info.reduction() == strides
    assert [8 // each.shape[-1] for each in network(IMAGES[:, :, :8, :8])] == strides


def test_other_classes_and_no_weights(weights: Path, timm: Any) -> None:
    [name] = naslab.register_with_timm(replace(conv_net(), num_classes=4), "mine")
    assert timm.create_model(name, num_classes=3)(IMAGES).shape == (2, 3)
    assert timm.create_model(name)(IMAGES).shape == (2, 4)
    with pytest.raises(SpecError, match="pretrained: naslab_mine has none"):
        timm.create_model(name, pretrained=True)
    with pytest.raises(NaslabError, match="name: is that of one network, got 2"):
        naslab.register_with_timm(["lenet5", "resnet18"], "both")


def test_a_fine_tuning_call_keeps_what_fits(weights: Path, timm: Any) -> None:
    [name] = naslab.register_with_timm(weights, "tuned")
    source = build(conv_net(), seed=5)
    network = timm.create_model(name, pretrained=True, num_classes=3)
    own, known = network.state_dict(), source.state_dict()
    same = [key for key in own if torch.equal(own[key], known[key])]
    assert {key for key in own if own[key].shape == known[key].shape} == set(same) != set(own)
    assert network(IMAGES).shape == (2, 3)
    bare = timm.create_model(name, pretrained=True, num_classes=0)
    assert bare(IMAGES).shape == (2, bare.num_features)
    assert bare.num_classes == 0
    with pytest.raises(SpecError, match="drop_rate: is not known to"):
        timm.create_model(name, drop_rate=0.1)
