"""A study and its data: what it goes on with, what it refuses, and what studies of earlier versions mean."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from PIL import Image

import naslab
from naslab.analysis.study import read_study
from naslab.errors import DataError, StudyError
from naslab.lab.differences import problem_difference
from naslab.lab.problems import adapted_words, make_problem
from naslab.lab.records import begun_data
from naslab.ledger.ledger import Ledger
from naslab.ledger.record import StudyRecord
from naslab.space import SearchSpace
from naslab.study.data_choice import DataChoice

SPACE = SearchSpace(
    {"input": [3, 8, 8], "num_classes": 2, "stages": [{"block": {"type": "conv"}, "width": {"choice": [4, 8]}}]}, "own"
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def grey(tmp_path):
    """A folder of two classes of grey images."""
    random = np.random.default_rng(0)
    for name in ("dark", "light"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(6):
            image = Image.fromarray(random.integers(0, 255, (8, 8), dtype=np.uint8))
            image.save(tmp_path / "set" / name / f"{number}.png")
    return tmp_path / "set"


def plain(choice):
    """The problem of a search on data, as a ledger keeps it."""
    problem = make_problem(SPACE, choice, None, (), None)
    return msgspec.json.decode(msgspec.json.encode(problem))


def test_a_study_is_not_continued_on_other_images(grey):
    name = f"image_folder:{grey}@8"
    begun = plain(name)
    assert problem_difference(begun, plain(name)) is None
    Image.new("L", (8, 8), 3).save(grey / "dark/0.png")
    assert problem_difference(begun, plain(name)).what == "content of the data"


def test_a_study_with_a_result_goes_on_with_its_images_alone(tmp_path, grey):
    name, ledger = f"image_folder:{grey}@8", tmp_path / "l.db"
    options = {"trials": 1, "epochs": 1, "workers": 1, "ledger": ledger, "study": "own"}
    study = naslab.search(SPACE, dataset=name, **options)
    assert study.outcomes[0].is_complete
    assert study.problem.space.template["input"] == [1, 8, 8]
    with pytest.raises(StudyError, match="another data"):
        naslab.search(SPACE, dataset=DataChoice(name=name, skip_unreadable=True), **options)
    Image.new("L", (8, 8), 3).save(grey / "dark/0.png")
    with pytest.raises(StudyError, match="was made with another content of the data"):
        naslab.search(SPACE, dataset=name, **options)
    with pytest.raises(DataError, match="holds other images or labels than when the study own began"):
        naslab.train("own:best", ledger=ledger, epochs=1)


def test_a_study_of_an_earlier_version_goes_on_with_coloured_images(tmp_path, grey):
    name = f"image_folder:{grey}@8"
    old = plain(DataChoice(name=name, channels=3, own_validation=False))
    for field in ("fingerprint", "channels", "own_validation"):
        old["data"].pop(field)
    with Ledger.open(tmp_path / "l.db") as ledger:
        ledger.create_study(StudyRecord(name="own", problem=old, strategy="evolution", epochs=1, seed=0, trials=2))
        asked = make_problem(SPACE, name, None, (), None).data
        again = begun_data(ledger, "own", asked)
        assert (again.channels, again.own_validation) == (3, False)
        assert problem_difference(old, plain(again)) is None
        assert problem_difference(old, plain(name)).what in ("space", "data")
        assert begun_data(ledger, "another", asked) is None
        assert read_study(ledger, "own").problem.data.channels == 3


def test_what_the_space_was_made_to_fit_is_said(grey):
    problem = make_problem(SPACE, f"image_folder:{grey}@8", None, (), None, resolution=(8, 12))
    assert adapted_words(SPACE, problem) == (
        "the space is fitted to the data: 1 input channel in place of 3, an input of 8 x 12 in place of 8 x 8"
    )


def test_a_training_without_a_readable_test_part_ends_before_its_first_epoch(tmp_path, grey):
    grey.rename(tmp_path / "train")
    whole = tmp_path / "whole"
    whole.mkdir()
    (tmp_path / "train").rename(whole / "train")
    for name in ("dark", "light"):
        (whole / "test" / name).mkdir(parents=True)
        for number in range(2):
            Image.new("L", (8, 8)).save(whole / "test" / name / f"{number}.png")
    (whole / "test/dark/1.png").write_bytes(b"cut")
    epochs = []
    with pytest.raises(DataError, match=r"test/dark/1\.png cannot be read .*--skip-unreadable"):
        naslab.train("resnet20_cifar", dataset=f"image_folder:{whole}@8", epochs=1, report=epochs.append)
    assert not epochs
