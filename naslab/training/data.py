"""Images on the device: uint8 with their labels, split from the training set; batches are made of them there.

The test set has a function of its own, `load_test_set`, which no search calls.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from naslab.errors import DataError, DeviceError
from naslab.training.choice import DataChoice
from naslab.training.datasets import ImageArrays, dataset_facts, read_images, split_indices, subset_indices

SPLIT_SEED = 0
"""The split is the same in every study, so that accuracies may be compared across them."""
STATISTICS_IMAGES = 5000


class ImageSet(NamedTuple):
    """Images on a device: `pixels` is uint8 (count, height, width, channels), `labels` int64 (count,)."""

    pixels: Tensor
    labels: Tensor

    @property
    def images(self) -> Tensor:
        """The images as uint8 (count, channels, height, width); the same memory."""
        return self.pixels.permute(0, 3, 1, 2)

    def __len__(self) -> int:
        return int(self.labels.shape[0])


class DataSplit(NamedTuple):
    """What a search sees: training and validation images, and the training images' statistics.

    `mean` and `deviation` are those of each channel, in pixel values (0 to 255), float32 (channels,).
    """

    train: ImageSet
    validation: ImageSet
    num_classes: int
    mean: Tensor
    deviation: Tensor


def load_dataset(
    choice: DataChoice, data_dir: Path | str | None = None, device: torch.device | str = "cpu", seed: int = SPLIT_SEED
) -> DataSplit:
    """Training and validation images of a data set on `device`, both stratified parts of its training set.

    `max_images` of the choice is what both hold together. Raises `DataError` where the data set is missing, damaged
    or too small for the split, `DeviceError` where the device is not there.

    >>> split = load_dataset(DataChoice(name="digits"))
    >>> split.train.images.shape, len(split.validation)
    (torch.Size([1150, 1, 8, 8]), 288)
    """
    place = find_device(device)
    arrays = read_images(choice.name, "train", _path(data_dir))
    num_classes = dataset_facts(choice.name).num_classes
    used = _used(choice, arrays.labels, num_classes, seed)
    train, validation = split_indices(arrays.labels[used], choice.validation_fraction, seed)
    mean, deviation = _statistics(arrays.images[used[train][:: max(1, len(train) // STATISTICS_IMAGES)]])
    return DataSplit(
        _on_device(arrays, used[train], place),
        _on_device(arrays, used[validation], place),
        num_classes,
        mean.to(place),
        deviation.to(place),
    )


def load_test_set(
    choice: DataChoice, data_dir: Path | str | None = None, device: torch.device | str = "cpu"
) -> ImageSet:
    """The whole test set on `device`. For the one reading after a network is chosen and trained, never in a search."""
    arrays = read_images(choice.name, "test", _path(data_dir))
    return _on_device(arrays, np.arange(len(arrays.labels)), find_device(device))


def with_validation(split: DataSplit) -> DataSplit:
    """The split with the validation images among the training images too, for a last training on everything."""
    parts = zip(split.train, split.validation, strict=True)
    return split._replace(train=ImageSet(*(torch.cat(pair) for pair in parts)))


def find_device(device: torch.device | str) -> torch.device:
    """The device of a name (`cpu`, `cuda`, `cuda:1`, `mps`, `auto`: a GPU if there is one).

    Raises `DeviceError` if torch does not have it here.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(device)
    except RuntimeError:
        raise DeviceError(f"'{device}' is not a device: name one like cpu, cuda, cuda:1, mps or auto") from None
    if place.type == "cuda" and (place.index or 0) >= torch.cuda.device_count():
        raise DeviceError(f"there is no device '{place}' here: torch sees {torch.cuda.device_count()} CUDA devices")
    if place.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("there is no device 'mps' here")
    return place


def _path(data_dir: Path | str | None) -> Path | None:
    return None if data_dir is None else Path(data_dir)


def _used(choice: DataChoice, labels: NDArray[np.int64], num_classes: int, seed: int) -> NDArray[np.int64]:
    """The training images that the choice keeps."""
    if choice.max_images is None or choice.max_images >= len(labels):
        return np.arange(len(labels))
    if choice.max_images < 2 * num_classes:
        raise DataError(
            f"max_images: must be at least {2 * num_classes} for the {num_classes} classes of {choice.name}, "
            f"so that each is trained on and validated, got {choice.max_images}"
        )
    used = subset_indices(labels, choice.max_images, seed)
    if np.bincount(labels[used]).min() < 2:
        raise DataError(f"max_images: {choice.max_images} leaves a class of {choice.name} with one image; raise it")
    return used


def _on_device(arrays: ImageArrays, indices: NDArray[np.int64], device: torch.device) -> ImageSet:
    pixels = torch.from_numpy(np.ascontiguousarray(arrays.images[indices]))
    return ImageSet(pixels.to(device), torch.from_numpy(arrays.labels[indices]).to(device))


def _statistics(images: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel; a constant channel has deviation 1, so that it may be divided by."""
    values = images.reshape(-1, images.shape[-1])
    mean, deviation = values.mean(0, dtype=np.float64), values.std(0, dtype=np.float64)
    deviation[deviation < 1e-6] = 1.0
    return torch.tensor(mean, dtype=torch.float32), torch.tensor(deviation, dtype=torch.float32)
