"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009): lossless WebP sheets, or torchvision's own files, checksummed by it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from naslab.errors import DataError
from naslab.training.datasets.arrays import ImageArrays, Part, cached_arrays, fingerprint
from naslab.training.datasets.folders import find_or_download

SHEETS: dict[Part, tuple[str, ...]] = {
    "train": tuple(f"data_batch_{number}.webp" for number in range(1, 6)),
    "test": ("test_batch.webp",),
}
IMAGES_A_SHEET = 10000
BATCH_FOLDERS = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}

Name = Literal["cifar10", "cifar100"]


def read_cifar(name: Name, part: Part, data_dir: Path | None) -> ImageArrays:
    """One part: 50,000 training or 10,000 test images of 32 x 32 coloured pixels, in the official order.

    `data_dir` is where it is looked for alone, where given (`find_or_download`). Raises `DataError` where it is
    missing or damaged.
    """
    batches = f"{BATCH_FOLDERS[name]}/ (torchvision's)"
    looked_for = f"cifar10/*.webp with labels.npz, or {batches}" if name == "cifar10" else batches
    folder = find_or_download(
        name, data_dir, lambda root: find_folder(root, name), lambda root: _torchvision(name, root, True), looked_for
    )
    files = [path for path in folder.iterdir() if path.is_file()]
    return cached_arrays(f"{name}-{part}-{fingerprint(files)}", lambda: _decode(name, part, folder))


def find_folder(root: Path, name: Name) -> Path | None:
    """The folder of sheets or of batches under `root`, if there is one."""
    sheets = root / name
    if name == "cifar10" and all((sheets / sheet).is_file() for part in SHEETS.values() for sheet in part):
        return sheets
    batches = (root / BATCH_FOLDERS[name], sheets / BATCH_FOLDERS[name])
    return next((folder for folder in batches if folder.is_dir()), None)


def _decode(name: Name, part: Part, folder: Path) -> ImageArrays:
    if folder.name == BATCH_FOLDERS[name]:
        return _read_batches(name, part, folder)
    images = np.concatenate([read_sheet(folder / sheet) for sheet in SHEETS[part]])
    labels = _sheet_labels(folder / "labels.npz")
    split = IMAGES_A_SHEET * len(SHEETS["train"])
    return ImageArrays(images, labels[:split] if part == "train" else labels[split:])


def read_sheet(path: Path) -> NDArray[np.uint8]:
    """The images of a sheet of 100 x 100 tiles, row by row: uint8 of shape (10000, 32, 32, 3).

    Raises `DataError` for a file that is no image, or not of 3200 x 3200 pixels.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{path} cannot be read as an image: {error}") from error
    if pixels.shape != (3200, 3200, 3):
        raise DataError(f"{path} must be 3200 x 3200 pixels, is {pixels.shape[1]} x {pixels.shape[0]}")
    return pixels.reshape(100, 32, 100, 32, 3).transpose(0, 2, 1, 3, 4).reshape(IMAGES_A_SHEET, 32, 32, 3)


def _sheet_labels(path: Path) -> NDArray[np.int64]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            labels: NDArray[np.int64] = stored["labels"].astype(np.int64)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} must hold an array 'labels': {error}") from error
    if labels.shape != (60000,):
        raise DataError(f"{path} must hold 60000 labels, holds {labels.shape}")
    return labels


def _read_batches(name: Name, part: Part, folder: Path) -> ImageArrays:
    """torchvision's reading of its files, which it compares with the published checksums first."""
    try:
        dataset = _torchvision(name, folder.parent, False, train=part == "train")
    except (OSError, RuntimeError) as error:
        raise DataError(f"{folder} is not {name} as published: {error}") from error
    return ImageArrays(np.asarray(dataset.data), np.asarray(dataset.targets, dtype=np.int64))


def _torchvision(name: Name, root: Path, download: bool, train: bool = True) -> _Cifar:
    from torchvision import datasets

    kind = datasets.CIFAR10 if name == "cifar10" else datasets.CIFAR100
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy on the age of the published files
        dataset: _Cifar = kind(str(root), train=train, download=download)
    return dataset


class _Cifar:
    """What is used of torchvision's data set: images (count, 32, 32, 3) and labels."""

    data: NDArray[np.uint8]
    targets: list[int]
