"""Tables of known results, read from the data folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from naslab.bench.table import TableDomain, TableSpace
from naslab.errors import DataError, ReadError, SpecError, UnknownNameError
from naslab.estimators.known_table import shipped_tables
from naslab.metrics import ACCURACY, MACS, PARAMS
from naslab.reading import TABLE, cells_by_column, json_values, read_bytes, read_rows
from naslab.space.genome import Hole
from naslab.study.problem import Objective

MACRO_FILE = "nas_bench_macro/nas-bench-macro_cifar10.json.gz"
WORTHLESS_ACCURACY = 80.0
"""Per cent below which a network adds no hypervolume."""
MACRO_COSTS = (MACS.name, PARAMS.name)
MACRO_STAGES = ((0, 2), (2, 5), (5, 8))
MACRO_KINDS = ("identity", "kernel 3, expansion 3", "kernel 5, expansion 6")
LAYERS = "layers"
MACRO_SCORES = (LAYERS, "naswot", "ensemble")
"""Proxies of its networks that are a prior: the layers that are no identity, and those of the file of scores."""
SCORES_FILE = "nas_bench_macro_scores.csv.gz"
"""Written by `scripts/score_macro.py`."""


def load_nas_bench_macro(
    data_dir: Path,
    objectives: Sequence[str] = (ACCURACY.name,),
    features: Sequence[str] = MACRO_COSTS,
    duration: str | None = None,
) -> TableDomain:
    """NAS-Bench-Macro (Su et al. 2021, arXiv 2103.11922): 6,561 keys, 3,969 networks, mean test accuracy of three runs.

    `data_dir` is the folder of data sets. `objectives` are of accuracy (per cent, up), macs and params (down, known
    before training). A model may learn from the logarithms of `features`, of macs and params; those of `MACRO_SCORES`
    are a prior instead: `layers`, and proxies at initialisation that come with naslab. Trainings take time in
    proportion to the cost `duration`. Raises `UnknownNameError` for other columns and `DataError` where the table or
    the scores cannot be read.
    """
    require_columns("nas_bench_macro", (ACCURACY.name, *MACRO_COSTS), MACRO_COSTS, objectives, (), duration)
    require_columns(
        "nas_bench_macro", (ACCURACY.name,), (*MACRO_COSTS, *MACRO_SCORES), (ACCURACY.name,), features, None
    )
    scores = [name for name in features if name in MACRO_SCORES]
    features = [name for name in features if name in MACRO_COSTS]
    path = data_dir / MACRO_FILE
    try:
        found = json_values(read_bytes(path, TABLE), path, TABLE)
    except ReadError as error:
        raise DataError(f"{error}; set NASLAB_DATA or --data-dir to its folder") from error
    names = sorted(found)
    keys = np.array([[int(digit) for digit in name] for name in names], dtype=np.int64)
    space = TableSpace([Hole(path=f"layer{index + 1}", options=MACRO_KINDS) for index in range(8)], keys)
    columns = {
        ACCURACY.name: np.array([-found[name]["mean_acc"] for name in names]),
        MACS.name: np.array([float(found[name]["flops"]) for name in names]),
        PARAMS.name: np.array([float(found[name]["params"]) for name in names]),
    }
    canonical = {merged: index for index, merged in enumerate(sorted({merged_key(name) for name in names}))}
    losses = np.stack([columns[metric] for metric in objectives], axis=1)
    inputs = np.array([np.log(columns[metric]) for metric in features]).reshape(len(features), len(names)).T
    worthless = {ACCURACY.name: -WORTHLESS_ACCURACY}
    table = TableDomain(
        space,
        losses,
        [metric != ACCURACY.name for metric in objectives],
        inputs,
        np.array([canonical[merged_key(name)] for name in names], dtype=np.int64),
        [worthless.get(metric, float(worst)) for metric, worst in zip(objectives, losses.max(axis=0), strict=True)],
        [Objective.named(metric) for metric in objectives],
        None if duration is None else columns[duration],
    )
    return table.scored(scores, macro_scores(names, scores)) if scores else table


def macro_scores(keys: Sequence[str], names: Sequence[str]) -> NDArray[np.float64]:
    """The scores of the networks of `keys` by those proxies of `MACRO_SCORES` that are called `names`.

    Of shape (keys, names), larger for better; NaN where a network has none. Raises `DataError` where the file of scores
    cannot be read.

    >>> macro_scores(["22212220", "00000000"], ["layers"]).tolist()
    [[7.0], [0.0]]
    """
    found = np.full((len(keys), len(names)), np.nan)
    kept = scores_by_key(shipped_tables() / SCORES_FILE) if set(names) - {LAYERS} else {}
    for column, name in enumerate(names):
        if name == LAYERS:
            found[:, column] = [len(key) - key.count("0") for key in keys]
        else:
            found[:, column] = [kept.get(merged_key(key), {}).get(name, np.nan) for key in keys]
    return found


def scores_by_key(path: Path) -> dict[str, dict[str, float]]:
    """The scores of a file as `scripts/score_macro.py` writes it, by key and name; those that are not there left out.

    Raises `DataError` where the file cannot be read.
    """
    try:
        header, lines = read_rows(path)
        rows = [cells_by_column(path, header, line) for line in lines]
        return {row["key"]: {name: float(row[name]) for name in header if name != "key" and row[name]} for row in rows}
    except (ReadError, KeyError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as scores: {error}; install naslab again") from error


def require_columns(
    table: str,
    aims: Sequence[str],
    costs: Sequence[str],
    objectives: Sequence[str],
    features: Sequence[str],
    duration: str | None,
) -> None:
    """Refuse names that the known `table` does not have.

    `objectives` must be of `aims`, `features` and `duration` of `costs`. Raises `UnknownNameError`, and `SpecError` for
    no objective and for a name given twice.
    """
    if not objectives:
        raise SpecError("objectives", "needs at least one column")
    named = {"objective": (objectives, aims), "feature": (features, costs)}
    named["duration"] = ([] if duration is None else [duration], costs)
    for kind, (names, known) in named.items():
        for name in names:
            if name not in known:
                raise UnknownNameError(f"{kind} of {table}", name, known)
        if len(set(names)) < len(names):
            raise SpecError(f"{kind}s", f"names a column twice: {', '.join(names)}")


def merged_key(key: str) -> str:
    """The `key` with identities after a stage's first layer moved to the stage's end: equal for equal networks.

    >>> merged_key("10002011")
    '10020011'
    """
    stages = (key[start:stop] for start, stop in MACRO_STAGES)
    return "".join(stage[0] + stage[1:].replace("0", "").ljust(len(stage) - 1, "0") for stage in stages)
