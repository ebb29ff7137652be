"""Reading a part of a data set by its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from naslab.errors import DataError
from naslab.training.datasets.arrays import ImageArrays, Part
from naslab.training.datasets.cifar import read_cifar
from naslab.training.datasets.digits import read_digits
from naslab.training.datasets.fashion_mnist import read_fashion_mnist
from naslab.training.datasets.image_folder import IMAGE_FOLDER, read_image_folder
from naslab.training.datasets.info import dataset_info


def read_images(name: str, part: Part, data_dir: Path | None = None, skip_unreadable: bool = False) -> ImageArrays:
    """The `part`, `train` or `test`, of the data set of a `name`.

    Looked for in `data_dir`, else in the folder that the environment variable NASLAB_DATA names, else downloaded by
    torchvision into the cache folder. With `skip_unreadable` files of an image folder that cannot be read are left
    out. Raises `UnknownNameError` for a name of no data set, `DataError` where it is missing or damaged, or has labels
    that are not its classes.

    >>> read_images("digits", "train").images.shape
    (1438, 8, 8, 1)
    """
    num_classes = dataset_info(name).num_classes
    if name.startswith(IMAGE_FOLDER):
        arrays = read_image_folder(name, part, skip_unreadable)
    else:
        arrays = _read(name, part, data_dir)
    counts = np.bincount(arrays.labels, minlength=num_classes)
    if len(counts) > num_classes:
        raise DataError(f"{name} ({part}) has the label {arrays.labels.max()}: must be 0 to {num_classes - 1}")
    if counts.min() == 0:
        raise DataError(f"{name} ({part}) has no image of class {counts.argmin()}")
    return arrays


def _read(name: str, part: Part, data_dir: Path | None) -> ImageArrays:
    if name == "digits":
        return read_digits(part)
    if name == "fashion_mnist":
        return read_fashion_mnist(part, data_dir)
    return read_cifar("cifar10" if name == "cifar10" else "cifar100", part, data_dir)
