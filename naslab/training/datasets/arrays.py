"""ImageArrays: decoded images with their labels, and the cache that decodes a data set once a machine."""

from __future__ import annotations

import hashlib
import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from naslab.atomic_write import atomic_write, draft_folder, put_in_place
from naslab.errors import WriteError

Part = Literal["train", "test", "validation"]
"""The training set, which a search splits unless there is a validation set, and the test set, which it never reads."""

LAYOUT_VERSION = 2
"""Part of every cache key: raised when what is stored of a data set changes."""


class ImageArrays(NamedTuple):
    """Decoded images with their labels, on the host; either array may be a read-only map of a file.

    `images` is uint8 of shape (count, height, width, channels), `labels` int64 of shape (count,), from 0. Of other
    depths images are float32; of several labels or numbers labels are float32 of shape (count, labels).
    """

    images: NDArray[Any]
    labels: NDArray[Any]


def cache_folder() -> Path:
    """Where decoded arrays and downloads are kept: `$XDG_CACHE_HOME/naslab`, else `~/.cache/naslab`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "naslab"


def fingerprint(files: Iterable[Path]) -> str:
    """Sixteen hexadecimal digits that change with the path, the size or the time of any of the files."""
    facts = [(os.path.abspath(path), status.st_size, status.st_mtime_ns) for path, status in _statuses(files)]
    return hashlib.blake2b(repr(facts).encode(), digest_size=8).hexdigest()


def _statuses(files: Iterable[Path]) -> Iterator[tuple[Path, os.stat_result]]:
    """Each file's status; that of the link itself where it leads nowhere."""
    for path in sorted(files):
        try:
            yield path, path.stat()
        except OSError:
            yield path, path.lstat()


def cached_arrays(key: str, decode: Callable[[], ImageArrays]) -> ImageArrays:
    """What `decode` gives, from the cache folder where an earlier call stored it under `key`.

    One process decodes, others wait for it and map its files. Where the folder cannot be written the arrays are
    decoded anew, with a warning: a cache is never a reason to fail.
    """
    folder = cache_folder() / "arrays" / f"{key}-v{LAYOUT_VERSION}"
    stored = _stored(folder)
    if stored is not None:
        return stored
    lock = FileLock(f"{folder}.lock")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        warnings.warn(f"decoded images are not kept: {error}", stacklevel=2)
        return decode()
    try:
        return _stored(folder) or _store(folder, decode())
    finally:
        lock.release()


def cached_array(key: str, compute: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """The array of any shape that `compute` gives, from the cache folder where an earlier call stored it under `key`.

    It is read whole into memory, so it should be small.
    As with `cached_arrays`, one process computes, and a folder that cannot be written is a warning.
    """
    path = cache_folder() / "arrays" / f"{key}-v{LAYOUT_VERSION}.npy"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            try:
                return np.asarray(np.load(path, allow_pickle=False))
            except (OSError, ValueError, EOFError):
                array = compute()
            atomic_write(path, lambda file: np.save(file, array, allow_pickle=False))
            return array
    except (OSError, WriteError) as error:
        warnings.warn(f"what was computed of the images is not kept: {error}", stacklevel=2)
        return compute()


def _stored(folder: Path) -> ImageArrays | None:
    """The arrays of a folder, mapped; nothing where it is missing or damaged."""
    try:
        images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
        labels = np.load(folder / "labels.npy", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return ImageArrays(images, labels) if len(images) == len(labels) else None


def _store(folder: Path, arrays: ImageArrays) -> ImageArrays:
    """Write the arrays so that the folder is there whole or not at all, and return them."""
    try:
        with draft_folder(folder.parent) as draft:
            np.save(draft / "images.npy", arrays.images, allow_pickle=False)
            np.save(draft / "labels.npy", arrays.labels, allow_pickle=False)
            shutil.rmtree(folder, ignore_errors=True)
            put_in_place(draft, folder)
    except (OSError, WriteError) as error:
        warnings.warn(f"decoded images are not kept: {error}", stacklevel=2)
    return arrays
