"""Results that are known already, looked up by the choices of a genome instead of trained."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from naslab.arch import arch_id
from naslab.errors import DataError, ReadError, SpecError, shown
from naslab.estimators.estimator import Workbench
from naslab.metrics import ACCURACY
from naslab.reading import TABLE, cells_by_column, json_values, read_bytes, read_rows, whole_number
from naslab.space import Genome, SearchSpace
from naslab.space.genome import Hole
from naslab.study.outcome import Candidate, Estimate, Failure

FASHION_FILE = "fashion_mixed.csv.gz"
FASHION_EPOCHS = 12
KEY = "arch"
"""The column of keys of our own tables."""


class Known(NamedTuple):
    """A known accuracy in per cent and its standard error."""

    accuracy: float
    sem: float


class KnownTable(msgspec.Struct, frozen=True, kw_only=True):
    """Looks a candidate up by its genome: the options taken, as `genome_key` writes them, in the template's order.

    `path` is a CSV with a column of keys and one of accuracies in per cent (and one of standard errors, if named), or
    NAS-Bench-Macro's `.json.gz` as published (Su et al. 2022, arXiv 2103.11922), whose accuracies are the means of
    three trainings. Several rows of one key are trainings of one network: their mean counts, and the standard error of
    their spread. A candidate whose genome is not in the table is looked up by its network, where `space` says what
    the table's keys stand for: choices that make the same layers are one network. One that is not there either is an
    `invalid` failure. The fidelity plays no part.

    >>> KnownTable(path="known.csv").key_column
    'arch'
    """

    path: str
    space: SearchSpace | None = None
    key_column: str = KEY
    accuracy_column: str = "mean_acc"
    sem_column: str | None = None

    def prepare(self, bench: Workbench) -> None:
        """Read the table. Raises `DataError` where it is missing or lacks a column."""
        self._table(bench)

    def known_part(self, space: SearchSpace) -> list[Genome]:
        """The genomes of `space` that the table knows, in its order; none where it knows as many as the space has.

        Raises `DataError` where it cannot be read.
        """
        keys = self._table(Workbench(device="cpu", cache={}))
        if len(keys) >= space.size():
            return []
        return [genome for genome in (genome_of_key(space, key) for key in keys) if genome is not None]

    def require_known(self, space: SearchSpace, candidate: Candidate) -> None:
        """Raise `DataError` where the table cannot be read, or lacks a `candidate` of `space`.

        It is of another space then, or knows too few of this one. For a driver to call before anything runs.
        """
        failure = self.estimate(candidate, Workbench(device="cpu", cache={})).failure
        if failure is None:
            return
        known = len(self.known_part(space))
        if known:
            raise DataError(
                f"{self.path} knows {known:,} of the {space.size():,} genomes of this space, too few to search it by; "
                "strategies are compared on those alone by `naslab compare`, estimators by `naslab calibrate`"
            )
        raise DataError(f"{self.path} is not of this space: {failure.message}")

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        """The known accuracy of a candidate, or an `invalid` failure where the table has none."""
        started = time.perf_counter()
        key = genome_key(candidate.genome)
        known = self._table(bench).get(key)
        if known is None and self.space is not None:
            known = self._networks(bench, self.space).get(candidate.arch_id)
        if known is None:
            failure = Failure("invalid", f"'{key}' is not in {self.path}")
            return Estimate(failure=failure, device="table", worker=bench.worker)
        return Estimate(
            measured=ACCURACY.measured(known.accuracy, known.sem),
            wall_seconds=time.perf_counter() - started,
            device="table",
            worker=bench.worker,
        )

    def _networks(self, bench: Workbench, space: SearchSpace) -> dict[str, Known]:
        """The table by the identities of its networks; of several keys of one network the first counts."""
        place = (self, "networks")
        if place not in bench.cache:
            found: dict[str, Known] = {}
            for key, known in self._table(bench).items():
                genome = genome_of_key(space, key)
                if genome is not None:
                    found.setdefault(arch_id(space.decode(genome)), known)
            bench.cache[place] = found
        networks: dict[str, Known] = bench.cache[place]
        return networks

    def _table(self, bench: Workbench) -> dict[str, Known]:
        if self not in bench.cache:
            path = Path(self.path).expanduser()
            rows = _published_rows(path) if path.name.endswith(".json.gz") else _csv_rows(path, self)
            found: dict[str, list[Known]] = {}
            for key, known in rows:
                found.setdefault(key, []).append(known)
            bench.cache[self] = {key: averaged(each) for key, each in found.items()}
        table: dict[str, Known] = bench.cache[self]
        return table


def averaged(trainings: Sequence[Known]) -> Known:
    """What several `trainings` of one network say of it: their mean, with the standard error of their spread.

    One training counts as it is.

    >>> averaged([Known(90.0, 0.0), Known(92.0, 0.0)])
    Known(accuracy=91.0, sem=1.0)
    """
    if len(trainings) == 1:
        return trainings[0]
    accuracies = [each.accuracy for each in trainings]
    return Known(statistics.fmean(accuracies), statistics.stdev(accuracies) / math.sqrt(len(accuracies)))


def genome_key(genome: Genome) -> str:
    """The options taken, one digit a choice; with dashes between them where one of them takes more.

    >>> from naslab.space.genome import Gene
    >>> genome_key(Genome((Gene("layer1", 2), Gene("layer2", 0))))
    '20'
    """
    options = [str(gene.option) for gene in genome.genes]
    return ("-" if any(len(option) > 1 for option in options) else "").join(options)


def genome_of_key(space: SearchSpace, key: str) -> Genome | None:
    """The genome of `space` that `genome_key` writes as `key`; `None` where there is no such network.

    >>> from naslab.space import load_space
    >>> genome_key(genome_of_key(load_space("nas_bench_macro"), "01201201"))
    '01201201'
    """
    parts = iter(key.split("-") if "-" in key else key)

    def choose(hole: Hole) -> int:
        option = whole_number(next(parts, ""))
        if option is None or option >= len(hole.options):
            raise SpecError(hole.path, "has no such option")
        return option

    try:
        genome = space.fill(choose)
        return genome if next(parts, None) is None and space.is_network(genome) else None
    except SpecError:
        return None


def nas_bench_macro(data_dir: Path | str | None = None) -> KnownTable:
    """The table of all 6,561 networks of NAS-Bench-Macro (Su et al. 2022, arXiv 2103.11922) on CIFAR-10.

    It is looked for in `data_dir`, else in the folder of the environment variable NASLAB_DATA. Raises `DataError` where
    neither is given or the table is not there.
    """
    root = data_dir if data_dir is not None else os.environ.get("NASLAB_DATA")
    if root is None:
        raise DataError("NAS-Bench-Macro's table is not downloaded: give its folder by --data-dir or NASLAB_DATA")
    path = Path(root) / "nas_bench_macro" / "nas-bench-macro_cifar10.json.gz"
    if not path.is_file():
        raise DataError(f"NAS-Bench-Macro's table is not there: {path}; mend --data-dir or NASLAB_DATA")
    return KnownTable(path=str(path))


def shipped_tables() -> Path:
    """The folder of naslab's own tables: inside the installed package, or in a checkout's `results`."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / "tables"
    return shipped if shipped.is_dir() else package.parent / "results" / "tables"


