"""`csv:FILE.csv`: a table of paths of images and their labels, with a line of names of columns.

The first column, or that called `path`, `file`, `filename` or `image`, holds the paths, relative to the table's folder.
A column `split` or `part` says of each line which part it is of. All other columns are labels: texts or whole numbers
in one column are classes, several columns of 0 and 1 are several labels, other numbers are targets. With the task
`multilabel` texts hold several labels each, as `cat;dog`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from naslab.errors import DataError, shown
from naslab.reading import Line, read_rows
from naslab.study.task import Task
from naslab.training.datasets.arrays import Part
from naslab.training.datasets.folder_parts import ENDINGS, NAMES, TEST_FRACTION, TEST_SEED, PartFiles
from naslab.training.datasets.labels import Labels, read_labels, strata
from naslab.training.datasets.split import split_indices

PATHS = ("path", "paths", "file", "files", "filename", "filepath", "file_name", "image", "image_path")
SPLITS = ("split", "part", "subset", "fold")
SHOWN_MISSING = 3


def list_csv(path: Path, task: Task | None = None, own_validation: bool = True) -> tuple[dict[Part, PartFiles], Labels]:
    """The files of each part of a table, and what its labels mean.

    `task` says what they mean where they do not tell, `own_validation` whether a validation part is one; without, its
    lines are left out. Raises `DataError` for a table without paths or labels, and for files that are not there.
    """
    header, lines = read_rows(path)
    names = [cell.strip() for cell in header]
    if len(names) < 2 or not lines:
        raise DataError(f"{path} must hold a line of names, as path,label, and a line for each image; got {names}")
    column = next((index for index, each in enumerate(names) if each.lower() in PATHS), 0)
    split = next((index for index, each in enumerate(names) if each.lower() in SPLITS), None)
    values = [index for index in range(len(names)) if index not in (column, split)]
    if not values:
        raise DataError(f"{path} has no column of labels beside {', '.join(names)}")
    for line in lines:
        if len(line.cells) != len(names):
            raise DataError(f"{path}, line {line.number}: has {len(line.cells)} cells, the first line {len(names)}")
    files = _files(path, [line.cells[column].strip() for line in lines])
    parts = _parts(path, lines, split)
    rows = {part: [lines[index] for index in chosen] for part, chosen in parts.items()}
    given = {part: _values(each, values, task) for part, each in rows.items()}
    are_numbers = all(each.dtype.kind != "U" for each in given.values())
    several = [names[index] for index in values] if len(values) > 1 and are_numbers else None
    read = read_labels(str(path), given, task, several)
    labels = dict(zip(parts, read.parts, strict=True))
    found = {
        part: PartFiles([files[index] for index in chosen], labels[part], list(read.classes))
        for part, chosen in parts.items()
    }
    if "test" not in found and "validation" in found:
        found["test"] = found.pop("validation")
    if not own_validation:
        found.pop("validation", None)
    return (found if "test" in found else found | _split(found["train"], read.task)), read


def _split(train: PartFiles, task: Task) -> dict[Part, PartFiles]:
    kept, held_out = split_indices(strata(train.labels, task), TEST_FRACTION, TEST_SEED)
    return {
        "train": PartFiles([train.files[index] for index in kept], train.labels[kept], train.classes),
        "test": PartFiles([train.files[index] for index in held_out], train.labels[held_out], train.classes),
    }


def _files(path: Path, cells: list[str]) -> list[Path]:
    files = [path.parent / Path(cell).expanduser() for cell in cells]
    missing = [cell for cell, file in zip(cells, files, strict=True) if not file.is_file()]
    if missing:
        told = ", ".join(map(shown, missing[:SHOWN_MISSING]))
        raise DataError(
            f"{path} names {len(missing)} of {len(files)} files that are not there: {told}; "
            f"paths are relative to {path.parent}"
        )
    odd = next((cell for cell, file in zip(cells, files, strict=True) if file.suffix.lower() not in ENDINGS), None)
    if odd is not None:
        raise DataError(
            f"{path} names {shown(odd)}, which is no image: its name must end in {', '.join(sorted(ENDINGS))}"
        )
    return files


def _parts(path: Path, lines: list[Line], split: int | None) -> dict[Part, list[int]]:
    if split is None:
        return {"train": list(range(len(lines)))}
    names = {name: part for part, each in NAMES.items() for name in each}
    found: dict[Part, list[int]] = {}
    for index, line in enumerate(lines):
        part = names.get(line.cells[split].strip().lower())
        if part is None:
            told = ", ".join(names)
            raise DataError(f"{path}, line {line.number}: the part '{shown(line.cells[split])}' is none of {told}")
        found.setdefault(part, []).append(index)
    if "train" not in found:
        raise DataError(f"{path} has no line of the part train")
    return {part: found[part] for part in NAMES if part in found}


def _values(lines: list[Line], columns: list[int], task: Task | None) -> NDArray[Any]:
    """The cells of labels as numbers where all of them are, else as texts."""
    cells = np.array([[line.cells[index].strip() for index in columns] for line in lines])
    try:
        numbers = cells.astype(np.float64)
    except ValueError:
        return cells[:, 0] if len(columns) == 1 else cells
    is_whole = bool((numbers == np.rint(numbers)).all()) and not any("." in cell for cell in cells.flat)
    if len(columns) > 1:
        return numbers
    if task == "regression" or not is_whole:
        return numbers[:, 0]
    return cells[:, 0] if task is None else numbers[:, 0].astype(np.int64)
