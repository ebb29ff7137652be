"""Several labels in one text: read where the task says so, and never taken for one class in silence."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from naslab.errors import DataError
from naslab.training.datasets.csv_files import list_csv
from naslab.training.datasets.labels import read_labels


def _table(folder: Path, *cells: str) -> Path:
    for number in range(len(cells)):
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(folder / f"{number}.png")
    rows = [f'{number}.png,"{cell}",{"test" if number % 2 else "train"}' for number, cell in enumerate(cells)]
    path = folder / "labels.csv"
    path.write_text("\n".join(["path,label,split", *rows]))
    return path


@pytest.mark.parametrize("cell", ["cat;dog", "cat | dog"])
def test_a_cell_of_several_labels_is_refused_with_the_option_that_reads_it(tmp_path: Path, cell: str) -> None:
    with pytest.raises(DataError, match=r"may be several: .*--task multilabel.* 'classification'"):
        list_csv(_table(tmp_path, "cat", "dog", cell, "cat"))


def test_one_class_of_such_a_name_is_asked_for(tmp_path: Path) -> None:
    _, read = list_csv(_table(tmp_path, "cat", "cat", "cat;dog", "cat;dog"), "classification")
    assert read.classes == ("cat", "cat;dog")


@pytest.mark.parametrize("joined", ["cat;dog", " cat ; dog", "dog|cat", "cat, dog", "cat dog"])
def test_several_labels_are_read_from_texts(tmp_path: Path, joined: str) -> None:
    parts, read = list_csv(_table(tmp_path, joined, "dog", "", "cat"), "multilabel")
    assert read.task == "multilabel"
    assert read.classes == ("cat", "dog")
    assert parts["train"].labels.tolist() == [[1, 1], [0, 0]]
    assert parts["test"].labels.tolist() == [[0, 1], [1, 0]]


def test_numbers_of_labels_in_texts_keep_their_order(tmp_path: Path) -> None:
    parts, read = list_csv(_table(tmp_path, "2;10", "10", "1", "2"), "multilabel")
    assert read.classes == ("1", "2", "10")
    assert parts["test"].labels.tolist() == [[0, 0, 1], [0, 1, 0]]


def test_rows_of_texts_name_several_labels() -> None:
    read = read_labels("mine", {"train": [["cat", "dog"], ["dog", ""]]}, "multilabel")
    assert (read.classes, read.parts[0].tolist()) == (("cat", "dog"), [[1, 1], [0, 1]])


def test_rows_of_different_lengths_are_refused_in_words() -> None:
    with pytest.raises(DataError, match=r"labels of train must be one an image.* 'cat;dog' with task 'multilabel'"):
        read_labels("mine", {"train": [["cat", "dog"], ["dog"]]})


@pytest.mark.parametrize(
    ("texts", "classes", "told"),
    [
        (["cat", "cat"], None, "at least 2 different labels"),
        (["cat;cow", ""], ["cat", "dog"], "'cow' is none of those"),
    ],
)
def test_texts_that_name_no_several_labels_are_refused(texts: list[str], classes: list[str] | None, told: str) -> None:
    with pytest.raises(DataError, match=told):
        read_labels("mine", {"train": texts}, "multilabel", classes)
