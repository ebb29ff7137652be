"""Searches for detectors and segmenters: trained on each network, limited and judged by the cost of the whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from annotated_images import coco_content, write_coco, write_masks
from dense_commands import command, folder_with
from in_process import workers_in_process

import naslab
from naslab.arch.build import build
from naslab.dense_prediction.choosing import open_annotated
from naslab.errors import NaslabError, SpecError, StudyError
from naslab.ledger.ledger import Ledger
from naslab.pretrained.sources import read_source
from naslab.space import load_space as space_of
from naslab.training.checkpoint import load_checkpoint

SPACE = """
input: [3, 32, 32]
num_classes: 3
stages:
  - {block: {type: conv}, width: {choice: [4, 6, 8]}, stride: 2}
  - {block: {type: conv}, width: {choice: [4, 6, 8]}, stride: 2}
"""
HEADS = ("--levels", "2,4", "--head-channels", "8")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with workers_in_process():
        yield folder_with(tmp_path, monkeypatch, "space.yaml", SPACE)


def test_a_front_of_detectors_is_drawn_and_gone_on_with(here: Path, monkeypatch: Any, capsys: Any) -> None:
    write_coco(here / "set", train=6)
    words: tuple[str, ...] = (
        "search",
        "space.yaml",
        "--task",
        "detection",
        "--dataset",
        "coco:set",
        *HEADS,
        "--study",
        "found",
    )
    words = (*words, "--strategy", "random", "--epochs", "1", "--workers", "1", "--json")
    words = (*words, "--objectives", "ap50:max,macs", "--limit", "macs<=14.64M")
    code, out, said = command(monkeypatch, capsys, *words, "--trials", "2")
    assert code == 0, said
    first = json.loads(out)
    assert (first["complete"], first["failed"]) == (2, 0)
    code, out, said = command(monkeypatch, capsys, *words, "--trials", "3")
    assert (code, json.loads(out)["complete"]) == (0, 3), said
    study = naslab.open_study("found")
    assert [goal.metric for goal in study.problem.objectives] == ["box_ap50", "detector_macs"]
    for outcome in study.outcomes:
        whole = naslab.detector_cost(outcome.candidate.arch, 2, levels=(2, 4), channels=8)
        assert outcome.estimate.measured["detector_macs"] == whole.macs
        assert outcome.is_infeasible == (whole.macs > 14.64e6)
        assert outcome.is_infeasible or 0 <= outcome.estimate.measured["box_ap50"] <= 1
        assert len(outcome.estimate.curve) == (0 if outcome.is_infeasible else 1)
    front = naslab.pareto_front(study).front
    assert front[0].value("detector_macs") <= 14.64e6
    naslab.write_report(study, here / "report.html")
    assert "detector_macs" in (here / "report.html").read_text(encoding="utf-8")
    trained = naslab.train_detector(
        "found:best", task="detection", dataset="coco:set", epochs=1, levels=(2, 4), channels=8, device="cpu"
    )
    assert trained["cost"]["macs"] <= 14.64e6
    change = coco_content(6)
    change["annotations"][0]["bbox"][2] += 1
    (here / "set/annotations/instances_train2020.json").write_text(json.dumps(change), encoding="utf-8")
    code, _, said = command(monkeypatch, capsys, *words, "--trials", "4")
    assert (code, len(said.strip().splitlines())) == (2, 1)


def test_a_segmenter_is_searched_for_from_python(here: Path) -> None:
    write_masks(here / "set")
    asked = "segmentation:data=masks:set,levels=2-4,channels=16"
    study = naslab.search("space.yaml", estimator=asked, trials=1, epochs=1, strategy="random", workers=1)
    (outcome,) = study.outcomes
    assert [goal.metric for goal in study.problem.objectives] == ["mean_iou", "detector_macs"]
    assert 0 <= outcome.estimate.measured["mean_iou"] <= 1


AROUND = """
base:
  input: [3, 32, 32]
  num_classes: 3
  stages: [{block: {type: conv}, width: 8, stride: 2}, {block: {type: conv}, width: 12, stride: 2}]
holes:
  stages[0].width: {choice: [6, 8, 12]}
  stages[1].width: {choice: [8, 12, 16]}
