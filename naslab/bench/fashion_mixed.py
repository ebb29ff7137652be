"""Our own table: networks of `search_spaces/fashion_mixed.yaml`, each trained from several seeds on Fashion-MNIST.

It comes with naslab as `fashion_mixed.csv.gz`, a row a training with its whole curves, written by
`scripts/make_fashion_table.py`. `results/tables/README.md` says how it was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from naslab.arch.block import require
from naslab.bench.known_tables import require_columns
from naslab.bench.sampled_space import SampledSpace
from naslab.bench.table import TableDomain
from naslab.errors import DataError, ReadError
from naslab.estimators.known_table import (
    FASHION_EPOCHS,
    FASHION_FILE,
    KEY,
    genome_of_key,
    shipped_tables,
)
from naslab.metrics import ACCURACY, ACTIVATIONS, LATENCY, MACS, PARAMS
from naslab.reading import cells_by_column, read_rows
from naslab.space import Genome, load_space
from naslab.study.problem import Objective

SPACE = "fashion_mixed"
SHORT, VALIDATION, TEST = "accuracy_4", "validation_accuracy", "test_accuracy"
COSTS = (MACS.name, PARAMS.name, ACTIVATIONS.name)
FEATURES = COSTS[:2]
MAXIMISED = (ACCURACY.name, SHORT, VALIDATION, TEST)
AIMS = (*MAXIMISED, LATENCY.name, *COSTS)

Matrix = NDArray[np.float64]


class FashionTable(NamedTuple):
    """The table as arrays, a row a network, a column a seed: NaN where a network was not trained from it.

    `genomes` are of the space. `validation`, shape (epochs, networks, seeds), and `test`, shape (networks, seeds), are
    accuracies in per cent, `seconds`, shape (networks, seeds), CPU seconds of a whole training. `costs` has the columns
    of `COSTS`, shape (networks, 3); `latency`, shape (networks,), is in milliseconds, NaN where it was not measured.
    """

    genomes: tuple[Genome, ...]
    validation: Matrix
    test: Matrix
    seconds: Matrix
    costs: Matrix
    latency: Matrix


def load_fashion_mixed(
    data_dir: Path | None = None,
    objectives: Sequence[str] = (ACCURACY.name,),
    features: Sequence[str] = FEATURES,
    duration: str | None = None,
) -> TableDomain:
    """The networks of `fashion_mixed` that were trained, on Fashion-MNIST at 16 x 16.

    It comes with naslab: nothing is read from `data_dir`. `objectives` are of `accuracy` (up: a search is told the
    validation accuracy of one of a network's trainings, and judged by their mean test accuracy; first of several
    objectives), `validation_accuracy` and `test_accuracy` (up: after 12 epochs, means of a network's seeds),
    `accuracy_4` (up: validation after 4 epochs of the first seed), `latency_ms` (down: measured in ONNX Runtime), and
    macs, params and activations (down, known before training). A model may learn from the logarithms of `features`, of
    these costs. Trainings take time in proportion to the cost `duration`. Raises `UnknownNameError` for other columns,
    `SpecError` for none, for a name given twice and for `accuracy` behind another, and `DataError` where the table
    cannot be read.

    >>> load_fashion_mixed(objectives=("accuracy", "macs")).num_objectives
    2
    """
    require_columns(SPACE, AIMS, COSTS, objectives, features, duration)
    require(ACCURACY.name not in objectives[1:], "objectives", f"of {SPACE} need {ACCURACY.name} first, or not at all")
    table = read_fashion_table()
    test = np.nanmean(table.test, axis=1)
    columns = {
        ACCURACY.name: test,
        SHORT: table.validation[3, :, 0],
        VALIDATION: np.nanmean(table.validation[-1], axis=1),
        TEST: test,
        LATENCY.name: table.latency,
        **dict(zip(COSTS, table.costs.T, strict=True)),
    }
    kept = np.isfinite([columns[name] for name in objectives]).all(axis=0)
    rows = np.flatnonzero(kept)
    if not len(rows):
        raise DataError(f"the table {SPACE} has no network with all of {', '.join(objectives)}")
    inputs = np.array([np.log(columns[name][rows]) for name in features]).reshape(len(features), len(rows)).T
    return TableDomain(
        SampledSpace(load_space(SPACE), [table.genomes[row] for row in rows]),
        np.stack([(-1 if name in MAXIMISED else 1) * columns[name][rows] for name in objectives], axis=1),
        [name in COSTS for name in objectives],
        inputs,
        objectives=[Objective(metric=name, maximise=name in MAXIMISED) for name in objectives],
        durations=None if duration is None else columns[duration][rows],
        shown=-table.validation[-1, rows].T if objectives[0] == ACCURACY.name else None,
    )


@cache
def read_fashion_table(path: Path | None = None) -> FashionTable:
    """The table that comes with naslab, or that of `path`; it is read once, and its arrays cannot be changed.

    Raises `DataError` where it cannot be read.

    >>> table = read_fashion_table()
    >>> len(table.validation), len(table.genomes) == len(table.latency)
    (12, True)
    """
    path = shipped_tables() / FASHION_FILE if path is None else path
    try:
        header, lines = read_rows(path)
        rows = [cells_by_column(path, header, line) for line in lines]
        return _arrays(path, rows)
    except (ReadError, KeyError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as the table {SPACE}: {error}; install naslab again") from error


def _arrays(path: Path, rows: Sequence[dict[str, str]]) -> FashionTable:
    """The rows of trainings by network and seed."""
    space = load_space(SPACE)
    keys = list(dict.fromkeys(row[KEY] for row in rows))
    found = [genome_of_key(space, key) for key in keys]
    genomes = tuple(genome for genome in found if genome is not None)
    if not rows or len(genomes) < len(keys):
        raise DataError(f"{path}: has rows of networks that are not of {SPACE}, or none")
    place = {key: number for number, key in enumerate(keys)}
    shape = (len(keys), 1 + max(int(row["seed"]) for row in rows))
    validation = np.full((FASHION_EPOCHS, *shape), np.nan)
    test, seconds = np.full(shape, np.nan), np.full(shape, np.nan)
    costs, latency = np.full((len(keys), len(COSTS)), np.nan), np.full(len(keys), np.nan)
    curve = [f"validation_accuracy_{epoch + 1}" for epoch in range(FASHION_EPOCHS)]
    for row in rows:
        at = place[row[KEY]], int(row["seed"])
        validation[:, at[0], at[1]] = [float(row[name]) for name in curve]
        test[at], seconds[at] = float(row["test_accuracy"]), float(row["cpu_seconds"])
        costs[at[0]] = [float(row[name]) for name in COSTS]
        latency[at[0]] = float(row[LATENCY.name] or "nan")
    for array in (validation, test, seconds, costs, latency):
        array.setflags(write=False)  # one table for all that read it
    return FashionTable(genomes, validation, test, seconds, costs, latency)
