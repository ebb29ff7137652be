"""Networks brought under a budget: what is written and compared, and what is refused before anything is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import naslab
from naslab.arch import ArchSpec, ConvBlock, InvertedBottleneck, Stage, cost, save_arch
from naslab.arch.build import build
from naslab.cli.main import app
from naslab.errors import DivergedError, NaslabError
from naslab.pretrained.narrowing import cut_network, macs_of, search_cuts, uniform_network, whole_cut
from naslab.pretrained.scoring import ridge

ARCH = ArchSpec(
    input=(1, 8, 8),
    stem=(Stage(block=ConvBlock(), width=16, stride=2),),
    stages=(Stage(block=InvertedBottleneck(expansion=2), width=16, repeats=2),),
    num_classes=10,
)


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """The command on a small network with weights of its own."""
    save_arch(ARCH, tmp_path / "arch.yaml")
    torch.save(build(ARCH, 3).state_dict(), tmp_path / "w.pth")
    return [
        *("shrink", str(tmp_path / "arch.yaml"), "--dataset", "digits", "--max-images", "120", "--epochs", "1"),
        *("--trials", "4", "--out", str(tmp_path / "small"), "--json"),
    ]


def test_the_folder_is_a_model_under_the_budget(words: list[str], tmp_path: Path) -> None:
    more = ["--weights", str(tmp_path / "w.pth"), "--target-macs", "0.6x"]
    result = CliRunner().invoke(app, [*words, *more], catch_exceptions=False)
    told = json.loads(result.stdout)
    shrunk, uniform, scratch = told["networks"]
    assert [each["way"] for each in told["networks"]] == ["shrunk", "uniform", "from nothing"]
    assert all(each["macs"] <= told["target"] == 0.6 * cost(ARCH).macs for each in told["networks"])
    assert shrunk["arch_id"] == scratch["arch_id"]
    assert shrunk["probe"] >= uniform["probe"] > 10
    assert scratch["probe"] is None
    found = naslab.find_model(str(tmp_path / "small"))
    assert cost(found.arch).macs == shrunk["macs"]
    assert json.loads((tmp_path / "small" / "shrink.json").read_text())["networks"] == told["networks"]


def test_a_comparison_that_diverges_is_a_row_with_its_reason(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from naslab.lab import shrinking
    from naslab.training.fit import fit_and_test

    def some_diverge(*given: Any, **options: Any) -> Any:
        if options["save_to"] is None:
            raise DivergedError("the training loss became nan in epoch 1")
        return fit_and_test(*given, **options)

    monkeypatch.setattr(shrinking, "fit_and_test", some_diverge)
    more = ["--weights", str(tmp_path / "w.pth"), "--target-macs", "0.6x"]
    result = CliRunner().invoke(app, [*words, *more], catch_exceptions=False)
    shrunk, *others = json.loads(result.stdout)["networks"]
    assert shrunk["accuracy"] is not None
    assert [(each["accuracy"], each["failure"]) for each in others] == [
        (None, "the training loss became nan in epoch 1")
    ] * 2
    assert naslab.find_model(str(tmp_path / "small")).weights is not None
    table = CliRunner().invoke(app, [*words[:-1], *more, "--out", str(tmp_path / "again")], catch_exceptions=False)
    assert table.stdout.count("the training loss became nan") >= 1


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        (["--target-macs", "lots"], "target_macs: must be a share as 0.5x, or an amount as 50M, got 'lots'"),
        (["--target-macs", "nanx"], "target_macs: must be a share as 0.5x, or an amount as 50M, got 'nanx'"),
        (["--target-macs", "-1x"], "target_macs: must be a share as 0.5x, or an amount as 50M, got '-1x'"),
        (["--target-macs", "1G"], "macs, which 1,000,000,000 allow: ask for fewer"),
        (["--target-macs", "9"], "no uniform width from 0.25 to 1 brings the network to 9 macs: ask for at least"),
        (["--target-macs", "0.5x", "--weights", "nowhere.pth"], "there is no file of weights nowhere.pth"),
    ],
)
def test_what_cannot_be_met_is_refused(words: list[str], tmp_path: Path, more: list[str], rule: str) -> None:
    result = CliRunner().invoke(app, [*words, *(["--weights", str(tmp_path / "w.pth")]), *more])
    assert isinstance(result.exception, NaslabError)
    assert rule in str(result.exception)
    assert not (tmp_path / "small" / "network.json").exists()


def test_weights_are_needed(words: list[str]) -> None:
    result = CliRunner().invoke(app, [*words, "--target-macs", "0.5x"])
    assert str(result.exception).startswith("say which weights ")


def test_cuts_stay_under_the_budget_and_the_best_is_found() -> None:
    assert cut_network(ARCH, whole_cut(ARCH)) == ARCH
    most = 0.5 * cost(ARCH).macs
    seen: list[float] = []

    def score(arch: ArchSpec) -> float:
        seen.append(macs_of(arch))
        return -abs(arch.stages[0].width - 12)

    best, count = search_cuts(ARCH, most, score, 6)
    assert len(seen) == count <= 6
    assert max(seen) <= most
    assert macs_of(uniform_network(ARCH, most)) == seen[0]
    assert -abs(best.stages[0].width - 12) == max(score(best), -abs(uniform_network(ARCH, most).stages[0].width - 12))


def test_ridge_tells_separable_classes_apart() -> None:
    features = torch.tensor([[0.0, 1.0], [0.1, 1.0], [1.0, 0.0], [1.0, 0.1]], dtype=torch.float64)
    answer = ridge(features, torch.tensor([0, 0, 1, 1]), 2)
    logits = torch.cat([features, torch.ones(4, 1, dtype=torch.float64)], 1) @ answer
    assert logits.argmax(1).tolist() == [0, 0, 1, 1]
