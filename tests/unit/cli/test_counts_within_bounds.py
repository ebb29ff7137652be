"""Counts and names that a person would not type are refused at once, not worked through or kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_studies import naslab
from PIL import Image

import naslab as api
from naslab.dense_prediction.choosing import open_annotated
from naslab.errors import DataError, StudyError
from naslab.ledger import Ledger


@pytest.mark.parametrize(
    "words",
    [
        ("train", "lenet5", "--dataset", "digits", "--out", "out", "--seeds"),
        ("transfer", "resnet18", "--pretrained", "torchvision", "--dataset", "digits", "--images", "10", "--seeds"),
        ("rescale", "lenet5", "--phi", "1", "--train", "--dataset", "digits", "--out", "out", "--seeds"),
        ("compare", "--table", "nothing.csv", "--seeds"),
        ("fit-scaling", "lenet5", "--dataset", "digits", "--seeds"),
        (
            "data-law",
            "lenet5",
            "--images",
            "100",
            "--images",
            "200",
            "--images",
            "400",
            "--images",
            "800",
            "--dataset",
            "digits",
            "--seeds",
        ),
    ],
)
def test_seeds_are_at_most_ten_thousand(tmp_path: Path, words: tuple[str, ...]) -> None:
    line = naslab(tmp_path, *words, "999999999999").refusal()
    assert line == "seeds: must be at most 10,000, got 999999999999"
    assert list(tmp_path.iterdir()) == []


DIGITS = ("--dataset", "digits")


@pytest.mark.parametrize(
    ("words", "most"),
    [
        (("search", "digits_demo", *DIGITS, "--epochs"), "1,000,000"),
        (("search", "digits_demo", "--estimator", "params", "--trials"), "1,000,000,000"),
        (("search", "digits_demo", "--estimator", "params", "--workers"), "1,000"),
        (("search", "digits_demo", "--executor", "ray", "--workers"), "100,000"),
        (("search", "digits_demo", *DIGITS, "--executor", "ledger", "--workers"), "100,000"),
        (("search", "digits_demo", *DIGITS, "--prior", "none", "--pool"), "1,000,000"),
        (("train", "lenet5", *DIGITS, "--out", "out", "--epochs"), "1,000,000"),
        (("calibrate", "digits_demo", "--estimators", "params", *DIGITS, "--workers"), "1,000"),
        (("fit-scaling", "lenet5", *DIGITS, "--points"), "1,000,000"),
        (("supernet", "digits_demo", *DIGITS, "--out", "out.safetensors", "--paths"), "1,000,000"),
        (("measure", "lenet5", "--batch"), "1,000,000"),
        (("compare", "--table", "known.csv", "--knobs", "a", "--processes"), "1,000"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value[0]} {value[-1]}",
)
def test_counts_are_such_as_end_one_day(tmp_path: Path, words: tuple[str, ...], most: str) -> None:
    (tmp_path / "known.csv").write_text("a,accuracy\n1,50\n2,60\n3,70\n")
    line = naslab(tmp_path, *words, "999999999999").refusal()
    assert line == f"{words[-1].lstrip('-')}: must be at most {most}, got 999999999999"
    assert [each.name for each in tmp_path.iterdir()] == ["known.csv"]


def test_a_study_has_a_short_name(tmp_path: Path) -> None:
    words = ("search", "digits_demo", "--estimator", "params", "--trials", "1", "--study", "s" * 10_000)
    line = naslab(tmp_path, *words).refusal()
    assert "a study's name may have 255 characters, got 10,000: sss" in line
    assert len(line) < 300


def test_a_study_stands_once_in_a_group(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "there.db"):
        pass
    with pytest.raises(StudyError, match="'a' stands twice in one group"):
        api.compare_studies(["a,a", "b"], ledger=tmp_path / "there.db")


def test_names_of_classes_are_bounded() -> None:
    images = np.zeros((4, 8, 8, 1), np.uint8)
    with pytest.raises(DataError, match="the name of a class may have 1,000 characters, got 100,000: aaa"):
        api.Data((images, np.array([0, 1, 0, 1])), classes=["a" * 100_000, "b"])


def test_names_of_classes_of_objects_are_bounded(tmp_path: Path) -> None:
    for folder in ("images/train", "labels/train"):
        (tmp_path / "set" / folder).mkdir(parents=True)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "set" / "images/train/1.png")
    (tmp_path / "set" / "labels/train/1.txt").write_text("0 .5 .5 .5 .5")
    (tmp_path / "set" / "data.yaml").write_text("names: [" + "a" * 2_000 + "]")
    with pytest.raises(DataError, match=r"^yolo:\S+: the name of a class may have 1,000 characters, got 2,000: aaa"):
        open_annotated(f"yolo:{tmp_path / 'set'}", "detection")
