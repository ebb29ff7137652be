"""Many outcomes at once: counted, the best of them, and their numbers as arrays, all by indexes, without any JSON."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Select, func, select

from naslab.arch.cost import Cost
from naslab.ledger.faults import explained
from naslab.ledger.queries import same_trial
from naslab.ledger.tables import measurements, outcomes, trials

if TYPE_CHECKING:
    from naslab.ledger.ledger import Ledger

ROWS_AT_ONCE = 2_000
OTHER_ROLES = ("baseline", "family")
"""What trials of a study are beside those of its search."""


class Counts(NamedTuple):
    """How many candidates of a search are finished, and how many of those have no result, by reason."""

    finished: int
    failed: dict[str, int]


class NumberTable(NamedTuple):
    """Numbers of the complete outcomes of a search, arrays of the shape (outcomes,), by trial.

    `fidelity` is the place of each one's in `fidelities`, JSON as the ledger has it, `network` the place of the first
    outcome of the same network. `values` has an array for each metric, NaN where it was not measured. `ends` is when
    every outcome was finished, also those that failed, in order.
    """

    trial: NDArray[np.int64]
    finished: NDArray[np.float64]
    fidelity: NDArray[np.int64]
    network: NDArray[np.int64]
    fidelities: list[str]
    values: dict[str, NDArray[np.float64]]
    ends: NDArray[np.float64]


@contextmanager
def uncollected() -> Iterator[None]:
    """Within the block Python looks for no garbage: each look would go through all values that are being read."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def groups(ledger: Ledger, columns: Select[Any]) -> Iterator[Sequence[tuple[Any, ...]]]:
    """The rows that the query `columns` finds in `ledger` as plain tuples, some thousand at a time."""
    with explained(ledger.location), ledger._engine.connect() as connection, connection.execute(columns) as found:
        while group := found.cursor.fetchmany(ROWS_AT_ONCE):
            yield group


def study_id_of(ledger: Ledger, name: str) -> int:
    """The key of the study `name` of `ledger`. Raises `UnknownNameError` where there is none."""
    return ledger._study_id(name)


def count_searched(ledger: Ledger, name: str) -> Counts:
    """How many candidates of the search of the study `name` of `ledger` are finished and failed."""
    study_id = study_id_of(ledger, name)
    every = select(outcomes.c.failure, func.count()).where(outcomes.c.study_id == study_id)
    found: dict[str | None, int] = dict(map(tuple, ledger.rows(every.group_by(outcomes.c.failure))))
    others = select(outcomes.c.failure, func.count()).join_from(outcomes, trials, same_trial())
    others = others.where(trials.c.study_id == study_id, trials.c.role.in_(OTHER_ROLES))
    for reason, count in ledger.rows(others.group_by(outcomes.c.failure)):
        found[reason] -= count
    failed = {reason: count for reason, count in found.items() if reason is not None and count}
    return Counts(sum(found.values()), failed)


def best_measured(ledger: Ledger, name: str, metric: str, maximise: bool) -> float | None:
    """The best finite value of `metric`, large where `maximise`, that a search of `ledger` measured or was told.

    It is that of the complete outcomes of the study `name`, `None` where none has one. The metric is one that the
    ledger has: measured, or a cost.
    """
    study_id = study_id_of(ledger, name)
    if metric in Cost.__struct_fields__:
        value = trials.c[metric]
        columns = select(value).join_from(trials, outcomes, same_trial()).where(trials.c.study_id == study_id)
    else:
        value = measurements.c.value
        is_of = (measurements.c.study_id == trials.c.study_id) & (measurements.c.trial == trials.c.trial)
        columns = select(value).join_from(measurements, trials, is_of).join(outcomes, same_trial())
        columns = columns.where(measurements.c.study_id == study_id, measurements.c.metric == metric)
    columns = columns.where(trials.c.role == "search", outcomes.c.failure.is_(None))
    found = ledger.rows(columns.order_by(value.desc() if maximise else value).limit(1))
    return float(found[0][0]) if found else None


def has_columns(metric: str, is_described: bool) -> bool:
    """Whether a ledger has the values of `metric` in columns: costs, and what is not described by the network."""
    return metric in Cost.__struct_fields__ or not is_described


def read_numbers(ledger: Ledger, name: str, metrics: Sequence[str]) -> NumberTable:
    """The numbers of all complete outcomes of the search of the study `name` of `ledger`, with those of `metrics`."""
    study_id = study_id_of(ledger, name)
    known = [metric for metric in metrics if metric in Cost.__struct_fields__]
    columns = select(trials.c.trial, trials.c.arch_id, trials.c.fidelity, *(trials.c[each] for each in known))
    searched = columns.where(trials.c.study_id == study_id, trials.c.role == "search").order_by(trials.c.trial)
    complete = select(outcomes.c.trial, outcomes.c.finished)
    complete = complete.where(outcomes.c.study_id == study_id, outcomes.c.failure.is_(None))
    ended = _arrays(ledger, complete.order_by(outcomes.c.trial), 2)
    every = select(outcomes.c.trial, outcomes.c.finished).where(outcomes.c.study_id == study_id)
    place_of_fidelity: dict[str, int] = {}
    place_of_network: dict[str, int] = {}
    rows: list[tuple[Any, ...]] = []
    with uncollected():
        for place, (trial, arch_id, fidelity, *costs) in enumerate(ledger.each_row(searched)):
            at = place_of_fidelity.setdefault(fidelity or "", len(place_of_fidelity))
            rows.append((trial, at, place_of_network.setdefault(arch_id, place), *costs))
    table = np.array(rows, dtype=np.float64).reshape(len(rows), 3 + len(known))
    ends = _arrays(ledger, every, 2)
    ends = np.sort(ends[np.isin(ends[:, 0], table[:, 0], assume_unique=True), 1])
    trial, mine, theirs = np.intersect1d(table[:, 0], ended[:, 0], assume_unique=True, return_indices=True)
    table, ended = table[mine], ended[theirs]
    values = {metric: table[:, 3 + place] for place, metric in enumerate(known)}
    for metric in metrics:
        if metric not in values:
            asked = select(measurements.c.trial, measurements.c.value)
            asked = asked.where(measurements.c.study_id == study_id, measurements.c.metric == metric)
            measured = _arrays(ledger, asked, 2)
            values[metric] = np.full(len(trial), np.nan)
            _, own, its = np.intersect1d(trial, measured[:, 0], assume_unique=True, return_indices=True)
            values[metric][own] = measured[its, 1]
    whole = (column.astype(np.int64) for column in (trial, table[:, 1], table[:, 2]))
    number, fidelity_place, network = whole
    return NumberTable(number, ended[:, 1], fidelity_place, network, list(place_of_fidelity), values, ends)


def _arrays(ledger: Ledger, columns: Any, width: int) -> NDArray[np.float64]:
    """The rows of a query of `width` numbers as an array of shape (rows, width)."""
    found = [np.array(group, dtype=np.float64) for group in groups(ledger, columns)]
    return np.concatenate(found) if found else np.empty((0, width))
