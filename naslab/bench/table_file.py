"""Tables of known results from CSV files."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from naslab.bench.table import TableDomain, TableSpace
from naslab.errors import DataError, ReadError, SpecError, UnknownNameError, shown
from naslab.estimators.proxies.proxy import ScoredProxy
from naslab.reading import read_rows
from naslab.space.genome import Hole
from naslab.study.problem import Objective

SCORES = (*get_args(ScoredProxy), "ensemble")
"""Columns that are scores, larger for better, wherever they are named as features."""


class TableRow(NamedTuple):
    """A row of the file: its line there, and its cells by column."""

    line: int
    cells: dict[str, str]


Rows = Sequence[TableRow]


def load_table(
    path: Path,
    knobs: Sequence[str],
    objectives: Sequence[str],
    minimise: Sequence[str] = (),
    features: Sequence[str] = (),
    duration: str | None = None,
) -> TableDomain:
    """The table of a CSV file with a header.

    `knobs` are the columns that make a network what it is: numbers are ordered, texts are not; combinations that are
    not there are invalid networks. `objectives` are maximised but for those in `minimise`. `features` are known before
    training: a model may learn from them, and objectives among them need no estimate; columns called as proxies of
    networks at initialisation or the ensemble of them are a prior instead. Trainings take time in proportion to the
    column `duration`. Rows whose objective is empty or not a number are invalid networks too. Raises
    `UnknownNameError` for columns that are not there and `DataError` for what cannot be a table: no rows, texts for
    numbers, an objective that never differs, equal knobs with other results.
    """
    rows = _rows(path)
    _check_columns(rows, knobs, objectives, minimise, features, duration)
    aims = [Objective(metric=name, maximise=name not in minimise) for name in objectives]
    values = np.stack([_numbers(path, rows, name) for name in objectives], axis=1)
    is_network = np.asarray(np.isfinite(values).all(axis=1))
    _check_objectives(path, objectives, values, is_network)
    kept = [row for row, is_kept in zip(rows, is_network, strict=True) if is_kept]
    holes, keys = _knobs(path, kept, knobs)
    losses = np.array([1.0 if not aim.maximise else -1.0 for aim in aims]) * values[is_network]
    once = _first_of_each(path, kept, keys, losses)
    costs = [name for name in features if name not in SCORES]
    scores = [name for name in features if name in SCORES]
    inputs = np.zeros((len(kept), 0))
    if costs:
        inputs = np.stack([_logarithms(_numbers(path, kept, name)) for name in costs], axis=1)
    table = TableDomain(
        TableSpace(holes, keys[once]),
        losses[once],
        [name in features for name in objectives],
        inputs[once],
        objectives=aims,
        durations=None if duration is None else _durations(path, kept, duration)[once],
    )
    if not scores:
        return table
    return table.scored(scores, np.stack([_numbers(path, kept, name) for name in scores], axis=1)[once])


def _rows(path: Path) -> list[TableRow]:
    try:
        header, lines = read_rows(path)
    except ReadError as error:
        raise DataError(f"cannot read the table {path}: {error.reason}") from error
    if not lines:
        raise DataError(f"{path}: the table has no rows")
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise DataError(f"{path}: several columns are called '{shown(twice[0])}'; rename all but one")
    for line, cells in lines:
        if len(cells) != len(header):
            raise DataError(f"{path}, line {line}: has {len(cells)} cells, the header {len(header)}")
    return [TableRow(line, dict(zip(header, cells, strict=True))) for line, cells in lines]


def _check_columns(
    rows: Rows,
    knobs: Sequence[str],
    objectives: Sequence[str],
    minimise: Sequence[str],
    features: Sequence[str],
    duration: str | None,
) -> None:
    named = {"knob": knobs, "objective": [*objectives, *minimise], "feature": features}
    named["duration"] = [] if duration is None else [duration]
    for kind, names in named.items():
        for name in names:
            if name not in rows[0].cells:
                raise UnknownNameError(f"{kind} column", name, rows[0].cells)
    for kind, names in {"knobs": knobs, "objectives": objectives}.items():
        if not names:
            raise SpecError(kind, "needs at least one column")
        if len(set(names)) < len(names):
            raise SpecError(kind, f"names a column twice: {', '.join(names)}")
    for name in objectives:
        if name in knobs:
            raise SpecError("knobs", f"'{name}' is an objective: a result cannot be a knob")


def _check_objectives(
    path: Path, names: Sequence[str], values: NDArray[np.float64], is_network: NDArray[np.bool_]
) -> None:
    """Refuse objectives with nothing to search for."""
    for name, column in zip(names, values.T, strict=True):
        if not np.isfinite(column).any():
            raise DataError(f"{path}: the objective '{name}' has no number in any row")
    if not is_network.any():
        raise DataError(f"{path}: no row has a number for all of {', '.join(names)}")
    for name, column in zip(names, values[is_network].T, strict=True):
        if len(np.unique(column)) < 2:
            raise DataError(f"{path}: the objective '{name}' never differs: there is nothing to search for")


def _numbers(path: Path, rows: Rows, name: str) -> NDArray[np.float64]:
    """A column as numbers, shape (rows,); empty cells are NaN."""
    values = np.full(len(rows), math.nan)
    for index, row in enumerate(rows):
        text = row.cells[name].strip()
        try:
            values[index] = float(text) if text else math.nan
        except ValueError:
            raise DataError(f"{path}, line {row.line}, column '{name}': needs a number, got '{shown(text)}'") from None
    return values


def _durations(path: Path, rows: Rows, name: str) -> NDArray[np.float64]:
    """A column as durations, shape (rows,): all above 0."""
    values = _numbers(path, rows, name)
    for row, value in zip(rows, values, strict=True):
        if not 0 < value < math.inf:
            raise DataError(
                f"{path}, line {row.line}, column '{name}': a duration must be above 0, got '{shown(row.cells[name])}'"
            )
    return values


def _logarithms(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Natural logarithms where all values are positive, as costs are; the values themselves where not."""
    return np.log(values) if np.all(values > 0) else np.nan_to_num(values)


