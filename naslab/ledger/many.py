"""Many outcomes at once: counted, the best of them, rows in groups; all by indexes, without any JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import Select, func, select
from sqlalchemy.exc import DataError

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


def groups(ledger: Ledger, columns: Select[Any]) -> Iterator[Sequence[tuple[Any, ...]]]:
    """The rows that the query `columns` finds in `ledger` as plain tuples, some thousand at a time."""
    with explained(ledger.location), ledger._engine.connect() as connection, connection.execute(columns) as found:
        while group := found.cursor.fetchmany(ROWS_AT_ONCE):
            yield group


def read_columns(ledger: Ledger, columns: Select[Any], as_json: Sequence[str] = ()) -> list[Any]:
    """The columns of the whole numbers and texts that the query `columns` finds in `ledger`, as lists of one order.

    Which order is the database's business. SQLite hands each column over as one JSON array, which takes a third of the
    time that its rows take; it would write floats with fewer digits than they have. Where that array is longer than
    SQLite's longest text, and in other databases, rows are read. Columns whose names are in `as_json` come as that
    text, for those who make no Python value of each.
    """
    asked = columns.subquery()
    if ledger.location.path is not None:
        packed = select(*(func.json_group_array(each) for each in asked.c))
        with explained(ledger.location), ledger._engine.connect() as connection, suppress(DataError):
            texts = zip(asked.c, connection.execute(packed).one(), strict=True)
            return [text if each.name in as_json else msgspec.json.decode(text) for each, text in texts]
    found: list[list[Any]] = [[] for _ in asked.c]
    for group in groups(ledger, columns):
        for column, values in zip(found, zip(*group, strict=True), strict=True):
            column.extend(values)
    read = zip(asked.c, found, strict=True)
    return [msgspec.json.encode(column).decode() if each.name in as_json else column for each, column in read]


def study_id_of(ledger: Ledger, name: str) -> int:
    """The key of the study `name` of `ledger`. Raises `UnknownNameError` where there is none."""
    return ledger._study_id(name)


def has_more_outcomes(ledger: Ledger, name: str, count: int) -> bool:
    """Whether more than `count` candidates of the study `name` of `ledger` are finished; no more are looked at."""
    of_study = select(outcomes.c.trial).where(outcomes.c.study_id == study_id_of(ledger, name))
    return bool(ledger.rows(of_study.limit(1).offset(count)))


def last_finished(ledger: Ledger, name: str) -> int | None:
    """The highest number of a finished trial of the study `name` of `ledger`, `None` without any."""
    of_study = outcomes.c.study_id == study_id_of(ledger, name)
    found: int | None = ledger.rows(select(func.max(outcomes.c.trial)).where(of_study))[0][0]
    return found


def count_searched(ledger: Ledger, name: str) -> Counts:
    """How many candidates of the search of the study `name` of `ledger` are finished and failed."""
    study_id = study_id_of(ledger, name)
    every = select(outcomes.c.failure, func.count()).where(outcomes.c.study_id == study_id)
    without = every.where(outcomes.c.failure.is_not(None)).group_by(outcomes.c.failure)  # few, and grouping takes long
    found: dict[str | None, int] = dict(map(tuple, ledger.rows(without)))
    found[None] = ledger.num_outcomes(name) - sum(found.values())
    others = select(trials.c.trial).where(trials.c.study_id == study_id, trials.c.role.in_(OTHER_ROLES))
    numbers = [trial for (trial,) in ledger.rows(others)]
    for first in range(0, len(numbers), FEW):  # asked for at once they would be looked for among all of the search
        some = outcomes.c.trial.in_(numbers[first : first + FEW])
        for reason, count in ledger.rows(every.where(some).group_by(outcomes.c.failure)):
            found[reason] -= count
    failed = {reason: count for reason, count in found.items() if reason is not None and count}
    return Counts(sum(found.values()), failed)


def measured_metrics(ledger: Ledger, name: str) -> list[str]:
    """The metrics that any outcome of the study `name` of `ledger` has measured, sorted; each takes one look-up."""
    metric = measurements.c.metric
    of_study = select(func.min(metric)).where(measurements.c.study_id == study_id_of(ledger, name))
    found: list[str] = []
    while (following := ledger.rows(of_study.where(metric > (found[-1] if found else "")))[0][0]) is not None:
        found.append(following)
    return found


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
