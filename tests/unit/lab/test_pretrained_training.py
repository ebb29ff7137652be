"""Training that begins with pretrained weights: what is said, what travels, and what is refused before it starts."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

import naslab
from naslab.arch import ArchSpec, ConvBlock, Head, Stage, save_arch
from naslab.arch.build import build
from naslab.cli.main import app
from naslab.errors import NaslabError, SpecError
from naslab.lab.training import Trained

ARCH = ArchSpec(
    input=(3, 8, 8),
    stem=(Stage(block=ConvBlock(), width=4, stride=2),),
    stages=(Stage(block=ConvBlock(), width=6),),
    head=Head(width=8),
    num_classes=5,
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a network that tells five classes of coloured images apart, without facts of it."""
    path = tmp_path_factory.mktemp("weights") / "theirs.pth"
    torch.save({f"net.{name}": value for name, value in build(ARCH, seed=7).state_dict().items()}, path)
    return path


def data(channels: int = 3) -> naslab.Data:
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(40, 8, 8, channels), dtype=np.uint8)
    return naslab.Data(train=(images, np.arange(40) % 2), test=(images[:10], np.arange(10) % 2))


def trained(weights: Path, said: list[str], save_to: Path | None = None, channels: int = 3, **how: object) -> Trained:
    return naslab.train(
        ARCH, dataset=data(channels), epochs=1, pretrained=weights, save_to=save_to, note=said.append, **how
    )


def test_a_head_on_weights_of_others(weights: Path, tmp_path: Path) -> None:
    said: list[str] = []
    found = trained(weights, said, tmp_path / "w.safetensors", tune="head")
    assert said == [
        f"weights of {weights}: 15 tensors taken; 2 begin anew (head.classifier.weight, head.classifier.bias); "
        "100% of both networks"
    ]
    assert (found.recipe.tune, found.recipe.optimizer) == ("head", "adamw")
    assert found.result.notes["pretrained"]["taken"] == 15
    assert found.facts.preprocessing.mean == found.result.mean == pytest.approx((123.675, 116.28, 103.53))
    theirs, own = torch.load(weights, weights_only=True), load_file(tmp_path / "w.safetensors")
    kept = [name for name in own if not name.startswith("head.classifier")]
    assert all(torch.equal(own[name], theirs[f"net.{name}"]) for name in kept)


def test_scratch_leaves_the_weights_out_and_keeps_all_else(weights: Path) -> None:
    one, other = (trained(weights, [], tune=tune) for tune in ("scratch", "all"))
    assert (one.arch, one.result.mean) == (other.arch, other.result.mean)
    assert one.result.curve != other.result.curve
    own = naslab.train(one.arch, dataset=data(), epochs=1)
    assert own.result.mean != one.result.mean  # by the images' own statistics


def test_grey_images_and_a_trained_folder(weights: Path, tmp_path: Path) -> None:
    said: list[str] = []
    first = trained(weights, said, tmp_path / "weights.safetensors", channels=1)
    assert "stem0.0.conv.weight made for other channels" in said[0]
    assert said[1] == "the input normalisation of 3 channels is made one of 1"
    again: list[str] = []
    second = naslab.train(
        msgspec.structs.replace(first.arch, num_classes=2),
        dataset=data(1),
        epochs=1,
        pretrained=tmp_path / "weights.safetensors",
        note=again.append,
    )
    assert again[0].endswith("17 tensors taken; 100% of both networks")
    assert second.result.mean == first.result.mean


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"tune": "head"}, "tune: needs weights to begin with: give pretrained beside head"),
        ({"pretrained": "a", "start_from": "b"}, "pretrained: stands in place of start_from: leave one of them out"),
    ],
)
def test_what_does_not_go_together(how: dict[str, str], message: str) -> None:
    with pytest.raises(SpecError) as error:
        naslab.train(ARCH, dataset=data(), epochs=1, **how)
    assert str(error.value) == message


@pytest.mark.parametrize("tune", ["last:2", "lots"])
def test_tuning_that_is_not_there(weights: Path, tune: str) -> None:
    with pytest.raises(NaslabError, match=r"^tune: (the network has 1 stage, got last:2|must be head, last:K)"):
        trained(weights, [], tune=tune)


def test_the_command_refuses_strangers_in_one_line(weights: Path, tmp_path: Path) -> None:
    save_arch(
        msgspec.structs.replace(ARCH, stages=(Stage(block=ConvBlock(), width=5, repeats=9),)), tmp_path / "a.yaml"
    )
    words = ["train", str(tmp_path / "a.yaml"), "--pretrained", str(weights), "--dataset", "digits"]
    result = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, NaslabError)
    assert "holds the weights of another network: " in str(result.exception)
    assert not (tmp_path / "out").exists()
