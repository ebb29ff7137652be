"""What the data sets are, without reading an image."""

from __future__ import annotations

from typing import NamedTuple

from naslab.errors import UnknownNameError
from naslab.training.datasets.image_folder import IMAGE_FOLDER, folder_facts


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
"""The data sets known by name; any folder of images is one more, as `image_folder:PATH`."""


def dataset_info(name: str) -> DatasetInfo:
    """The shape, classes and training images of a data set, without torch and without decoding.

    Raises `UnknownNameError` for a name of no data set and `DataError` for a folder that holds no images by class.

    >>> dataset_info("cifar10")
    DatasetInfo(channels=3, height=32, width=32, num_classes=10, num_train=50000)
    """
    if name.startswith(IMAGE_FOLDER):
        return DatasetInfo(*folder_facts(name))
    if name not in DATASETS:
        raise UnknownNameError("data set", name, [*DATASETS, f"{IMAGE_FOLDER}PATH"])
    return DATASETS[name]
