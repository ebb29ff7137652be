"""Tables of known results from CSV files."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from naslab.bench.table import TableDomain, TableSpace
from naslab.errors import DataError, SpecError, UnknownNameError
from naslab.space.hole import Hole

Rows = Sequence[Mapping[str, str]]


def load_table(
    path: Path,
    knobs: Sequence[str],
    objectives: Sequence[str],
    minimise: Sequence[str] = (),
    features: Sequence[str] = (),
) -> TableDomain:
    """The table of a CSV file with a header.

    `knobs` are the columns that make a network what it is: numbers are ordered, texts are not; combinations that are
    not there are invalid networks. `objectives` are maximised but for those in `minimise`. `features` are known before
    training: a model may learn from them, and objectives among them need no estimate. Rows whose objective is empty or
    not a number are invalid networks too. Raises `UnknownNameError` for columns that are not there and `DataError` for
    what cannot be a table: no rows, texts for numbers, an objective that never differs, equal knobs with other results.
    """
    rows = _rows(path)
    for kind, names in (("knob", knobs), ("objective", objectives), ("objective", minimise), ("feature", features)):
        for name in names:
            if name not in rows[0]:
                raise UnknownNameError(f"{kind} column", name, rows[0])
    if not knobs or not objectives:
        raise SpecError("knobs" if not knobs else "objectives", "needs at least one column")
    signs = np.array([1.0 if name in minimise else -1.0 for name in objectives])
    losses = signs * np.stack([_numbers(path, rows, name) for name in objectives], axis=1)
    is_network = np.isfinite(losses).all(axis=1)
    for name, column in zip(objectives, losses.T, strict=True):
        if len(np.unique(column[np.isfinite(column)])) < 2:
            raise DataError(f"{path}: the objective '{name}' never differs: there is nothing to search for")
    inputs = np.zeros((len(rows), 0))
    if features:
        inputs = np.stack([_logarithms(_numbers(path, rows, name)) for name in features], axis=1)
    kept = [row for row, is_kept in zip(rows, is_network, strict=True) if is_kept]
    holes, keys = _knobs(kept, knobs)
    once = _first_of_each(path, keys, losses[is_network])
    return TableDomain(
        TableSpace(holes, keys[once]),
        losses[is_network][once],
        [name in features for name in objectives],
        inputs[is_network][once],
    )


def _rows(path: Path) -> Rows:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read the table {path}: {error}") from error
    if not rows:
        raise DataError(f"{path}: the table has no rows")
    return rows


def _numbers(path: Path, rows: Rows, name: str) -> NDArray[np.float64]:
    """A column as numbers, shape (rows,); empty cells are NaN."""
    values = np.full(len(rows), math.nan)
    for index, row in enumerate(rows):
        text = row[name]
        try:
            values[index] = float(text) if text else math.nan
        except ValueError:
            raise DataError(f"{path}, line {index + 2}, column '{name}': needs a number, got '{text}'") from None
    return values


def _logarithms(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Natural logarithms where all values are positive, as costs are; the values themselves where not."""
    return np.log(values) if np.all(values > 0) else np.nan_to_num(values)


def _knobs(rows: Rows, names: Sequence[str]) -> tuple[list[Hole], NDArray[np.int64]]:
    """The knobs with their values, and the option of each for each row: shape (rows, knobs)."""
    holes = []
    columns = []
    for name in names:
        texts = [row[name] for row in rows]
        values: list[float] | list[str] = _as_numbers(texts) or texts
        options = sorted(set(values))  # type: ignore[type-var]  # all numbers or all texts
        place = {value: index for index, value in enumerate(options)}
        holes.append(Hole(path=name, options=tuple(options)))
        columns.append([place[value] for value in values])
    return holes, np.array(columns, dtype=np.int64).T


def _as_numbers(texts: Sequence[str]) -> list[float] | None:
    """The texts as numbers, `None` where one is not."""
    try:
        return [float(text) for text in texts]
    except ValueError:
        return None


def _first_of_each(path: Path, keys: NDArray[np.int64], losses: NDArray[np.float64]) -> NDArray[np.intp]:
    """The first row of every combination of knobs; an error where later ones disagree with it."""
    _, first, where = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    original = first[where.reshape(-1)]
    differs = np.flatnonzero((losses != losses[original]).any(axis=1))
    if len(differs):
        raise DataError(
            f"{path}: results {int(original[differs[0]]) + 1} and {int(differs[0]) + 1} have equal knobs and other "
            "values; name the knob that tells them apart, or average them"
        )
    return np.sort(first)
