"""Many outcomes at once: counted, the best of them, and their numbers as arrays, all by indexes, without any JSON."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
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
FEW = 400
"""Trials that are asked for by their numbers at once."""
OTHER_ROLES = ("baseline", "family")
"""What trials of a study are beside those of its search."""


class Counts(NamedTuple):
    """How many candidates of a search are finished, and how many of those have no result, by reason."""

    finished: int
    failed: dict[str, int]


class NumberTable(NamedTuple):
    """Numbers of the complete outcomes of a search, arrays of the shape (outcomes,), by trial.

    `fidelity` is the place of each one's in `fidelities`, JSON as the ledger has it, `network` a number that outcomes
    of one network share. `values` has an array for each metric, NaN where it was not measured. `ends` is when
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
    others = select(trials.c.trial).where(trials.c.study_id == study_id, trials.c.role.in_(OTHER_ROLES))
    numbers = [trial for (trial,) in ledger.rows(others)]
    for first in range(0, len(numbers), FEW):  # asked for at once they would be looked for among all of the search
        some = outcomes.c.trial.in_(numbers[first : first + FEW])
        for reason, count in ledger.rows(every.where(some).group_by(outcomes.c.failure)):
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
        ranked = select(trials.c.trial, value).where(trials.c.study_id == study_id, trials.c.role == "search")
    else:
        value = measurements.c.value
        ranked = select(measurements.c.trial, value)
        ranked = ranked.where(measurements.c.study_id == study_id, measurements.c.metric == metric)
    ranked = ranked.order_by(value.desc() if maximise else value)
    complete = select(outcomes.c.trial).join_from(outcomes, trials, same_trial())
    complete = complete.where(trials.c.study_id == study_id, trials.c.role == "search", outcomes.c.failure.is_(None))
    first = 0
    while best := ledger.rows(ranked.limit(FEW).offset(first)):
        among = ledger.rows(complete.where(outcomes.c.trial.in_([trial for trial, _ in best])))
        there = {trial for (trial,) in among}
        for trial, found in best:
            if trial in there:
                return float(found)
        first += FEW
    return None


def has_columns(metric: str, is_described: bool) -> bool:
    """Whether a ledger has the values of `metric` in columns: costs, and what is not described by the network."""
    return metric in Cost.__struct_fields__ or not is_described


def read_numbers(ledger: Ledger, name: str, metrics: Sequence[str]) -> NumberTable:
    """The numbers of all complete outcomes of the search of the study `name` of `ledger`, with those of `metrics`."""
    study_id = study_id_of(ledger, name)
    known = [metric for metric in metrics if metric in Cost.__struct_fields__]
    columns = select(trials.c.trial, trials.c.arch_id, trials.c.fidelity, *(trials.c[each] for each in known))
    searched = columns.where(trials.c.study_id == study_id, trials.c.role == "search").order_by(trials.c.trial)
    every = select(outcomes.c.trial, outcomes.c.finished, outcomes.c.failure.is_(None))
    every_end = _arrays(ledger, every.where(outcomes.c.study_id == study_id), 3)
    ended = every_end[every_end[:, 2] == 1, :2]
    place_of_fidelity: dict[str, int] = {}
    number_of_network: dict[str, int] = {}
    empty = np.empty((0, 3), dtype=np.int64), np.empty((0, len(known)))
    parts = [empty]
    with uncollected():
        for group in groups(ledger, searched):
            numbers, networks, told, *costs = zip(*group, strict=True)
            at = _places(told, place_of_fidelity)
            whole = np.stack((np.array(numbers, dtype=np.int64), at, _network_numbers(networks, number_of_network)), 1)
            parts.append((whole, np.array(costs, dtype=np.float64).reshape(len(known), len(group)).T))
    table, spent = (np.concatenate(each) for each in zip(*parts, strict=True))
    ends = np.sort(every_end[np.isin(every_end[:, 0], table[:, 0], assume_unique=True), 1])
    trial, mine, theirs = np.intersect1d(table[:, 0], ended[:, 0], assume_unique=True, return_indices=True)
    table, spent, ended = table[mine], spent[mine], ended[theirs]
    values = {metric: spent[:, place] for place, metric in enumerate(known)}
    for metric in metrics:
        if metric not in values:
            asked = select(measurements.c.trial, measurements.c.value)
            asked = asked.where(measurements.c.study_id == study_id, measurements.c.metric == metric)
            measured = _arrays(ledger, asked, 2)
            values[metric] = np.full(len(trial), np.nan)
            _, own, its = np.intersect1d(trial, measured[:, 0], assume_unique=True, return_indices=True)
            values[metric][own] = measured[its, 1]
    return NumberTable(trial, ended[:, 1], table[:, 1], table[:, 2], list(place_of_fidelity), values, ends)


def _places(told: Sequence[str | None], known: dict[str, int]) -> NDArray[np.int64]:
    """The places of texts among those `known`, which grow, shape (texts,): most groups have one text."""
    if len(set(told)) == 1:
        return np.full(len(told), known.setdefault(told[0] or "", len(known)))
    return np.array([known.setdefault(each or "", len(known)) for each in told], dtype=np.int64)


def _network_numbers(ids: Sequence[str], known: dict[str, int]) -> NDArray[np.int64]:
    """A number for each of the `ids` of networks, shape (ids,): its 16 hexadecimal digits, as 64 bits.

    Other ids, of older programs, are numbered as they come, and `known` then.
    """
    if set(map(len, ids)) == {16}:
        with suppress(ValueError):
            return np.frombuffer(bytes.fromhex("".join(ids)), dtype=">i8").astype(np.int64)
    return np.array([known.setdefault(each, len(known)) for each in ids], dtype=np.int64)


def _arrays(ledger: Ledger, columns: Any, width: int) -> NDArray[np.float64]:
    """The rows of a query of `width` numbers as an array of shape (rows, width)."""
    found = np.fromiter(chain.from_iterable(chain.from_iterable(groups(ledger, columns))), dtype=np.float64)
    return found.reshape(-1, width)
