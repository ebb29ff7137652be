"""Reading a part of a data set by its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from naslab.errors import DataError
from naslab.study.data_choice import DataChoice
from naslab.training.datasets.arrays import ImageArrays, Part
from naslab.training.datasets.cifar import read_cifar
from naslab.training.datasets.dataset_readers import is_from_outside, open_stored
from naslab.training.datasets.digits import read_digits
from naslab.training.datasets.fashion_mnist import read_fashion_mnist
from naslab.training.datasets.image_folder import is_files, read_files
from naslab.training.datasets.info import facts_of


def read_images(name: str, part: Part, data_dir: Path | None = None, skip_unreadable: bool = False) -> ImageArrays:
    """The `part`, `train`, `test` or, where there is one, `validation`, of the data set of a `name`.

    Looked for in `data_dir`, else in the folder that the environment variable NASLAB_DATA names, else downloaded by
    torchvision into the cache folder. With `skip_unreadable` files of an image folder that cannot be read are left
    out. Raises `UnknownNameError` for a name of no data set, `DataError` where it is missing or damaged, or has labels
    that are not its classes.

    >>> read_images("digits", "train").images.shape
    (1438, 8, 8, 1)
    """
    return read_choice(DataChoice(name=name, skip_unreadable=skip_unreadable), part, data_dir)


def read_choice(choice: DataChoice, part: Part, data_dir: Path | None = None) -> ImageArrays:
    """The `part` of the data of a choice; see `read_images`.

    Raises `UnknownNameError` for a name of no data set, `DataError` where it is missing or damaged, or has labels that
    are not its classes.
    """
    name = choice.name
    facts = facts_of(choice, data_dir)
    if is_files(name):
        arrays = read_files(choice, part)
    elif is_from_outside(name):
        arrays = open_stored(choice, data_dir).read(part)
    else:
        arrays = _read(name, part, data_dir)
    if facts.task == "classification":
        require_classes(name, part, arrays.labels, facts.num_classes)
    return arrays


def require_classes(name: str, part: Part, labels: NDArray[np.int64], num_classes: int) -> None:
    """Raise `DataError` unless `labels`, of shape (images,), are those of a `part` that has every class.

    `name` is the data set's, `num_classes` how many classes it has.
    """
    counts = np.bincount(labels, minlength=num_classes)
    if len(counts) > num_classes:
        raise DataError(f"{name} ({part}) has the label {labels.max()}: must be 0 to {num_classes - 1}")
    if counts.min() == 0:
        raise DataError(f"{name} ({part}) has no image of class {counts.argmin()}")


def _read(name: str, part: Part, data_dir: Path | None) -> ImageArrays:
    if name == "digits":
        return read_digits(part)
    if name == "fashion_mnist":
        return read_fashion_mnist(part, data_dir)
    return read_cifar("cifar10" if name == "cifar10" else "cifar100", part, data_dir)
