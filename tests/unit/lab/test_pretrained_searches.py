"""Searches whose candidates begin with pretrained weights: what they take, what is kept of it, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from in_process import workers_in_process
from typer.testing import CliRunner

import naslab
from naslab.analysis.facts import facts
from naslab.analysis.study import StudyView
from naslab.arch import ArchSpec, ConvBlock, Stage, encode, save_arch
from naslab.arch.build import build
from naslab.cli.main import app
from naslab.errors import DataError, NaslabError, StudyError
from naslab.execution.events import StudyOpened
from naslab.lab.families import train_family
from naslab.lab.reading import open_study
from naslab.ledger.record import StudyRecord
from naslab.pretrained.sources import read_source
from naslab.space import SearchSpace
from naslab.study.recipe import named_recipe

ARCH = ArchSpec(
    input=(3, 8, 8),
    stem=(Stage(block=ConvBlock(), width=8, stride=2),),
    stages=(Stage(block=ConvBlock(), width=12),),
    num_classes=5,
)
HOLES = {"stages[0].width": {"choice": [8, 12, 16]}, "stages[0].repeats": {"choice": [1, 2]}}
SPACE = SearchSpace({"base": encode(ARCH), "holes": HOLES}, "around")


def write_weights(path: Path, seed: int = 7, arch: ArchSpec = ARCH) -> Path:
    torch.save(build(arch, seed).state_dict(), path)
    return path


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    return write_weights(tmp_path / "theirs.pth")


def searched(weights: Path, trials: int = 3, said: list[str] | None = None, **asked: Any) -> StudyView:
    def listen(event: object) -> None:
        if isinstance(event, StudyOpened) and said is not None:
            said.append(event.adapted)

    asked = {"space": SPACE, "dataset": "digits", "max_images": 100, "epochs": 1, "strategy": "local"} | asked
    with workers_in_process():
        return naslab.search(
            **asked, pretrained=weights, trials=trials, ledger=weights.parent / "l.db", study="s", on_event=listen
        )


def test_candidates_begin_with_the_weights_and_children_with_those_of_their_parents(weights: Path) -> None:
    said: list[str] = []
    study = searched(weights, 5, said, inherit=True)
    assert all(each.is_complete for each in study.outcomes)
    first, *others = study.outcomes
    note = first.estimate.notes["pretrained"]
    assert note["from"] == str(weights)
    assert (note["tensors_of_its_own"], note["fresh"]) == (2 + 5 * note["deepened"] // 2, 0)  # the classifier's
    assert note["tensors"] >= 10
    children = [each for each in others if each.candidate.start_from]
    assert children
    assert all("inherited" in each.estimate.notes and "pretrained" not in each.estimate.notes for each in children)
    assert "stem0.0.conv.weight made for other channels" in said[0]
    assert "the input normalisation of 3 channels is made one of 1" in said[0]
    assert study.problem.recipe == named_recipe("fine-tune", "digits")
    kept = study.record.pretrained
    assert kept is not None
    again = read_source("s:0", "", weights.parent / "l.db")
    assert (again.mean, again.deviation) == (kept.mean, kept.deviation)
    assert kept.mean == pytest.approx((sum((123.675, 116.28, 103.53)) / 3,))
    assert [each.value for each in facts(study).facts if each.name == "pretrained"] == [
        f"sha256 {kept.sha256[:8]}, keeping the largest channels, of {weights}"
    ]


def test_a_study_goes_on_with_the_same_weights_alone(weights: Path, tmp_path: Path) -> None:
    first = searched(weights, 2)
    moved = weights.rename(tmp_path / "moved.pth")
    assert len(searched(moved, 3).outcomes) == 3
    write_weights(moved, seed=8)
    with pytest.raises(StudyError, match=r"another pretrained weights: pretrained is .sha256 .*, asked for .sha256 "):
        searched(moved, 4)
    write_weights(moved)
    with pytest.raises(StudyError, match=r"keeping the largest channels.*keeping the first channels"):
        searched(moved, 4, keep_channels="first")
    with pytest.raises(StudyError, match="made with another pretrained"), workers_in_process():
        naslab.search(
            SPACE,
            dataset="digits",
            max_images=100,
            epochs=1,
            strategy="local",
            recipe=first.problem.recipe,
            ledger=tmp_path / "l.db",
            study="s",
        )


def test_windows_norms_and_normalisation_are_those_of_a_trained_folder(tmp_path: Path) -> None:
    assert ARCH.norm is not None
    arch = msgspec.structs.replace(
        ARCH, padding="same", norm=msgspec.structs.replace(ARCH.norm, eps=1e-3), input=(1, 8, 8), num_classes=10
    )
    kept = tmp_path / "weights.safetensors"
    trained = naslab.train(arch, dataset="digits", max_images=100, epochs=1, save_to=kept)
    study = searched(kept, 2)
    taken = study.outcomes[0].candidate.arch
    assert (taken.padding, taken.norm) == ("same", arch.norm)
    assert study.record.pretrained is not None
    assert study.record.pretrained.mean == trained.result.mean
    assert study.outcomes[0].estimate.notes["pretrained"]["tensors_of_its_own"] % 5 == 0  # the classifier is taken, too
    with workers_in_process():
        (member,) = train_family(study, [(arch, {"family": 0})], tmp_path / "l.db").family
    note = member.estimate.notes["pretrained"]
    assert (note["tensors_of_its_own"], note["fresh"]) == (0, 0)  # as its trials, which know the classes by name


def test_a_record_of_before_says_that_there_are_none() -> None:
    old = '{"name":"a","problem":{},"strategy":"random","epochs":1,"seed":0,"trials":2}'
    assert msgspec.json.decode(old, type=StudyRecord).pretrained is None


@pytest.mark.parametrize(
    ("asked", "rule"),
    [
        ({"space": "around_resnet50"}, r"holds the weights of another network: \d+% of the tensors of both"),
        ({"space": "digits_demo"}, "fits no network of the zoo, and the space digits_demo does not say which"),
        ({"estimator": "naswot"}, "an estimator trains in its own way or not at all: leave it or pretrained out"),
        ({"least_match": 2}, "least_match must be a share from 0 to 1, got 2"),
        ({"keep_channels": "best"}, "keep_channels must be largest or first, got 'best'"),
        ({"least_match": 0.999, "space": SearchSpace({"base": encode(ARCH) | {"head": {"width": 9}}, "holes": HOLES})},
         "99.9% must be|100% must be"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_before_there_is_a_study(weights: Path, asked: Any, rule: str) -> None:
    with pytest.raises(NaslabError, match=rule):
        searched(weights, **asked)
    assert not (weights.parent / "l.db").exists()


def test_networks_that_are_others_than_the_source_are_refused(tmp_path: Path) -> None:
    kept = tmp_path / "weights.safetensors"
    arch = msgspec.structs.replace(ARCH, input=(1, 8, 8), num_classes=10)
    naslab.train(arch, dataset="digits", max_images=100, epochs=1, save_to=kept)
    with pytest.raises(DataError, match=r"the networks of digits_demo are others than .*: they would take \d+% of"):
        searched(kept, space="digits_demo")
    with pytest.raises(DataError, match="does not say which it is around: begin its file with 'zoo: NAME'"):
        naslab.search("digits_demo", pretrained="torchvision", ledger=tmp_path / "l.db")


def test_a_rescaled_family_begins_with_the_weights_of_its_model(weights: Path, tmp_path: Path) -> None:
    save_arch(msgspec.structs.replace(ARCH, input=(1, 8, 8), num_classes=10), tmp_path / "arch.yaml")
    words = ["rescale", str(tmp_path / "arch.yaml"), "--phi", "1", "--train", "--dataset", "digits", "--epochs", "1"]
    words += ["--pretrained", str(weights), "--ledger", str(tmp_path / "l.db"), "--out", str(tmp_path / "family")]
    with workers_in_process():
        result = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
    [member] = json.loads(result.stdout)["members"]
    assert member["accuracy"] is not None
    study = open_study("arch-family", tmp_path / "l.db")
    notes = [each.estimate.notes["pretrained"] for each in (*study.outcomes, *study.family)]
    assert [each["from"] for each in notes] == [str(weights)] * 2
    assert notes[1]["widened"] > 0
    write_weights(weights, seed=8)
    with pytest.raises(DataError, match="holds other weights than when the study began: bring back those"):
        train_family(study, [], tmp_path / "l.db")


def test_weights_that_a_promoted_training_took_over_are_told(tmp_path: Path) -> None:
    with workers_in_process():
        study = naslab.search(
            SPACE, dataset="digits", max_images=100, rungs="1,2", trials=3, ledger=tmp_path / "l.db", study="s"
        )
    promoted = next(each.candidate for each in study.outcomes if each.candidate.start_from)
    begun = next(each for each in study.outcomes if each.estimate.weights_sha256 == promoted.start_from)
    rule = f"trial {promoted.trial} went on from them: take s:{promoted.trial}$"
    with pytest.raises(DataError, match=rule):
        read_source(f"s:{begun.candidate.trial}", "", tmp_path / "l.db")
    assert read_source(f"s:{promoted.trial}", "", tmp_path / "l.db").tensors
