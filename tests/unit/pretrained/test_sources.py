"""Files of weights: what is read of them, what travels with them, and what is not opened."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from naslab.errors import DataError
from naslab.pretrained.sources import IMAGENET, LITE, read_source

TENSORS = {"conv.weight": torch.ones(4, 3, 3, 3), "conv.bias": torch.zeros(4)}


class Unsafe:
    """What a pickle can hold that runs code."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("run",)


@pytest.mark.parametrize(
    "content",
    [
        TENSORS,
        {"state_dict": TENSORS, "epoch": 3},
        {"model": {f"module.{name}": each for name, each in TENSORS.items()}},
    ],
)
def test_files_of_torch(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "weights.pth")
    found = read_source(tmp_path / "weights.pth", "network", "none.db")
    assert found.tensors.keys() == TENSORS.keys()
    assert (found.mean, found.deviation) == IMAGENET
    assert (found.padding, found.norm_eps) == (None, None)


def test_names_of_the_released_code_tell_its_windows(tmp_path: Path) -> None:
    torch.save({"_conv_stem.weight": torch.ones(4, 3, 3, 3)}, tmp_path / "lite.pth")
    found = read_source(tmp_path / "lite.pth", "network", "none.db")
    assert (found.padding, found.norm_eps, (found.mean, found.deviation)) == ("same", 1e-3, LITE)


def test_a_configuration_of_timm_beside_the_file(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "model.safetensors")
    told = {"architecture": "tf_mobilenetv3_small_100", "pretrained_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.25] * 3}}
    (tmp_path / "config.json").write_text(json.dumps(told))
    found = read_source(tmp_path / "model.safetensors", "network", "none.db")
    assert (found.padding, found.norm_eps) == ("same", 1e-3)
    assert (found.mean, found.deviation) == ((127.5,) * 3, (63.75,) * 3)


def test_what_is_no_weights_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("no weights")
    torch.save({"a": 1}, tmp_path / "numbers.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({"a": Unsafe()}, tmp_path / "unsafe.pth")
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps({"a": Unsafe()}, protocol=4))  # torch warns of the protocol
    (tmp_path / "cut.safetensors").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ")
    (tmp_path / "folder").mkdir()
    for name, rule in (
        ("text.pth", "is not opened|is no file of weights"),
        ("numbers.pth", "holds no tensors: name a file of weights"),
        ("list.pth", "holds no tensors by name: keep the state_dict of a network"),
        ("unsafe.pth", "is not opened: it holds more than tensors, and would run code; keep its state_dict alone"),
        ("plain.pkl", "is not opened: it holds more than tensors, and would run code; keep its state_dict alone"),
        ("cut.safetensors", "cannot be read as a safetensors file|holds no tensors"),
        ("folder", "holds no network: name a folder that `naslab train` wrote, or a file of weights"),
        ("missing.pth", "there is no file of weights"),
        ("study:3", "is no file of weights, and there is no ledger"),
        ("timm:no_such_network", "timm has no network no_such_network"),
        ("torchvision", "torchvision has no network network"),
    ):
        place = name if ":" in name or name == "torchvision" else tmp_path / name
        with pytest.raises(DataError, match=rule) as error:
            read_source(place, "network", tmp_path / "none.db")
        assert "\n" not in str(error.value)


def test_weights_that_cannot_be_fetched_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no route\nto the host")

    reached = SimpleNamespace(head=lambda *_, **__: None)
    monkeypatch.setattr("huggingface_hub.get_session", lambda: reached)
    monkeypatch.setattr("timm.create_model", offline)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(DataError, match=r"^timm's weights of resnet18 cannot be fetched: no route$"):
        read_source("timm:resnet18", "network", "none.db")
    with pytest.raises(DataError, match=r"^torchvision's weights of resnet18 cannot be fetched: no route$"):
        read_source("torchvision", "resnet18", "none.db")
    with pytest.raises(DataError, match="has the weights IMAGENET1K_V1, not V7"):
        read_source("torchvision:V7", "resnet18", "none.db")


def test_torchvisions_weights_bring_their_normalisation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *_, **__: TENSORS)
    found = read_source("torchvision", "resnet18", "none.db")
    assert (found.name, found.tensors, found.padding) == (
        "torchvision's resnet18 (IMAGENET1K_V1)",
        TENSORS,
        "symmetric",
    )
    assert found.mean == pytest.approx(IMAGENET[0])
