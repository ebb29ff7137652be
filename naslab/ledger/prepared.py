"""Statements that a search runs for each trial, made into text once: making each anew took most of a trial's time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Delete, Insert, Select, bindparam, delete, insert, select
from sqlalchemy.exc import IntegrityError

from naslab.ledger.tables import leases, measurements, outcomes, progress, schema, trials


class _Text(NamedTuple):
    """A statement in `sql`, and what puts its parameters in order; `None` where it has none, or they have names."""

    sql: str
    in_order: Callable[[Mapping[str, Any]], tuple[Any, ...]] | None


class Prepared:
    """A `statement` whose values are named parameters; those of an insertion are the `columns`."""

    def __init__(self, statement: Insert | Delete | Select[Any], columns: Sequence[str] | None = None) -> None:
        self._statement = statement
        self._columns = None if columns is None else list(columns)
        self._texts: dict[str, _Text] = {}

    def run(self, connection: Connection, *values: Mapping[str, Any]) -> Sequence[tuple[Any, ...]]:
        """Run it in the transaction of `connection`, once for each of `values`, or once without any.

        What comes back are the rows that a query finds. SQLite is asked without SQLAlchemy in between, which took
        longer than SQLite itself. Raises `IntegrityError` for a broken constraint; other errors of SQLite as they are.
        """
        text = self._text(connection)
        if connection.dialect.name != "sqlite":
            given: list[Any] = list(values)
            found = connection.exec_driver_sql(text.sql, given[0] if len(given) == 1 else given or None)
            return [tuple(row) for row in found] if found.returns_rows else []
        rows = list(map(text.in_order, values)) if text.in_order is not None else []
        driver: Any = connection.connection.driver_connection
        try:
            if len(rows) > 1:
                driver.executemany(text.sql, rows)
                return []
            return driver.execute(text.sql, *rows).fetchall()  # type: ignore[no-any-return]
        except sqlite3.IntegrityError as error:
            raise IntegrityError(text.sql, None, error) from error

    def _text(self, connection: Connection) -> _Text:
        """The statement for the kind of database of a connection."""
        dialect = connection.dialect
        if dialect.name not in self._texts:
            made = self._statement.compile(dialect=dialect, column_keys=self._columns)
            order = tuple(getattr(made, "positiontup", None) or ())
            assert len(order) != 1, "of a single name `itemgetter` makes no tuple"
            self._texts[dialect.name] = _Text(str(made), itemgetter(*order) if order else None)
        return self._texts[dialect.name]


def _of_trial(table: Any) -> tuple[Any, ...]:
    return table.c.study_id == bindparam("study_id"), table.c.trial == bindparam("trial")


def _entering(table: Any, without: Sequence[str] = ()) -> Prepared:
    return Prepared(insert(table).inline(), [column.name for column in table.c if column.name not in without])


VERSION = Prepared(select(schema.c.version).with_for_update(read=True))
ENTER_TRIAL = _entering(trials)
ENTER_PROGRESS = _entering(progress, ("position",))
ENTER_OUTCOME = _entering(outcomes, ("position",))
ENTER_MEASUREMENT = _entering(measurements)
FORGET_PROGRESS = Prepared(delete(progress).where(*_of_trial(progress)))
FORGET_LEASE = Prepared(delete(leases).where(*_of_trial(leases)))
