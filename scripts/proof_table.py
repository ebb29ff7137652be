"""What proofs that take long keep: a row for each piece of work, in a file, and what their pages say of the run."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from naslab.errors import NaslabError
from naslab.provenance import command_line, installed_versions, machine_description

Row = dict[str, Any]


class Table:
    """Rows in a file of lines of JSON, each by a key; what is there is not done again.

    Several processes may write into one file, each the rows of other keys.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    @property
    def rows(self) -> dict[str, Row]:
        """The rows that are there now, by key; of several the last."""
        lines = self._path.read_text(encoding="utf-8").splitlines() if self._path.exists() else []
        return {row["key"]: row for row in map(json.loads, lines)}

    def row(self, key: str, make: Callable[[], Row], is_wanted: bool = False) -> Row:
        """The row of `key`, made and saved where it is not there or `is_wanted` anew; else why it was refused."""
        found = self.rows.get(key)
        if found is not None and not is_wanted:
            return found
        try:
            made = make()
        except NaslabError as error:
            made = {"failure": str(error)}
        row = {"key": key, **made}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        return row


def mean_and_error(values: Sequence[float], digits: int = 1) -> str:
    """Mean and standard error over seeds as text; a dash without values, the value alone of one seed.

    >>> mean_and_error([70.0, 72.0]), mean_and_error([70.0]), mean_and_error([])
    ('71.0 ± 1.0', '70.0', '-')
    """
    if not values:
        return "-"
    mean = f"{fmean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {stdev(values) / math.sqrt(len(values)):.{digits}f}"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """A table as lines of Markdown, its columns called `head`."""
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(map(str, line))} |" for line in lines]


def told_of_run() -> dict[str, str]:
    """The command, the machine and the versions of this run, in the words of a page."""
    machine = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in machine_description().items())
    versions = ", ".join(f"{name} {version}" for name, version in installed_versions().items())
    return {"command": command_line(), "machine": machine, "versions": versions}
