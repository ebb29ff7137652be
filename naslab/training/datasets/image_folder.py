"""Any folder of images, one folder a class, decoded to one size: `image_folder:PATH`, `image_folder:PATH@96`.

`PATH/train` and `PATH/test` (or `PATH/val`) are the parts where they exist; else the test set is a fixed stratified
fifth of `PATH`. Images are resized to cover the size (64 pixels square unless `@HEIGHTxWIDTH` says otherwise) and cut
to its centre.
"""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from naslab.arch.bounds import MAX_SIDE
from naslab.errors import DataError, shown
from naslab.training.datasets.arrays import ImageArrays, Part, cached_array, cached_arrays, fingerprint
from naslab.training.datasets.split import split_indices

IMAGE_FOLDER = "image_folder:"
ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"})
DEFAULT_SIZE = 64
CHANNELS = 3
TEST_FRACTION = 0.2
TEST_SEED = 0


class FolderChoice(NamedTuple):
    """A folder of images, `root`, and the size in pixels that they are brought to."""

    root: Path
    height: int
    width: int


class Listing(NamedTuple):
    """The image files of a part, their `labels` (int64 of shape (files,)), and the names of all classes in order.

    `num_skipped` is how many files were left out because they cannot be read.
    """

    files: list[Path]
    labels: NDArray[np.int64]
    classes: list[str]
    num_skipped: int = 0


def parse_choice(name: str) -> FolderChoice:
    """The folder and size that a data set's name asks for.

    Raises `DataError` for a name without a folder, and for a size below 1 pixel.

    >>> parse_choice("image_folder:flowers@48x64")
    FolderChoice(root=PosixPath('flowers'), height=48, width=64)
    """
    match = re.fullmatch(r"(.+?)(?:@(\d{1,9})(?:x(\d{1,9}))?)?", name.removeprefix(IMAGE_FOLDER))
    if match is None:
        raise DataError(f"'{name}' names no folder: write {IMAGE_FOLDER}PATH or {IMAGE_FOLDER}PATH@SIZE")
    height = int(match[2] or DEFAULT_SIZE)
    width = int(match[3] or height)
    if max(height, width) > MAX_SIDE:
        raise DataError(f"'{shown(name)}': images may have {MAX_SIDE:,} pixels a side, got {height} x {width}")
    if min(height, width) < 1:
        raise DataError(f"'{name}': images need at least 1 x 1 pixel, got {height} x {width}")
    return FolderChoice(Path(match[1]).expanduser(), height, width)


def folder_facts(name: str) -> tuple[int, int, int, int, int]:
    """Channels, height, width, classes and training images of an image folder, from its listing alone."""
    choice = parse_choice(name)
    listing = list_part(choice.root, "train")
    return CHANNELS, choice.height, choice.width, len(listing.classes), len(listing.files)


def read_image_folder(name: str, part: Part, skip_unreadable: bool = False) -> ImageArrays:
    """One part of an image folder, decoded once and kept in the cache folder.

    Raises `DataError` as `list_part` does, and for a file that cannot be read unless `skip_unreadable`.
    """
    choice = parse_choice(name)
    listing = list_part(choice.root, part, skip_unreadable)
    key = f"folder-{part}-{choice.height}x{choice.width}-{fingerprint(listing.files)}"
    return cached_arrays(key, lambda: _decode(listing, choice))


def list_part(root: Path, part: Part, skip_unreadable: bool = False) -> Listing:
    """The files of a part. Raises `DataError` for an empty folder, and for a class that a part lacks.

    With `skip_unreadable` every file is read once, and those that cannot be are left out.
    """
    listing = _list_files(root, part)
    if not skip_unreadable:
        return listing
    is_bad = unreadable_files(listing.files).astype(bool)
    kept = [path for path, bad in zip(listing.files, is_bad, strict=True) if not bad]
    labels = listing.labels[~is_bad]
    least = 2 if part == "train" else 1
    for label in np.flatnonzero(np.bincount(labels, minlength=len(listing.classes)) < least):
        raise DataError(f"{root} holds too few images of class '{listing.classes[label]}' that can be read")
    return Listing(kept, labels, listing.classes, int(is_bad.sum()))


def _list_files(root: Path, part: Part) -> Listing:
    """The files of a part, those that cannot be read among them."""
    if not root.is_dir():
        raise DataError(f"the image folder is not there: {root}")
    if not (root / "train").is_dir():
        whole = _list_classes(root)
        chosen = split_indices(whole.labels, TEST_FRACTION, TEST_SEED)[part == "test"]
        return Listing([whole.files[index] for index in chosen], whole.labels[chosen], whole.classes)
    train = _list_classes(root / "train")
    if part == "train":
        return train
    folder = root / "test" if (root / "test").is_dir() else root / "val"
    test = _list_classes(folder)
    for odd in sorted(set(train.classes) ^ set(test.classes)):
        raise DataError(f"the class '{odd}' is in only one of {root / 'train'} and {folder}")
    return test


def _list_classes(root: Path) -> Listing:
    """One class a folder, in the order of their names."""
    if not root.is_dir():
        raise DataError(f"the image folder is not there: {root}")
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(folders) < 2:
        raise DataError(f"{root} must hold one folder a class, at least two; it holds {len(folders)}")
    files: list[Path] = []
    labels: list[int] = []
    for label, folder in enumerate(folders):
        images = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
        if len(images) < 2:
            raise DataError(f"the class folder {folder} holds {len(images)} images: a class needs at least 2")
        files.extend(images)
        labels.extend([label] * len(images))
    return Listing(files, np.asarray(labels, np.int64), [folder.name for folder in folders])


def _decode(listing: Listing, choice: FolderChoice) -> ImageArrays:
    from naslab.training.decode import fit_pixels, read_pixels

    images = np.empty((len(listing.files), choice.height, choice.width, CHANNELS), np.uint8)

    def decode(index: int) -> None:
        pixels = fit_pixels(read_pixels(listing.files[index]), choice.height, choice.width)
        images[index] = pixels.permute(1, 2, 0).numpy()

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # the other workers of this machine wait for it
        list(pool.map(decode, range(len(images))))
    return ImageArrays(images, listing.labels)


def _is_unreadable(path: Path) -> bool:
    from naslab.training.decode import read_pixels

    try:
        read_pixels(path)
    except DataError:
        return True
    return False


def unreadable_files(files: list[Path]) -> NDArray[np.uint8]:
    """For each file 1 where it cannot be read as an image, else 0: uint8 of shape (files,).

    Each file is read once a machine; the answer is kept in the cache folder.
    """

    def look() -> NDArray[np.uint8]:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return np.array([*pool.map(_is_unreadable, files)], np.uint8)

    return cached_array(f"unreadable-{fingerprint(files)}", look)
