"""Packages by huggingface_hub's mixin, in local folders, with their model card."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
import yaml
from msgspec.structs import replace
from networks import cell_net, conv_net

from naslab.errors import DataError, NaslabError
from naslab.lab.models import find_model
from naslab.lab.predicting import from_pretrained
from naslab.package.card import model_card
from naslab.package.facts import WEIGHTS_FILE, Facts, FrontEntry, Measurement, Preprocessing, header
from naslab.package.folder import write_package
from naslab.package.prepared import packaged_module
from naslab.pretrained.sources import read_source
from naslab.training.weights import save_weights

HOW = Preprocessing(height=12, width=10, channels=3, mean=(99.5, 110.0, 120.0), deviation=(50.0, 60.0, 70.0))
FACTS = Facts(
    name="mine",
    arch=conv_net(input=(3, 8, 8)),
    class_names=(*"ABCDEFGHI", "a|b\n# c"),
    preprocessing=HOW,
    metrics={"test_accuracy": Measurement(91.25, 1.5, 359)},
    study="flowers",
    trial=7,
    front=(FrontEntry(7, {"accuracy": 91.0, "macs": 1000.0}), FrontEntry(9, {"accuracy": 80.0, "macs": 500.0})),
)


@pytest.mark.parametrize("arch", [conv_net(input=(3, 8, 8)), cell_net(input=(3, 8, 8))], ids=["plain", "cells"])
def test_a_network_comes_back_from_a_folder(tmp_path, arch, monkeypatch):
    said: list[str] = []
    mixin = pytest.importorskip("huggingface_hub.hub_mixin")
    monkeypatch.setattr(mixin.logger, "warning", said.append)
    facts = replace(FACTS, arch=arch)
    module = packaged_module(arch, HOW).eval()
    save_weights(module, tmp_path / "first" / WEIGHTS_FILE, header(facts))
    write_package(tmp_path / "first", facts, "A network.")
    made = from_pretrained(tmp_path / "first")
    made.save_pretrained(tmp_path / "second")
    again = from_pretrained(str(tmp_path / "second"))
    images = torch.randint(0, 256, (3, 3, 12, 10), dtype=torch.uint8)
    with torch.inference_mode():
        assert torch.equal(again(images), module(images))
    assert (again.facts, said) == (facts, [])
    assert find_model(str(tmp_path / "second")).arch == arch
    assert (tmp_path / "second" / "README.md").read_text(encoding="utf-8") == model_card(facts)


def test_a_folder_without_a_network_is_named(tmp_path):
    pytest.importorskip("huggingface_hub")
    with pytest.raises(DataError, match="holds no network"):
        from_pretrained(tmp_path)


def test_the_card_says_the_front_and_nothing_from_outside_ends_a_line():
    card = model_card(FACTS)
    _, head, body = card.split("---\n", 2)
    assert yaml.safe_load(head)["library_name"] == "naslab"
    assert "| test\\_accuracy | 91.25 | 1.5 | 359 |" in body
    assert "| 7 (this) | 91 | 1,000 |\n| 9 | 80 | 500 |" in body
    assert "a\\|b\\\\n\\# c" in body
    assert "Trial 7 of the study flowers" in body


@pytest.fixture
def asked(monkeypatch):
    """A machine without a network, and the addresses that were asked of it."""
    hub = pytest.importorskip("huggingface_hub")
    asked = []

    def head(address, timeout):
        asked.append(address)
        raise OSError("Name or service not known")

    monkeypatch.setattr(hub, "get_session", lambda: SimpleNamespace(head=head))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    return asked


def test_a_hub_out_of_reach_is_asked_once_and_told_in_one_line(asked, tmp_path, caplog):
    for name in ("x", "someone/x"):
        with pytest.raises(NaslabError, match="a repository: the hub cannot be reached from here") as caught:
            from_pretrained(name, cache_dir=tmp_path)
        assert "\n" not in str(caught.value)
    assert (len(asked), caplog.records, constants().HF_HUB_OFFLINE) == (2, [], False)


def test_nothing_is_pushed_to_a_hub_out_of_reach(asked):
    from naslab.package.hub import HubNetwork

    with pytest.raises(NaslabError, match=r"someone/x.* is not written: the hub cannot be reached from here$"):
        HubNetwork(FACTS).push_to_hub("someone/x")
    assert len(asked) == 1


def test_weights_of_timm_are_not_asked_for_a_minute(asked, monkeypatch):
    timm = pytest.importorskip("timm")
    offline = []

    def create_model(name, pretrained):
        offline.append(constants().HF_HUB_OFFLINE)
        raise OSError("Name or service not known\nmore")

    monkeypatch.setattr(timm, "create_model", create_model)
    with pytest.raises(DataError, match="timm's weights of resnet18 cannot be fetched: the hub cannot be reached"):
        read_source("timm:resnet18", "network", "none.db")
    assert (len(asked), offline) == (1, [True])


def constants():
    from huggingface_hub import constants

    return constants
