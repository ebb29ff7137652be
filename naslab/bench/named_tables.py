"""The tables of known results that have a name, a row each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from naslab.bench.fashion_mixed import FEATURES, load_fashion_mixed
from naslab.bench.known_tables import MACRO_COSTS, load_nas_bench_macro
from naslab.bench.nas_bench_201 import COSTS, load_nas_bench_201
from naslab.bench.table import TableDomain


class LoadTable(Protocol):
    """What reads a table from the folder of data sets: a function, and a row of `NAMED_TABLES`.

    It is called once a comparison, in the driver, and gives an equal table for equal arguments.

    >>> import numpy as np
    >>> from naslab.bench.table import TableSpace
    >>> from naslab.space.genome import Hole
    >>> accuracies, macs = np.array([[91.0], [93.0], [92.5]]), np.array([[9e6], [25e6], [49e6]])
    >>> def load_kernels(data_dir, objectives, features, duration):
    ...     space = TableSpace([Hole(path="kernel", options=(3, 5, 7))], np.array([[0], [1], [2]]))
    ...     return TableDomain(space, losses=-accuracies, features=np.log(macs))
    >>> table = NamedTable(load_kernels, costs=("macs",)).load(Path("data"), ["accuracy"], ["macs"], None)
    >>> table.look_up(table.space.genome(1)).losses
    (-93.0,)
    """

    def __call__(
        self, data_dir: Path, objectives: Sequence[str], features: Sequence[str], duration: str | None
    ) -> TableDomain:
        """The table in the folder `data_dir`, a row a network.

        `objectives` are the columns to be good at, one or more, each as a loss to be small in its own unit (accuracies
        in per cent, negated); those known before training are said to be. `features` are the columns that a model may
        learn from, as natural logarithms. Trainings take time in proportion to the column `duration`, all as long for
        `None`.

        Raises `UnknownNameError` for a column that the table does not have, `SpecError` for no objective and for a
        column named twice, and `DataError` where the table cannot be read.
        """
        ...


class NamedTable(NamedTuple):
    """What `load`s a table, and the columns `costs` that a model learns from where nothing else is said."""

    load: LoadTable
    costs: tuple[str, ...]


NAMED_TABLES = {
    "nas_bench_macro": NamedTable(load_nas_bench_macro, MACRO_COSTS),
    "nas_bench_201": NamedTable(load_nas_bench_201, COSTS),
    "fashion_mixed": NamedTable(load_fashion_mixed, FEATURES),
}
