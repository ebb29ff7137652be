"""Writing a first search space for a data set and a budget."""

from __future__ import annotations

from pathlib import Path

from naslab.atomic_write import atomic_write
from naslab.errors import SpecError
from naslab.space.starter import Starter, starter_space
from naslab.study.problem import read_number
from naslab.training.datasets.choosing import choose_data
from naslab.training.datasets.info import facts_of


def write_starter(
    path: Path, dataset: str, target_macs: str | None = None, data_dir: str | Path | None = None
) -> Starter:
    """Write a commented space for `dataset` (in `data_dir`) to the new file `path`; it is returned too.

    Half of its networks are within `target_macs`, as `50M`. Raises `SpecError` for a file that is there already and a
    budget that is none, and what a data set that is missing or damaged raises.
    """
    if path.exists():
        raise SpecError("path", f"{path} is there already: name another file, or take it away")
    macs = None
    if target_macs is not None:
        try:
            macs = read_number(target_macs)
        except ValueError:
            macs = -1.0
        if not 0 < macs < float("inf"):
            raise SpecError("target_macs", f"must be a number above 0, as 50M, got '{target_macs}'")
    facts = facts_of(choose_data(dataset, data_dir), data_dir)
    starter = starter_space(
        (facts.channels, facts.height, facts.width), facts.num_classes, macs, f"A space for {dataset}"
    )
    atomic_write(path, starter.text.encode())
    return starter
