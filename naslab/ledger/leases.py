"""Trials that workers of any machine take from a ledger: offered by the driver, claimed, kept by heartbeats, answered.

Of workers that ask at once each gets another trial: PostgreSQL passes over rows that another one is taking (`SKIP
LOCKED`), SQLite lets one program write at a time. Moments are by the clock of the database, so that no machine's own
matters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, insert, select, text, update

from naslab.ledger.faults import explained
from naslab.ledger.ledger import Ledger
from naslab.ledger.many import study_id_of
from naslab.ledger.news import read_candidates
from naslab.ledger.rows import from_json, to_json
from naslab.ledger.running import Epoch, Taker, enter_epochs
from naslab.ledger.tables import leases, studies
from naslab.study.outcome import Candidate, EpochRecord, Estimate


class Lease(NamedTuple):
    """A trial that was offered: who has it, where, the answer if there is one, and the age of the last heartbeat.

    `worker` and `node` are empty while nobody has it; `silent_seconds` is 0 then, and once it is answered.
    """

    trial: int
    worker: str
    node: str
    silent_seconds: float
    estimate: Estimate | None


class Claim(NamedTuple):
    """A `candidate` of a `study`, with its key, that a worker has taken; the claim stays where the study is renamed."""

    study: str
    candidate: Candidate
    study_id: int


def offer(ledger: Ledger, study: str, trial: int, attempt: int) -> bool:
    """Let a worker take a `trial` in flight of `study` of `ledger`; one that is offered already stays as it is.

    `attempt` counts how often it is offered, from 1. Tells whether it was not offered before.
    """
    study_id = study_id_of(ledger, study)
    with ledger._writing() as connection:
        place = (leases.c.study_id == study_id, leases.c.trial == trial)
        is_new = connection.execute(select(leases.c.trial).where(*place)).first() is None
        if is_new:
            connection.execute(insert(leases).values(study_id=study_id, trial=trial, attempt=attempt))
    return is_new


def withdraw(ledger: Ledger, study: str, trial: int, worker: str = "") -> bool:
    """Take a `trial` of `study` back from the `worker` that has it, or from none; it will find that it is not its own.

    Tells whether that was done: what was answered in `ledger` meanwhile stays.
    """
    study_id = study_id_of(ledger, study)
    place = (leases.c.study_id == study_id, leases.c.trial == trial, leases.c.estimate.is_(None))
    with ledger._writing() as connection:
        return connection.execute(delete(leases).where(*place, leases.c.worker == (worker or None))).rowcount == 1


def take(ledger: Ledger, studies_of: Sequence[str], worker: str, node: str) -> Claim | None:
    """The next trial that waits in one of the studies `studies_of` of `ledger`, for the `worker` of a `node` alone.

    `None` where none waits.
    """
    waiting = (
        select(leases.c.study_id, leases.c.trial, studies.c.name)
        .join_from(leases, studies, leases.c.study_id == studies.c.study_id)
        .where(leases.c.worker.is_(None), studies.c.name.in_(list(studies_of)))
        .order_by(leases.c.study_id, leases.c.trial)
        .limit(1)
        .with_for_update(skip_locked=True, of=leases)
    )
    with ledger._writing() as connection:
        found = connection.execute(waiting).first()
        if found is None:
            return None
        study_id, trial, study = found
        now = _now(connection)
        values = {"worker": worker, "node": node, "claimed": now, "heartbeat": now}
        connection.execute(
            update(leases).where(leases.c.study_id == study_id, leases.c.trial == trial).values(**values)
        )
        enter_epochs(connection, study_id, [Taker(trial, worker, node, now)])
    return Claim(study, read_candidates(ledger, study_id, [trial])[trial], study_id)


def beat(ledger: Ledger, claim: Claim, worker: str) -> bool:
    """Say that `worker` still has the trial of `claim`; tells whether it has."""
    with ledger._writing() as connection:
        return _own(connection, claim, worker, {"heartbeat": _now(connection)})


def report(ledger: Ledger, claim: Claim, worker: str, epoch: EpochRecord) -> bool:
    """Enter an `epoch` of the trial of `claim` in `ledger`; tells whether `worker` still has it, else nothing is.

    Raises `LedgerError` where another program keeps the ledger long.
    """
    with ledger._writing(ledger._brief) as connection:
        has_it = _own(connection, claim, worker, {"heartbeat": _now(connection)})
        enter_epochs(connection, claim.study_id, [Epoch(claim.candidate.trial, epoch)] if has_it else [])
    return has_it


def give_back(ledger: Ledger, claim: Claim, worker: str) -> bool:
    """Let others take the trial of `claim` in `ledger`, which `worker` will not answer; tells whether it had it."""
    with ledger._writing() as connection:
        return _own(connection, claim, worker, dict.fromkeys(("worker", "node", "claimed", "heartbeat")))


def answer(ledger: Ledger, claim: Claim, worker: str, estimate: Estimate) -> bool:
    """Give the `estimate` of a `claim` in `ledger`; tells whether it was still `worker` who had it, else it is lost.

    A second answer is not taken.
    """
    with ledger._writing() as connection:
        return _own(connection, claim, worker, {"estimate": to_json(estimate)})


def offered(ledger: Ledger, study: str) -> list[Lease]:
    """Every trial of `study` that is offered, by number."""
    with ledger._writing() as connection:
        now = _now(connection)
        columns = select(leases.c.trial, leases.c.worker, leases.c.node, leases.c.heartbeat, leases.c.estimate)
        found = connection.execute(columns.where(leases.c.study_id == study_id_of(ledger, study)).order_by("trial"))
        return [_lease(row, now, study) for row in found]


def database_clock(ledger: Ledger) -> float:
    """What the clock of the database of `ledger` says, in seconds since 1970."""
    with explained(ledger.location), ledger._engine.connect() as connection:
        return _now(connection)


def _lease(row: Any, now: float, study: str) -> Lease:
    trial, worker, node, heartbeat, told = row
    estimate = None if told is None else from_json(told, Estimate, f"the answer to trial {trial} of study '{study}'")
    silent = 0.0 if heartbeat is None or estimate is not None else max(0.0, now - heartbeat)
    return Lease(trial, worker or "", node or "", silent, estimate)


def _own(connection: Connection, claim: Claim, worker: str, values: dict[str, Any]) -> bool:
    """Write into the row of a claim if it is still the worker's and not answered."""
    place = (leases.c.study_id == claim.study_id, leases.c.trial == claim.candidate.trial)
    mine = (leases.c.worker == worker, leases.c.estimate.is_(None))
    return connection.execute(update(leases).where(*place, *mine).values(**values)).rowcount == 1


def _now(connection: Connection) -> float:
    """The time by the database's clock, in seconds since the epoch."""
    moment = "(julianday('now') - 2440587.5) * 86400.0"
    if connection.dialect.name != "sqlite":
        moment = "extract(epoch FROM clock_timestamp())"
    return float(connection.execute(text(f"SELECT {moment}")).scalar_one())
