"""Data that came in from elsewhere, kept in the cache folder by the fingerprint of their content.

The driver of a search reads and checks them once; workers map the files. A folder holds `facts.json` and, for each
part, its images and labels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from naslab.atomic_write import atomic_write, draft_folder, put_in_place
from naslab.errors import DataError, WriteError
from naslab.study.task import Task
from naslab.training.datasets.arrays import ImageArrays, Part, cache_folder
from naslab.training.datasets.facts import DataFacts
from naslab.training.datasets.given import Data, images_of
from naslab.training.datasets.labels import read_labels, strata
from naslab.training.datasets.split import split_indices

LAYOUT = 1
"""Part of every fingerprint: raised when equal data are to be stored anew."""
TEST_FRACTION = 0.2
TEST_SEED = 0
PORTION = 512
"""Images that are copied together."""


class StoredData(NamedTuple):
    """Data in a folder of the cache, and what they are."""

    folder: Path
    facts: DataFacts

    def read(self, part: Part) -> ImageArrays:
        """One part, mapped: images of shape (images, height, width, channels), labels with the images first.

        Raises `DataError` where its files are damaged.
        """
        try:
            images = np.load(self.folder / f"{part}.images.npy", mmap_mode="r", allow_pickle=False)
            labels = np.load(self.folder / f"{part}.labels.npy", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"the stored data in {self.folder} are damaged ({error}): remove that folder") from error
        return ImageArrays(images, labels)


def find_stored(fingerprint: str) -> StoredData | None:
    """The data of a fingerprint, where the cache folder of this machine has them."""
    folder = _home() / fingerprint
    try:
        facts = msgspec.json.decode((folder / "facts.json").read_bytes(), type=DataFacts)
    except (OSError, msgspec.MsgspecError):
        return None
    return StoredData(folder, facts)


def store_data(name: str, data: Data, task: Task | None = None) -> StoredData:
    """Check all of `data`, every part of it, and keep it; nothing is written twice for equal content.

    `name` is what messages call it, `task` what its labels mean, before what the data say. Raises `DataError` for data
    that are not of one form, and where the cache folder cannot be written.
    """
    try:
        with draft_folder(_home()) as draft:
            facts = _write(name, data, task or data.task, draft)
            atomic_write(draft / "facts.json", msgspec.json.encode(facts))
            place = _home() / facts.fingerprint
            if find_stored(facts.fingerprint) is None:
                put_in_place(draft, place)
                draft.mkdir()  # the block takes a folder away
    except (OSError, WriteError) as error:
        raise DataError(
            f"{name} cannot be kept in the cache folder ({error}): "
            "set XDG_CACHE_HOME to a folder with room that may be written to"
        ) from error
    stored = find_stored(facts.fingerprint)
    assert stored is not None
    return stored


def _home() -> Path:
    return cache_folder() / "data"


def _write(name: str, data: Data, task: Task | None, draft: Path) -> DataFacts:
    """Write every part into a folder, checked; what they are."""
    kinds: dict[str, Any] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    given: dict[str, Any] = {}
    for part, each in data.parts.items():
        called = f"{name} ({part})"
        shape, kinds[part], portions, labels = images_of(called, each, data.layout)
        shapes[part] = shape
        _write_images(draft / f"{part}.images.npy", shape, kinds[part], portions)
        given[part] = labels
    _require_one_form(name, shapes)
    if len(set(kinds.values())) > 1:
        for part in [part for part, kind in kinds.items() if kind is np.uint8]:
            _to_float(draft / f"{part}.images.npy")
    read = read_labels(name, given, task, data.classes)
    labels_of = dict(zip(given, read.parts, strict=True))
    if "test" not in labels_of:
        labels_of |= _split_test(labels_of["train"], read.task, draft)
    for part, array in labels_of.items():
        np.save(draft / f"{part}.labels.npy", array, allow_pickle=False)
    _, height, width, channels = shapes["train"]
    train = labels_of["train"]
    return DataFacts(
        channels=channels,
        height=height,
        width=width,
        num_classes=int(train.max()) + 1 if train.ndim == 1 else train.shape[1],
        num_train=len(train),
        task=read.task,
        classes=read.classes,
        has_validation="validation" in labels_of,
        value_bytes=1 if set(kinds.values()) == {np.uint8} else 4,
        fingerprint=_fingerprint(draft, read.task, read.classes),
    )


def _require_one_form(name: str, shapes: dict[str, tuple[int, ...]]) -> None:
    for part, shape in shapes.items():
        if shape[1:] != shapes["train"][1:]:
            told = " x ".join(map(str, shape[1:]))
            raise DataError(
                f"{name}: images of {part} are {told}, those of train {' x '.join(map(str, shapes['train'][1:]))} "
                "(height, width, channels): must be alike"
            )


def _write_images(path: Path, shape: tuple[int, ...], kind: Any, portions: Iterator[NDArray[Any]]) -> None:
    images = np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=shape)
    done = 0
    for portion in portions:
        images[done : done + len(portion)] = portion
        done += len(portion)
    images.flush()


def _to_float(path: Path) -> None:
    """Write the 8-bit images of a file as floating-point numbers."""
    images = np.load(path)
    _write_images(path, images.shape, np.float32, iter([images.astype(np.float32)]))


def _split_test(labels: NDArray[Any], task: Task, draft: Path) -> dict[str, NDArray[Any]]:
    """Part a fifth of the training images off as the test set."""
    kept, held_out = split_indices(strata(labels, task), TEST_FRACTION, TEST_SEED)
    (draft / "train.images.npy").rename(draft / "all.npy")
    images = np.load(draft / "all.npy", mmap_mode="r")
    for part, chosen in (("train", kept), ("test", held_out)):
        portions = (images[chosen[start : start + PORTION]] for start in range(0, len(chosen), PORTION))
        _write_images(draft / f"{part}.images.npy", (len(chosen), *images.shape[1:]), images.dtype, portions)
    (draft / "all.npy").unlink()
    return {"train": labels[kept], "test": labels[held_out]}


def _fingerprint(draft: Path, task: Task, classes: tuple[str, ...]) -> str:
    digest = hashlib.blake2b(repr((LAYOUT, task, classes)).encode(), digest_size=12)
    for path in sorted(draft.glob("*.npy")):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        digest.update(repr((path.name, str(array.dtype), array.shape)).encode())
        for start in range(0, len(array), PORTION):
            digest.update(np.ascontiguousarray(array[start : start + PORTION]).tobytes())
    return digest.hexdigest()
