"""What a search sees of a data set: its training images, split into those trained on and those that validate.

The test set has a function of its own, `load_test_set`, which no search calls.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from naslab.errors import DataError, DeviceError, counted
from naslab.study.data_choice import DataChoice
from naslab.study.task import Task
from naslab.training.datasets import split_indices, subset_indices
from naslab.training.datasets.info import facts_of
from naslab.training.datasets.labels import strata
from naslab.training.images import Images
from naslab.training.images import ImageSet as ImageSet
from naslab.training.storage import open_part

SPLIT_SEED = 0
"""The split is the same in every study, so that accuracies may be compared across them."""


class Targets(NamedTuple):
    """Mean and deviation of each target of a regression over the training images, float32 of shape (targets,)."""

    mean: Tensor
    deviation: Tensor


class DataSplit(NamedTuple):
    """What a search sees: training and validation images, and the training images' statistics.

    `mean` and `deviation` are those of each channel, in pixel values (of 8 bits 0 to 255), float32 of shape
    (channels,). `num_classes` is how many numbers a network gives for the `task`, `targets` are the statistics of those
    of a regression. `num_skipped` is how many files were left out because they cannot be read.
    """

    train: Images
    validation: Images
    num_classes: int
    mean: Tensor
    deviation: Tensor
    num_skipped: int = 0
    task: Task = "classification"
    targets: Targets | None = None


def load_dataset(
    choice: DataChoice, data_dir: Path | str | None = None, device: torch.device | str = "cpu", seed: int = SPLIT_SEED
) -> DataSplit:
    """Training and validation images of a data set for `device`, both stratified parts of its training set.

    `choice` names the data set; its `max_images` is what both hold together, its `validation_fraction` the share of
    that which validates. Data that have validation images of their own validate on these. Raises `DataError` where the
    data set is missing, damaged or too small for the split, `DeviceError` where the device is not there.

    >>> split = load_dataset(DataChoice(name="digits"))
    >>> split.train.images.shape, len(split.validation)
    (torch.Size([1150, 1, 8, 8]), 288)
    """
    place = find_device(device)
    part = open_part(choice, "train", _path(data_dir), place)
    facts = facts_of(choice, data_dir)
    ranks = strata(part.labels, facts.task)
    used = used_images(choice, ranks, facts.num_classes if facts.task == "classification" else 1, seed)
    if facts.has_validation and choice.own_validation:
        train, own = used, open_part(choice, "validation", _path(data_dir), place)
        validation = own.take(np.arange(len(own.labels)))
    else:
        train, held_out = (used[chosen] for chosen in split_indices(ranks[used], choice.validation_fraction, seed))
        validation = part.take(held_out)
    mean, deviation = part.statistics(train)
    return DataSplit(
        part.take(train),
        validation,
        facts.num_classes,
        mean,
        deviation,
        part.num_skipped,
        facts.task,
        targets_of(part.labels[train], place) if facts.task == "regression" else None,
    )


def targets_of(labels: NDArray[Any], device: torch.device) -> Targets:
    """Mean and deviation of the targets of training images, `labels` of shape (images, targets), on a device.

    A constant target has deviation 1.
    """
    mean, deviation = labels.mean(0, dtype=np.float64), labels.std(0, dtype=np.float64)
    deviation[deviation < 1e-6 * np.abs(mean)] = 1.0
    deviation[deviation == 0.0] = 1.0
    values = (torch.from_numpy(each.astype(np.float32)).to(device) for each in (mean, deviation))
    return Targets(*values)


def load_test_set(choice: DataChoice, data_dir: Path | str | None = None, device: torch.device | str = "cpu") -> Images:
    """The whole test set. For the one reading after a network is chosen and trained, never in a search.

    Raises `DataError` where the data set is missing or damaged, `DeviceError` where the device is not there.
    """
    part = open_part(choice, "test", _path(data_dir), find_device(device))
    return part.take(np.arange(len(part.labels)))


def with_validation(split: DataSplit) -> DataSplit:
    """The split with the validation images among the training images too, for a last training on everything."""
    return split._replace(train=split.train.joined(split.validation))


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


def used_images(choice: DataChoice, labels: NDArray[np.int64], num_classes: int, seed: int) -> NDArray[np.int64]:
    """The training images that `choice` keeps: their numbers, int64 of shape (kept,), drawn by `seed`.

    `labels` are int64 of shape (images,), of `num_classes` classes that each keep their share. Raises `DataError` for
    so few that a class could not be trained on and validated.
    """
    if choice.max_images is None or choice.max_images >= len(labels):
        return np.arange(len(labels))
    if choice.max_images < 2 * num_classes:
        raise DataError(
            f"max_images: must be at least {2 * num_classes} for the {counted(num_classes, 'class', 'classes')} "
            f"of {choice.name}, "
            f"so that each is trained on and validated, got {choice.max_images}"
        )
    used = subset_indices(labels, choice.max_images, seed)
    if np.bincount(labels[used]).min() < 2:
        raise DataError(f"max_images: {choice.max_images} leaves a class of {choice.name} with one image; raise it")
    return used
