"""The tables of known results that have a name, a row each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from naslab.bench.known_tables import MACRO_COSTS, load_nas_bench_macro
from naslab.bench.nas_bench_201 import COSTS, load_nas_bench_201
from naslab.bench.table import TableDomain


class LoadTable(Protocol):
    """What reads a table from the folder of data sets."""

    def __call__(
        self, data_dir: Path, objectives: Sequence[str], features: Sequence[str], duration: str | None
    ) -> TableDomain:
        """The table of `data_dir` for `objectives`, with the columns `features` known before training.

        Trainings take time in proportion to the column `duration`.
        """
        ...


class NamedTable(NamedTuple):
    """What `load`s a table, and the columns `costs` that a model learns from where nothing else is said."""

    load: LoadTable
    costs: tuple[str, ...]


NAMED_TABLES = {
    "nas_bench_macro": NamedTable(load_nas_bench_macro, MACRO_COSTS),
    "nas_bench_201": NamedTable(load_nas_bench_201, COSTS),
}