def _knobs(path: Path, rows: Rows, names: Sequence[str]) -> tuple[list[Hole], NDArray[np.int64]]:
    """The knobs with their values, and the option of each for each row: shape (rows, knobs)."""
    holes = []
    columns = []
    for name in names:
        texts = [row.cells[name].strip() for row in rows]
        if "" in texts:
            raise DataError(f"{path}, line {rows[texts.index('')].line}: the knob '{name}' is empty")
        values: list[float] | list[str] = _as_numbers(texts) or texts
        options = sorted(set(values))  # type: ignore[type-var]  # all numbers or all texts
        place = {value: index for index, value in enumerate(options)}
        holes.append(Hole(path=name, options=tuple(options)))
        columns.append([place[value] for value in values])
    return holes, np.array(columns, dtype=np.int64).T


def _as_numbers(texts: Sequence[str]) -> list[float] | None:
    """The texts as finite numbers, `None` where one is not."""
    try:
        numbers = [float(text) for text in texts]
    except ValueError:
        return None
    return numbers if all(map(math.isfinite, numbers)) else None


def _first_of_each(path: Path, rows: Rows, keys: NDArray[np.int64], losses: NDArray[np.float64]) -> NDArray[np.intp]:
    """The first row of every combination of knobs; an error where later ones disagree with it."""
    _, first, where = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    original = first[where.reshape(-1)]
    differs = np.flatnonzero((losses != losses[original]).any(axis=1))
    if len(differs):
        one, two = rows[int(original[differs[0]])], rows[int(differs[0])]
        raise DataError(
            f"{path}: lines {one.line} and {two.line} have equal knobs and other results; name the knob that tells "
            "them apart, or average them"
        )
    return np.sort(first)
