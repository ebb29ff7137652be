"""Where data sets are looked for: the folder asked for, else `NASLAB_DATA`, else what was downloaded before."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from naslab.errors import DataError
from naslab.training.datasets.arrays import cache_folder

Found = TypeVar("Found")


def find_or_download(
    name: str,
    data_dir: Path | None,
    find: Callable[[Path], Found | None],
    download: Callable[[Path], object],
    looked_for: str,
) -> Found:
    """What `find` gives for the first folder that has the data set `name`; `download` fetches it where none has.

    Looked into is `data_dir` alone where it is given, else the folder of the environment variable NASLAB_DATA and then
    `datasets` in the cache folder, which is what `download` is called with. `find` gives `None` for a folder that lacks
    the data set, `looked_for` says in messages which files it needs. Raises `DataError` where `data_dir` lacks
    the data set, where it or the folder of NASLAB_DATA is missing, and where the download fails.
    """
    if data_dir is not None:
        found = find(_existing(data_dir, "the data folder"))
        if found is None:
            raise DataError(f"{name} is not in {data_dir}: looked for {looked_for}; mend --data-dir, or leave it out")
        return found
    named = os.environ.get("NASLAB_DATA")
    if named:
        found = find(_existing(Path(named), "the folder that NASLAB_DATA names"))
        if found is not None:
            return found
    target = cache_folder() / "datasets"
    return find(target) or _downloaded(name, target, find, download, looked_for)


def _existing(folder: Path, what: str) -> Path:
    folder = folder.expanduser()
    if not folder.is_dir():
        raise DataError(f"{what} is not there: {folder}")
    return folder


def _downloaded(
    name: str,
    target: Path,
    find: Callable[[Path], Found | None],
    download: Callable[[Path], object],
    looked_for: str,
) -> Found:
    """Download into `target`, one process at a time."""
    mend = f"connect to the network, or give a folder with {looked_for} by --data-dir or NASLAB_DATA"
    try:
        target.mkdir(parents=True, exist_ok=True)
        with FileLock(str(target / f"{name}.lock")):
            found = find(target)
            if found is None:
                download(target)
                found = find(target)
    except (OSError, RuntimeError) as error:  # torchvision raises either when a mirror cannot be reached
        raise DataError(f"{name} could not be downloaded into {target} ({error}); {mend}") from error
    if found is None:
        raise DataError(f"{name} is incomplete in {target} after its download; remove it there, then {mend}")
    return found
