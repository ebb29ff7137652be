"""Outcomes entered, in the transaction of a connection, and why one is not taken."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from naslab.errors import StudyError
from naslab.ledger.prepared import ENTER_MEASUREMENT, ENTER_OUTCOME, FORGET_LEASE
from naslab.ledger.queries import has_trial, identities
from naslab.ledger.rows import measurement_rows, outcome_row
from naslab.ledger.running import forget
from naslab.ledger.tables import trials
from naslab.study.outcome import Outcome


def enter_outcomes(connection: Connection, study_id: int, done: Sequence[Outcome], may_be_older: bool = True) -> None:
    """Enter the outcomes `done` of candidates in flight of the study with the key `study_id`, in their order.

    It happens in the transaction of `connection`. Where the trials `may_be_older`, they are entered under the
    identities that an older program gave their networks; else the database refuses those.
    """
    if not done:
        return
    rows = [outcome_row(study_id, each) for each in done]
    numbers = [each.candidate.trial for each in done]
    if may_be_older:
        place = (trials.c.study_id == study_id, trials.c.trial.in_(numbers))
        entered = dict(map(tuple, connection.execute(select(trials.c.trial, trials.c.arch_id).where(*place))))
        for row, each in zip(rows, done, strict=True):
            if entered.get(each.candidate.trial) not in (None, each.candidate.arch_id):
                was, today = identities(connection, study_id, each.candidate)
                row["arch_id"] = was if today == each.candidate.arch_id else each.candidate.arch_id
    ENTER_OUTCOME.run(connection, *rows)
    forget(connection, study_id, numbers)
    FORGET_LEASE.run(connection, *rows)
    if values := [row for each in done for row in measurement_rows(study_id, each)]:
        ENTER_MEASUREMENT.run(connection, *values)


def refusal(connection: Connection, name: str, study_id: int, done: Sequence[Outcome]) -> StudyError:
    """Why the outcomes `done` of the study called `name`, with the key `study_id`, were not taken on `connection`."""
    for each in done:
        trial, now = each.candidate.trial, each.candidate.arch_id
        _, was = identities(connection, study_id, each.candidate)
        if not was:
            return StudyError(
                f"trial {trial} of study '{name}' was never started: where an older copy of the ledger was put back, "
                "run the same command again"
            )
        if was != now:
            return StudyError(f"trial {trial} of study '{name}' was started with network {was}, finished with {now}")
        if connection.execute(has_trial(study_id, trial)).scalar_one():
            break
    return StudyError(f"trial {trial} of study '{name}' is finished already, its outcome stays as it is")
