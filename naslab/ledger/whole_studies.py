"""Studies that are entered, renamed, added to and taken away as a whole, in the transaction of a connection."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from naslab.errors import StudyError, shown
from naslab.ledger.record import RunRecord, StudyRecord
from naslab.ledger.rows import candidate_row, measured_rows, measurement_rows, outcome_row, to_json
from naslab.ledger.tables import leases, measurements, outcomes, prior_scores, progress, runs, studies, trials
from naslab.passwords import without_passwords
from naslab.study.outcome import Outcome


def enter_study(connection: Connection, record: StudyRecord) -> int:
    """Enter a study and return its key; raises `StudyError` for a name that is blank or not printable."""
    _require_name(record.name)
    made = connection.execute(insert(studies).values(name=record.name, trials=record.trials, record=to_json(record)))
    key = made.inserted_primary_key
    assert key is not None, "the database told no key of the row"
    return int(key[0])


def run_row(study_id: int, run: RunRecord) -> dict[str, Any]:
    """The row of `runs` of a launch of the study with the key `study_id`."""
    return {"study_id": study_id, "started": run.started, "command": run.command, "record": to_json(run)}


def enter_finished(
    connection: Connection, study_id: int, launches: Iterable[RunRecord], done: Sequence[Outcome]
) -> None:
    """Enter all `launches` and the outcomes `done` of a new study, `study_id`, on `connection`, in their order."""
    tables = (
        (runs, [run_row(study_id, each) for each in launches]),
        (trials, [candidate_row(study_id, each.candidate) for each in done]),
        (outcomes, [outcome_row(study_id, each) for each in done]),
        (measurements, [row for each in done for row in measurement_rows(study_id, each)]),
    )
    for table, rows in tables:
        if rows:
            connection.execute(insert(table), rows)


def rename(connection: Connection, study_id: int, record: StudyRecord) -> None:
    """Give the study with the key `study_id` the name of `record`; raises `StudyError` as `enter_study`."""
    _require_name(record.name)
    named = update(studies).where(studies.c.study_id == study_id)
    connection.execute(named.values(name=record.name, record=to_json(record)))


def remove(connection: Connection, study_id: int) -> None:
    """Take the study with the key `study_id` away, with all that it holds."""
    for table in (measurements, outcomes, progress, leases, trials, runs, prior_scores, studies):
        connection.execute(delete(table).where(table.c.study_id == study_id))


def add_measured(
    connection: Connection, study_id: int, trial: int, measured: Mapping[str, float], notes: Mapping[str, Any]
) -> None:
    """Put `measured` and `notes` to the finished `trial` of the study `study_id` on `connection`, over what is there.

    A note that holds several things by name keeps those that `notes` have none of.
    Raises `StudyError` where the trial is not finished.
    """
    place = (outcomes.c.study_id == study_id, outcomes.c.trial == trial)
    stored = connection.execute(select(outcomes.c.estimate).where(*place).with_for_update()).scalar_one_or_none()
    if stored is None:
        raise StudyError(f"trial {trial} is not finished: nothing can be added to it")
    estimate = json.loads(stored)
    estimate["measured"] = {**estimate.get("measured", {}), **measured}
    kept = estimate.get("notes", {})
    more = {key: {**kept[key], **value} for key, value in notes.items() if isinstance(kept.get(key), dict)}
    estimate["notes"] = {**kept, **notes, **more}
    connection.execute(update(outcomes).where(*place).values(estimate=json.dumps(estimate, separators=(",", ":"))))
    columns = measurements.c
    is_old = (columns.study_id == study_id, columns.trial == trial, columns.metric.in_(list(measured)))
    connection.execute(delete(measurements).where(*is_old))
    if rows := measured_rows(study_id, trial, measured):
        connection.execute(insert(measurements), rows)


MOST_OF_A_NAME = 255
"""Characters of a study's name."""


def _require_name(name: str) -> None:
    if len(name) > MOST_OF_A_NAME:
        raise StudyError(f"a study's name may have {MOST_OF_A_NAME} characters, got {len(name):,}: {shown(name)}")
    if not name.strip() or not name.isprintable():
        raise StudyError(f"a study's name must be printable and not blank, got {name!r}")
    if without_passwords(name) != name:
        raise StudyError(f"a study's name must hold no password, got {name!r}")
