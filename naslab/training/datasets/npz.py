"""`arrays:FILE.npz`: images and labels in one file of numpy's, read within bounds and without running anything."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from naslab.errors import DataError, shown
from naslab.training.datasets.given import Data
from naslab.training.device import device_memory

ARRAYS = "arrays:"
PREFIXES = {
    "train": ("", "train_"),
    "test": ("test_",),
    "validation": ("validation_", "val_", "valid_"),
}
"""What goes before `images` and `labels` in the keys of a part."""
OTHER_KEYS = ("layout", "task", "classes")


def read_npz(path: Path) -> Data:
    """The data of a file with the arrays `images` and `labels` and, where there are, `test_images`, `test_labels`,
    `validation_images` and `validation_labels`.

    `layout`, `task` and `classes` may say more, as for `Data`. Raises `DataError` for a file without them, one that is
    no such file, and one whose arrays would not fit the memory.
    """
    arrays = _loaded(path)
    pairs = {part: _pair(path, part, arrays) for part in PREFIXES}
    return Data(
        pairs["train"],
        pairs["test"],
        pairs["validation"],
        layout=_text(arrays, "layout") or "auto",  # type: ignore[arg-type]
        task=_text(arrays, "task"),  # type: ignore[arg-type]
        classes=None if "classes" not in arrays else [str(each) for each in arrays["classes"].ravel()],
    )


def _text(arrays: dict[str, NDArray[Any]], key: str) -> str | None:
    return str(arrays[key].ravel()[0]) if key in arrays and arrays[key].size else None


def _pair(path: Path, part: str, arrays: dict[str, NDArray[Any]]) -> tuple[NDArray[Any], NDArray[Any]] | None:
    found = [
        (f"{prefix}images", f"{prefix}labels")
        for prefix in PREFIXES[part]
        if f"{prefix}images" in arrays or f"{prefix}labels" in arrays
    ]
    if not found and part != "train":
        return None
    images, labels = found[0] if found else ("images", "labels")
    if images not in arrays or labels not in arrays:
        keys = ", ".join(f"{key} {each.shape}" for key, each in list(arrays.items())[:12]) or "none"
        raise DataError(f"{path} must hold the keys {images} and {labels}, holds {shown(keys, 300)}: save both in it")
    return arrays[images], arrays[labels]


def _loaded(path: Path) -> dict[str, NDArray[Any]]:
    if not path.is_file():
        raise DataError(f"the file of arrays is not there: {path}")
    free = device_memory("cpu").free_bytes
    try:
        with zipfile.ZipFile(path) as whole:
            total = sum(_declared_bytes(whole, entry) for entry in whole.infolist())
        if total > free:
            raise DataError(
                f"the arrays of {path} take {total / 2**30:.1f} GiB and {free / 2**30:.1f} GiB of memory are free: "
                "give them as a torch Dataset that reads one image at a time (--dataset my_code:make_data)"
            )
        with np.load(path, allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        reason = shown((str(error) or type(error).__name__).splitlines()[0], 200)
        if "Object arrays" in reason or "pickle" in reason:
            reason = "an array holds Python objects; save plain numbers, or texts with a dtype such as '<U20'"
        raise DataError(f"{path} cannot be read as arrays (npz, by numpy.savez): {reason}") from error


def _declared_bytes(whole: zipfile.ZipFile, entry: zipfile.ZipInfo) -> int:
    """The larger of what the archive and the array's own header say that it takes."""
    with whole.open(entry) as file:
        try:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
        except ValueError:
            return entry.file_size
    count = 1
    for side in shape:
        count *= int(side)
    return max(entry.file_size, count * dtype.itemsize)
