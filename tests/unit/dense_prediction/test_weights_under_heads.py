"""Folders of detection trainings as sources of pretrained weights: the network under the heads, and what it learned."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from networks import conv_net

from naslab.atomic_write import json_content
from naslab.dense_prediction.facts import DETECTOR_FILE, WEIGHTS_FILE, DenseFacts
from naslab.dense_prediction.package import make_module
from naslab.errors import DataError
from naslab.pretrained.features import name_in_network
from naslab.pretrained.start import pretrained
from naslab.training.weights import save_weights

ARCH = conv_net(input=(3, 32, 32))


def folder_of(root: Path, kind: str, freeze_norm: bool) -> dict[str, torch.Tensor]:
    """The folder of a `kind` on the maps of a network, and its tensors."""
    facts = DenseFacts(
        name="net",
        arch=ARCH,
        task="segmentation" if kind == "unet" else "detection",
        kind=kind,
        levels=(2,),
        classes=("dark", "bright"),
        side=(32, 32),
        mean=(0.5, 0.25, 0.125),
        deviation=(0.25, 0.5, 0.25),
        channels=8,
        freeze_norm=freeze_norm,
    )
    module = make_module(facts, 1)
    root.mkdir()
    (root / DETECTOR_FILE).write_bytes(json_content(facts))
    save_weights(module, root / WEIGHTS_FILE)
    return module.state_dict()


@pytest.mark.parametrize(("kind", "freeze_norm"), [("faster_rcnn", True), ("unet", False)])
@pytest.mark.parametrize("named", ["", WEIGHTS_FILE])
def test_the_network_under_heads_is_a_beginning(tmp_path: Path, kind: str, freeze_norm: bool, named: str) -> None:
    learned = folder_of(tmp_path / "found", kind, freeze_norm)
    begun = pretrained(ARCH, tmp_path / "found" / named)
    body = {name_in_network(name): value for name, value in learned.items() if name_in_network(name)}
    assert begun.weights.keys() == {name for name in body if not name.endswith("num_batches_tracked")}
    assert all(torch.equal(value, body[name]) for name, value in begun.weights.items())
    assert set(begun.match.taken) == begun.weights.keys()
    assert {"head.classifier.weight", "head.classifier.bias"} <= set(begun.match.fresh)
    assert begun.beginning.mean == (127.5, 63.75, 31.875)
    assert begun.beginning.deviation == (63.75, 127.5, 63.75)


def test_damaged_facts_of_a_detector_are_one_line(tmp_path: Path) -> None:
    folder_of(tmp_path / "found", "unet", False)
    (tmp_path / "found" / DETECTOR_FILE).write_text('{"mean": []}')
    with pytest.raises(DataError, match=r"detector\.json holds no facts of a detector: "):
        pretrained(ARCH, tmp_path / "found")