"""


def test_segmenters_go_through_rungs_from_pretrained_weights_and_from_their_parents(
    here: Path, monkeypatch: Any, capsys: Any
) -> None:
    write_masks(here / "set")
    (here / "around.yaml").write_text(AROUND, encoding="utf-8")
    reference = space_of("around.yaml").starting_network
    assert reference is not None
    torch.save(build(reference[1], 7).state_dict(), "theirs.pth")
    words: tuple[str, ...] = (
        "search",
        "around.yaml",
        "--task",
        "segmentation",
        "--dataset",
        "masks:set",
        "--study",
        "s",
        "--json",
    )
    words = (*words, "--levels", "2,4", "--head-channels", "16", "--strategy", "local", "--workers", "1")
    words = (*words, "--rungs", "1,2", "--inherit", "--stop-early", "0.9", "--pretrained", "theirs.pth")
    code, out, said = command(monkeypatch, capsys, *words, "--trials", "2")
    assert (code, json.loads(out)["failed"]) == (0, 0), said
    code, out, said = command(monkeypatch, capsys, *words, "--trials", "5")
    assert (code, json.loads(out)["failed"]) == (0, 0), said
    study = naslab.open_study("s")
    first = study.outcomes[0].estimate.notes["pretrained"]
    assert (first["from"], first["copied"] + first["sliced"] + first["widened"] > 0) == ("theirs.pth", True)
    promoted = [each for each in study.outcomes if each.candidate.origin.get("operator") == "promote"]
    assert promoted
    for each in promoted:
        assert [epoch.epoch for epoch in each.estimate.curve] == [1, 2]
        assert each.estimate.notes["epochs_before"] == 1
        assert {"inherited", "from_scratch", "pretrained"}.isdisjoint(each.estimate.notes)
        assert each.estimate.curve[1].values["mean_iou"] == each.estimate.measured["mean_iou"]
    children = [each for each in study.outcomes if "inherits" in each.candidate.origin]
    assert children
    for each in children:
        assert each.estimate.notes["inherited"]["from"] == each.candidate.origin["inherits"]
        assert "pretrained" not in each.estimate.notes
    source = read_source(f"s:{promoted[0].candidate.trial}", "", "naslab.db")
    assert source.tensors.keys() == build(source.arch, 0).state_dict().keys()
    assert source.mean == pytest.approx((123.675, 116.28, 103.53))
    begun = naslab.features(source.arch, levels=(2, 4), pretrained=f"s:{promoted[0].candidate.trial}").state_dict()
    left = load_checkpoint(promoted[0].estimate.weights_sha256, Ledger.open("naslab.db").checkpoints("s").folder)
    assert torch.equal(begun["stage1.0.conv.weight"], left.weights()["body.stage1.0.conv.weight"])
    code, out, said = command(monkeypatch, capsys, *words[:-2], "--trials", "6")
    assert (code, "another pretrained" in said) == (2, True)


def test_no_search_chooses_by_images_that_a_training_is_tested_on(here: Path) -> None:
    write_coco(here / "set", train=6)
    data = open_annotated("coco:set", "detection")
    _, tested, _ = data.split()
    trained, validated = data.search_split()
    assert (len(trained), len(validated)) == (5, 1)
    assert not {each.path for each in (*trained, *validated)} & {each.path for each in tested}


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (("--dataset", "coco:nowhere"), "the folder of the data set is not there"),
        (("--dataset", "masks:set"), "needs a data set coco:DIR"),
        (("--dataset", "coco:set"), "has maps at strides 2, 4, none at 8, 16, 32"),
        (("--dataset", "coco:set", "--levels", "2,x"), "must be strides, as 4-8-16-32"),
        (("--dataset", "coco:set", "--kind", "unet"), "must be one of faster_rcnn"),
        (("--dataset", "coco:set", *HEADS, "--objectives", "accuracy"), "accuracy"),
        (("--dataset", "coco:set", *HEADS, "--rungs", "1,2", "--epochs", "2"), "--epochs has no effect beside --rungs"),
        (("--dataset", "coco:set", *HEADS, "--pretrained", "torchvision"), "does not say which it is around"),
        (("--dataset", "coco:set", *HEADS, "--stop-early", "2"), "must be a confidence from 0.5 to below 1"),
        (
            ("--dataset", "coco:set", *HEADS, "--stop-early", "0.9", "--objectives", "macs"),
            "needs accuracy or what else",
        ),
        (("--dataset", "coco:set", *HEADS, "--recipe", "full"), "--recipe has no effect"),
        (("--dataset", "coco:set", *HEADS, "--limit", "accuracy>=3"), "accuracy"),
    ],
)
def test_what_does_not_fit_is_one_line(words: Any, rule: str, here: Path, monkeypatch: Any, capsys: Any) -> None:
    write_coco(here / "set")
    code, out, said = command(monkeypatch, capsys, "search", "space.yaml", "--task", "detection", *words)
    assert (code, out) == (2, "")
    assert rule in said
    assert len(said.strip().splitlines()) == 1


def test_only_detectors_have_heads() -> None:
    with pytest.raises(StudyError, match="nothing measures detector_macs before training"):
        naslab.search("digits_demo", limits=["detector_macs<=1M"])
    with pytest.raises(StudyError, match="no estimator of a search measures the objective detector_macs"):
        naslab.search("digits_demo", objectives=["accuracy", "detector_macs"])
    with pytest.raises(StudyError, match="says its data itself"):
        naslab.search("digits_demo", dataset="digits", estimator="detection:data=coco:set")
    with pytest.raises(SpecError, match="must name a data set"):
        naslab.search("digits_demo", estimator="detection")
    with pytest.raises(NaslabError, match="option of detection"):
        naslab.search("digits_demo", estimator="detection:images=3")
