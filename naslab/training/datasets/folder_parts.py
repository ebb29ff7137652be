"""The layouts of folders of images: parts with a folder a class, or one folder to be split."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from naslab.errors import DataError, counted
from naslab.training.datasets.arrays import Part
from naslab.training.datasets.foreign import own_files, own_folders
from naslab.training.datasets.split import split_indices

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".npy"})
TEST_FRACTION = 0.2
TEST_SEED = 0
NAMES: dict[Part, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
"""How the folder of a part is called, in whatever case."""


class PartFiles(NamedTuple):
    """The image files of a part, their `labels`, and the names of all classes in order.

    `labels` are int64 of shape (files,), or float32 of shape (files, labels) of a table of several labels or numbers.
    `num_skipped` is how many files were left out because they cannot be read.
    """

    files: list[Path]
    labels: NDArray[np.int64]
    classes: list[str]
    num_skipped: int = 0


def list_folder(root: Path, own_validation: bool = True) -> dict[Part, PartFiles]:
    """The files of each part of a folder of images, those that cannot be read among them.

    Without a test part the validation part is that, and without both a fixed stratified fifth of the training images;
    `own_validation` says whether there may be a validation part beside the test part. Raises `DataError` for an empty
    folder, for two folders of one part, and for a class that a part lacks.
    """
    if not root.is_dir():
        raise DataError(f"the image folder is not there: {root}")
    folders = _folders_of_parts(root)
    if "train" not in folders:
        return _split(_list_classes(root))
    if "test" not in folders and "validation" in folders:
        folders["test"] = folders.pop("validation")
    if not own_validation:
        folders.pop("validation", None)
    train = _list_classes(folders["train"])
    parts: dict[Part, PartFiles] = {"train": train}
    if "test" in folders:
        parts["test"] = _list_part(folders, "test", train)
    else:
        parts = _split(train)
    if "validation" in folders:
        parts["validation"] = _list_part(folders, "validation", train)
    return parts


def _folders_of_parts(root: Path) -> dict[Part, Path]:
    """The folder of each part; none where `train` is a class rather than a part."""
    found: dict[Part, Path] = {}
    for part, names in NAMES.items():
        folders = [path for path in own_folders(root) if path.name.lower() in names]
        if part == "train":
            folders = [path for path in folders if own_folders(path) or not own_files(path, ENDINGS)]
        if len(folders) > 1:
            told = " and ".join(path.name for path in folders)
            raise DataError(f"{root} holds {told}, which are both the {part} part: leave one of them")
        if folders:
            found[part] = folders[0]
    return found


def _list_part(folders: dict[Part, Path], part: Part, train: PartFiles) -> PartFiles:
    listing = _list_classes(folders[part])
    for odd in sorted(set(train.classes) ^ set(listing.classes)):
        raise DataError(f"the class '{odd}' is in only one of {folders['train']} and {folders[part]}")
    return listing


def _split(whole: PartFiles) -> dict[Part, PartFiles]:
    kept, held_out = split_indices(whole.labels, TEST_FRACTION, TEST_SEED)
    chosen: dict[Part, NDArray[np.int64]] = {"train": kept, "test": held_out}
    return {
        part: PartFiles([whole.files[index] for index in numbers], whole.labels[numbers], whole.classes)
        for part, numbers in chosen.items()
    }


def _list_classes(root: Path) -> PartFiles:
    """One class a folder, in the order of their names."""
    folders = own_folders(root)
    if len(folders) < 2:
        raise DataError(f"{root} must hold one folder a class, at least two; it holds {len(folders)}")
    files: list[Path] = []
    labels: list[int] = []
    for label, folder in enumerate(folders):
        images = own_files(folder, ENDINGS)
        if len(images) < 2:
            raise DataError(
                f"the class folder {folder} holds {counted(len(images), 'image')}: a class needs at least 2"
            )
        files.extend(images)
        labels.extend([label] * len(images))
    return PartFiles(files, np.asarray(labels, np.int64), [folder.name for folder in folders])