def fashion_mixed(data_dir: Path | str | None = None) -> KnownTable:
    """Our own table of networks of the space `fashion_mixed`: validation accuracy after 12 epochs, mean of the seeds.

    It comes with naslab; nothing is read from `data_dir`.

    >>> fashion_mixed().accuracy_column
    'validation_accuracy_12'
    """
    path = shipped_tables() / FASHION_FILE
    return KnownTable(path=str(path), accuracy_column=f"validation_accuracy_{FASHION_EPOCHS}")


KNOWN_TABLES: dict[str, Callable[[Path | str | None], KnownTable]] = {
    "nas_bench_macro": nas_bench_macro,
    "fashion_mixed": fashion_mixed,
}
"""The tables of known results of spaces, by the name of the space."""


def _published_rows(path: Path) -> Iterator[tuple[str, Known]]:
    """The published accuracies: their mean, and its standard error from the spread of the trainings."""
    try:
        table = json_values(read_bytes(path, TABLE), path, TABLE)
        for key, row in table.items():
            runs = len(row["test_acc"])
            yield key, Known(row["mean_acc"], row["std"] / math.sqrt(max(1, runs - 1)))
    except (ReadError, AttributeError, ValueError, LookupError, TypeError) as error:
        raise DataError(f"{path} cannot be read as a table of accuracies: {_reason(error)}") from error


def _csv_rows(path: Path, table: KnownTable) -> Iterator[tuple[str, Known]]:
    try:
        header, lines = read_rows(path)
        for line in lines:
            row = cells_by_column(path, header, line)
            sem = float(row[table.sem_column]) if table.sem_column else 0.0
            yield row[table.key_column], Known(float(row[table.accuracy_column]), sem)
    except KeyError as error:
        raise DataError(f"{path} has no column {error}") from error
    except (ReadError, ValueError) as error:
        raise DataError(f"{path} cannot be read as a table of accuracies: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return error.reason if isinstance(error, ReadError) else shown(repr(error))
