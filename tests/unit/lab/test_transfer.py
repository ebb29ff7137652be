"""Ways to tune pretrained weights, compared: what is told, what is taken, and what is refused before it trains."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from naslab.analysis.transfer import TransferCell, TransferTable
from naslab.arch import ArchSpec, ConvBlock, Stage, save_arch
from naslab.arch.build import build
from naslab.cli.main import app
from naslab.errors import NaslabError

ARCH = ArchSpec(
    input=(1, 8, 8),
    stem=(Stage(block=ConvBlock(), width=4, stride=2),),
    stages=(Stage(block=ConvBlock(), width=6),),
    num_classes=4,
)


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """The command on a small network with weights of its own."""
    save_arch(ARCH, tmp_path / "arch.yaml")
    torch.save(build(ARCH, seed=3).state_dict(), tmp_path / "weights.pth")
    return [
        *("transfer", str(tmp_path / "arch.yaml"), "--pretrained", str(tmp_path / "weights.pth")),
        *("--dataset", "digits", "--max-images", "200", "--epochs", "1", "--images", "3", "--images", "9"),
    ]


def test_the_command_compares_every_way(words: list[str], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    more = ["--ways", "head,last:1,scratch", "--seeds", "2", "--json", "--out", str(page)]
    result = CliRunner().invoke(app, [*words, *more], catch_exceptions=False)
    told = json.loads(result.stdout)
    assert [(each["images"], each["way"]) for each in told["cells"]] == [
        (count, way) for count in (3, 9) for way in ("head", "last:1", "scratch")
    ]
    assert all(len(each["accuracies"]) == 2 and 0 <= each["mean"] <= 100 for each in told["cells"])
    assert [each["images"] for each in told["take"]] == [3, 9]
    assert told["num_validation"] == {"digits": 40}
    assert "images a class" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        (["--ways", "tail"], "tune: must be head, last:K (as last:2), gradual:N (as gradual:2) or all, got 'tail'"),
        (["--ways", "last:2"], "tune: the network has 1 stage, got last:2"),
        (
            ["--images", "99", "--ways", "head"],
            "99 images a class of digits are 990, there are 160 to train on: ask for fewer, or raise",
        ),
        (["--ways", ","], "there must be at least one data set, one number of images and one way"),
    ],
)
def test_what_cannot_be_compared_is_one_line(words: list[str], more: list[str], rule: str) -> None:
    result = CliRunner().invoke(app, [*words, *more])
    assert isinstance(result.exception, NaslabError)
    assert rule in str(result.exception)


def cell(way: str, *accuracies: float) -> TransferCell:
    return TransferCell(dataset="digits", images=5, way=way, accuracies=accuracies)


@pytest.mark.parametrize(
    ("cells", "taken"),
    [
        ((cell("head", 79, 81), cell("all", 80, 82)), "head"),
        ((cell("head", 70, 72), cell("all", 80, 82)), "all"),
        ((cell("head", 80), cell("all", 81)), "all"),
    ],
)
def test_the_cheapest_within_an_error_of_the_best_is_taken(cells: tuple[TransferCell, ...], taken: str) -> None:
    table = TransferTable(model="m", source="s", epochs=1, ways=("head", "all"), num_validation={}, cells=cells)
    assert table.chosen("digits", 5).way == taken
    assert cell("head", 79, 81).sem == pytest.approx(1.0)
    assert math.isnan(cell("head", 80).sem)
