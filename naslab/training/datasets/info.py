"""What the data sets are, without reading an image of those known by name."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec

from naslab.errors import UnknownNameError
from naslab.study.data_choice import DataChoice
from naslab.training.datasets.dataset_readers import is_from_outside, names_from_elsewhere, open_stored
from naslab.training.datasets.facts import DataFacts
from naslab.training.datasets.image_folder import checked_files, files_facts, is_files


class DatasetInfo(NamedTuple):
    """The shape of one image, and how many classes and training images there are (before the validation split)."""

    channels: int
    height: int
    width: int
    num_classes: int
    num_train: int


DATASETS: dict[str, DatasetInfo] = {
    "digits": DatasetInfo(1, 8, 8, 10, 1438),
    "fashion_mnist": DatasetInfo(1, 28, 28, 10, 60000),
    "cifar10": DatasetInfo(3, 32, 32, 10, 50000),
    "cifar100": DatasetInfo(3, 32, 32, 100, 50000),
}
"""The data sets known by name."""


def dataset_names() -> tuple[str, ...]:
    """What a data set may be called, in the order of help texts: the known ones, and how all others are written.

    >>> dataset_names()[:5]
    ('digits', 'fashion_mnist', 'cifar10', 'cifar100', 'image_folder:PATH')
    """
    return (*DATASETS, *names_from_elsewhere())


def dataset_facts(name: str, data_dir: str | Path | None = None) -> DataFacts:
    """What the data set `name` is. Raises `UnknownNameError` for a name of none, `DataError` for what is not one.

    >>> print(dataset_facts("digits"))
    1,438 training images of 1 channel and 8 x 8 8-bit pixels, 10 classes (one label an image)
    """
    return facts_of(DataChoice(name=name), data_dir)


def facts_of(choice: DataChoice, data_dir: str | Path | None = None) -> DataFacts:
    """What the data of a `choice` are, of image files from their listing and headers.

    Data known by name are not looked at; `data_dir` is for those from elsewhere that lie in the folder of data sets.
    Raises `UnknownNameError` for a name of no data set and `DataError` for data that are missing or not of one form.

    >>> facts_of(DataChoice(name="cifar100")).num_classes
    100
    """
    name = choice.name
    if is_files(name):
        return msgspec.structs.replace(files_facts(choice), fingerprint=choice.fingerprint)
    if name not in DATASETS and is_from_outside(name):
        return open_stored(choice, None if data_dir is None else Path(data_dir)).facts
    if name not in DATASETS:
        raise UnknownNameError("data set", name, dataset_names(), _as_written(name))
    return DataFacts(**DATASETS[name]._asdict())


def _as_written(name: str) -> str:
    """How a folder or a file of the working folder is named as a data set, where `name` is one."""
    path = Path(name)
    forms = {".npz": "arrays", ".csv": "csv"}
    try:
        form = "image_folder" if path.is_dir() else forms.get(path.suffix.lower()) if path.is_file() else None
    except (OSError, ValueError):  # no name of a file
        return ""
    return f"what lies there is named {form}:{name}" if form else ""


def checked_facts(choice: DataChoice, data_dir: str | Path | None = None) -> DataFacts:
    """What the data of a `choice` are, after a look at all of them, with the fingerprint of their content.

    Those known by name are not looked at and have none. Raises `DataError` and `UnknownNameError` as `facts_of` does,
    and `DataError` for files that cannot be read.

    >>> checked_facts(DataChoice(name="digits")).fingerprint
    ''
    """
    if is_files(choice.name):
        return checked_files(choice)
    return facts_of(msgspec.structs.replace(choice, fingerprint=""), data_dir)


def dataset_info(name: str) -> DatasetInfo:
    """The shape, classes and training images of the data set `name`, without torch and without decoding.

    Raises `UnknownNameError` for a name of no data set and `DataError` for a folder that holds no images by class.

    >>> dataset_info("cifar10")
    DatasetInfo(channels=3, height=32, width=32, num_classes=10, num_train=50000)
    """
    if name in DATASETS:
        return DATASETS[name]
    facts = dataset_facts(name)
    return DatasetInfo(facts.channels, facts.height, facts.width, facts.num_classes, facts.num_train)
