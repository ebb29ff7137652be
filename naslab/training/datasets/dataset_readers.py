"""Data sets from elsewhere by name: what begins with `arrays:`, `torchvision:`, `hf:`, or is `package.module:name`.

Each reader gives `Data`, which is checked and kept by its content (`store`). Folders of images and tables of paths have
a way of their own (`image_folder`): their files are read when they are needed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from naslab.errors import DataError
from naslab.outside import find_outside, is_outside, published
from naslab.study.data_choice import DataChoice
from naslab.training.datasets.given import Data, as_data, path_of
from naslab.training.datasets.image_folder import is_files
from naslab.training.datasets.store import StoredData, find_stored, store_data

STORED = "data:"
"""How data are called that a caller gave in Python: by the fingerprint of their content."""


class DatasetReader(NamedTuple):
    """How data sets are read whose names begin with `prefix`: `example` follows it in help texts.

    `read` is a function of what follows the prefix and of the folder of data sets. It raises `DataError` for what is
    missing or damaged.
    """

    prefix: str
    example: str
    read: Callable[[str, Path | None], Data]


def _arrays(rest: str, data_dir: Path | None) -> Data:
    from naslab.training.datasets.npz import read_npz

    return read_npz(path_of(rest))


def _torchvision(rest: str, data_dir: Path | None) -> Data:
    from naslab.training.datasets.torchvision_sets import read_torchvision

    return read_torchvision(rest, data_dir)


def _hugging_face(rest: str, data_dir: Path | None) -> Data:
    from naslab.training.datasets.hugging_face import read_hugging_face

    return read_hugging_face(rest, data_dir)


DATASET_READERS = (
    DatasetReader("arrays:", "FILE.npz", _arrays),
    DatasetReader("torchvision:", "NAME", _torchvision),
    DatasetReader("hf:", "NAME", _hugging_face),
)
"""The readers, in the order of help texts."""


def names_from_elsewhere() -> tuple[str, ...]:
    """How data sets from elsewhere are written, in the order of help texts.

    >>> names_from_elsewhere()[:3]
    ('image_folder:PATH', 'csv:FILE.csv', 'arrays:FILE.npz')
    """
    return (
        "image_folder:PATH",
        "csv:FILE.csv",
        *(f"{each.prefix}{each.example}" for each in DATASET_READERS),
        "package.module:name",
    )


def dataset_reader(name: str) -> DatasetReader | None:
    """What reads the data set `name`; `None` for a name of another kind.

    >>> dataset_reader("torchvision:EuroSAT").prefix, dataset_reader("digits") is None
    ('torchvision:', True)
    """
    return next((each for each in DATASET_READERS if name.startswith(each.prefix)), None)


def is_from_outside(name: str) -> bool:
    """Whether the data set `name` is read by a reader, is a `package.module:name` or published, or was given in Python.

    >>> is_from_outside("arrays:five.npz"), is_from_outside("digits"), is_from_outside("image_folder:flowers")
    (True, False, False)
    """
    if is_files(name):
        return False
    return (
        name.startswith(STORED)
        or dataset_reader(name) is not None
        or is_outside(name)
        or name in published("naslab.datasets")
    )


def open_stored(choice: DataChoice, data_dir: Path | None) -> StoredData:
    """The data of a `choice` that come from elsewhere: from the cache folder where their fingerprint is known there.

    Else they are read, as on another machine. `data_dir` is where a reader looks that has files of its own. Raises
    `DataError` where they are not there, not of one form, or not those of the fingerprint.

    >>> open_stored(DataChoice(name="arrays:five.npz"), None)
    Traceback (most recent call last):
    naslab.errors.DataError: the file of arrays is not there: five.npz
    """
    is_given = choice.name.startswith(STORED)
    known = choice.name.removeprefix(STORED) if is_given else choice.fingerprint
    found = find_stored(known) if known else None
    if found is not None:
        return found
    if is_given:
        raise DataError(
            f"{choice.name} were handed over in Python and are not in the cache folder of this machine: share that "
            "folder (XDG_CACHE_HOME), or name the data by a function (--dataset my_code:make_data)"
        )
    stored = store_data(choice.name, read_data(choice.name, data_dir), choice.task)
    if choice.fingerprint not in ("", stored.facts.fingerprint):
        raise DataError(
            f"{choice.name} is not what it was when the study began: its content has the fingerprint "
            f"{stored.facts.fingerprint} here, {choice.fingerprint} there"
        )
    return stored


def read_data(name: str, data_dir: Path | None) -> Data:
    """The data of a `name` from elsewhere, as a reader or a user's function gives them.

    Raises `DataError` where there are none, and `OutsideError` for a function that cannot be loaded.

    >>> read_data("arrays:five.npz", None)
    Traceback (most recent call last):
    naslab.errors.DataError: the file of arrays is not there: five.npz
    """
    reader = dataset_reader(name)
    if reader is None:
        return as_data(find_outside(name, "data set", "naslab.datasets"), name)
    return as_data(reader.read(name.removeprefix(reader.prefix), data_dir), name)
