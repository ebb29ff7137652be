"""NAS-Bench-201 (Dong and Yang 2020, arXiv 2001.00326) on CIFAR-100 as a table: 15,625 cells, read from two CSV files.

`table.csv.gz` has a row for each cell, `measured_latency.csv` one for each cell whose latency was measured; `COLUMNS`
names their columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from naslab.bench.known_tables import require_columns
from naslab.bench.table import TableDomain, TableSpace
from naslab.errors import DataError, ReadError
from naslab.metrics import ACCURACY, LATENCY, MACS, PARAMS
from naslab.notations.nas_bench_201 import OPERATIONS
from naslab.reading import cells_by_column, read_rows
from naslab.space.genome import Hole
from naslab.study.problem import Objective

FOLDER = "nas_bench_201_cifar100"
TRAINED, MEASURED = "table.csv.gz", "measured_latency.csv"
SHORT_ACCURACY = "accuracy_12"
"""Validation accuracy after 12 epochs, of one seed."""
COSTS = (MACS.name, PARAMS.name)
COLUMNS = {
    ACCURACY.name: "test_200ep",
    SHORT_ACCURACY: "val_12ep",
    LATENCY.name: "latency_ms",
    MACS.name: "macs",
    PARAMS.name: "params",
}
"""What may be aimed at, and the column that holds it."""
EDGES = tuple(f"e{index}" for index in range(6))
MAXIMISED = (ACCURACY.name, SHORT_ACCURACY)


def load_nas_bench_201(
    data_dir: Path,
    objectives: Sequence[str] = (ACCURACY.name,),
    features: Sequence[str] = COSTS,
    duration: str | None = None,
) -> TableDomain:
    """The cells of NAS-Bench-201 on CIFAR-100, from the folder of data sets `data_dir`.

    `objectives` are of `accuracy` (test, after 200 epochs, up), `accuracy_12` (validation, after 12 epochs of one seed:
    noisy, up), `latency_ms` (measured, down), macs and params (down, known before training). Where `latency_ms` is one
    of them the 1,999 cells that were measured are the table, and all others invalid networks. A model may learn from
    the logarithms of `features`, of macs and params. Trainings take time in proportion to the cost `duration`. Raises
    `UnknownNameError` for other columns, `SpecError` for none and for a name given twice, and `DataError` where the
    table cannot be read.
    """
    require_columns("nas_bench_201", tuple(COLUMNS), COSTS, objectives, features, duration)
    rows = _rows(data_dir / FOLDER / (MEASURED if LATENCY.name in objectives else TRAINED))
    knobs = [Hole(path=f"edge{index}", options=OPERATIONS) for index in range(len(EDGES))]
    place: dict[str, int] = {operation: index for index, operation in enumerate(OPERATIONS)}
    keys = np.array([[place[row[edge]] for edge in EDGES] for row in rows], dtype=np.int64)
    losses = [-_values(rows, name) if name in MAXIMISED else _values(rows, name) for name in objectives]
    inputs = np.array([np.log(_values(rows, name)) for name in features]).reshape(len(features), len(rows)).T
    return TableDomain(
        TableSpace(knobs, keys),
        np.stack(losses, axis=1),
        [name in COSTS for name in objectives],
        inputs,
        objectives=[Objective(metric=name, maximise=name in MAXIMISED) for name in objectives],
        durations=None if duration is None else _values(rows, duration),
    )


def _rows(path: Path) -> list[dict[str, str]]:
    """The rows of a file by column; `DataError` where a cell of the network is none of the operations."""
    try:
        header, lines = read_rows(path)
        rows = [cells_by_column(path, header, line) for line in lines]
    except ReadError as error:
        raise DataError(f"{error}; set NASLAB_DATA or --data-dir to its folder") from error
    for line, row in zip(lines, rows, strict=True):
        for edge in EDGES:
            if row.get(edge) not in OPERATIONS:
                rule = f"column '{edge}' must be one of {', '.join(OPERATIONS)}"
                raise DataError(f"{path}, line {line.number}: {rule}")
    if not rows:
        raise DataError(f"{path}: the table has no rows")
    if len({tuple(row[edge] for edge in EDGES) for row in rows}) < len(rows):
        raise DataError(f"{path}: a cell stands there twice; get the file anew")
    return rows


def _values(rows: Sequence[dict[str, str]], name: str) -> NDArray[np.float64]:
    """What is called `name` of each row, shape (rows,): finite, and costs above 0."""
    column = COLUMNS[name]
    try:
        values = np.array([float(row[column]) for row in rows])
    except (KeyError, ValueError):
        raise DataError(f"the table of NAS-Bench-201 has no numbers in a column '{column}'") from None
    if not np.isfinite(values).all() or (name not in MAXIMISED and values.min() <= 0):
        rule = "numbers that are finite" + ("" if name in MAXIMISED else " and above 0")
        raise DataError(f"the table of NAS-Bench-201 needs {rule} in its column '{column}'; get the file anew")
    return values
