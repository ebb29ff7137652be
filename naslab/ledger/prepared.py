"""Statements that a search runs for each trial, made into text once: making each anew took most of a trial's time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, CursorResult, Delete, Insert, Select, bindparam, delete, insert, select

from naslab.ledger.tables import leases, measurements, outcomes, progress, schema, trials


class Prepared:
    """A `statement` whose values are named parameters; those of an insertion are the `columns`."""

    def __init__(self, statement: Insert | Delete | Select[Any], columns: Sequence[str] | None = None) -> None:
        self._statement = statement
        self._columns = None if columns is None else list(columns)
        self._texts: dict[str, tuple[str, tuple[str, ...] | None]] = {}

    def run(self, connection: Connection, *values: Mapping[str, Any]) -> CursorResult[Any]:
        """Run it on `connection`, once for each of `values`, or once without any."""
        text, order = self._text(connection)
        given: list[Any] = list(values) if order is None else [tuple(each[name] for name in order) for each in values]
        return connection.exec_driver_sql(text, given[0] if len(given) == 1 else given or None)

    def _text(self, connection: Connection) -> tuple[str, tuple[str, ...] | None]:
        """The text for a kind of database, and the order of the parameters where they have no names there."""
        dialect = connection.dialect
        if dialect.name not in self._texts:
            made = self._statement.compile(dialect=dialect, column_keys=self._columns)
            order = tuple(getattr(made, "positiontup", None) or ()) if dialect.positional else None
            self._texts[dialect.name] = (str(made), order)
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
