"""Ledgers of older programs brought to the form of this one: a step from each version to the next.

A change of what the rows hold is one row more of `STEPS`. Steps run in order, in the transaction that raises the
version: a program killed in between leaves the ledger as it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    bindparam,
    column,
    select,
    table,
    text,
    update,
)
from sqlalchemy.sql.expression import TableClause

from naslab.errors import LedgerError
from naslab.ledger.tables import RESULTS_VIEW, schema

Change = Callable[[dict[str, Any]], None]
"""Changes a JSON object in place."""


class Step(NamedTuple):
    """From one version to the next: `change` says in a few words what changes, `apply` does it on a connection.

    `apply` writes SQL of its own: the tables of `tables.py` are those of the newest version. Foreign keys are checked
    when all steps are done. Where a step has `changes_view`, the view `results` is dropped before the steps and made
    anew after them.
    """

    change: str
    apply: Callable[[Connection], None]
    changes_view: bool = False


def extrapolated_results(connection: Connection) -> None:
    """Version 2: what an extrapolation of a learning curve is called, and networks in the place of a draft."""
    _rename_calibrations(connection)
    rewrite_json(connection, "outcomes", ("position",), "estimate", _rename_measured)
    rewrite_json(connection, "trials", ("study_id", "trial"), "candidate", _rename_operator)
    connection.execute(
        text("UPDATE measurements SET metric = :new || substr(metric, :rest) WHERE substr(metric, 1, :length) = :old"),
        {"new": "extrapolated_", "old": "foretold_", "length": len("foretold_"), "rest": len("foretold_") + 1},
    )


def starts_and_epochs(connection: Connection) -> None:
    """Version 3: a table of when trials in flight were started, and of their epochs."""
    then = MetaData()
    Table("trials", then, Column("study_id", Integer, primary_key=True), Column("trial", Integer, primary_key=True))
    made = Table(
        "progress",
        then,
        Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
        Column("study_id", Integer, nullable=False),
        Column("trial", Integer, nullable=False),
        Column("moment", Double, nullable=False),
        Column("epoch", Text),
        ForeignKeyConstraint(["study_id", "trial"], ["trials.study_id", "trials.trial"]),
        Index("progress_of_study", "study_id", "trial"),
        sqlite_autoincrement=True,
    )
    made.create(connection)


def columns_for_many(connection: Connection) -> None:
    """Version 4: fidelities and identities in columns, indexes of what is asked of many outcomes, and `leases`."""
    then = MetaData()
    Table("trials", then, Column("study_id", Integer, primary_key=True), Column("trial", Integer, primary_key=True))
    made = Table(
        "leases",
        then,
        Column("study_id", Integer, primary_key=True),
        Column("trial", Integer, primary_key=True, autoincrement=False),
        Column("attempt", Integer, nullable=False),
        *(Column(name, Text) for name in ("worker", "node")),
        *(Column(name, Double) for name in ("claimed", "heartbeat")),
        Column("estimate", Text),
        ForeignKeyConstraint(["study_id", "trial"], ["trials.study_id", "trials.trial"]),
    )
    made.create(connection)
    for statement in (
        "ALTER TABLE trials ADD COLUMN fidelity TEXT",
        "ALTER TABLE trials ADD COLUMN identity INTEGER",
        "CREATE INDEX trials_of_role ON trials (study_id, role, trial, arch_id, fidelity, "
        "params, macs, activations, peak_activation_bytes)",
        "CREATE INDEX outcomes_of_failure ON outcomes (study_id, failure, trial, finished)",
        "CREATE INDEX values_of_metric ON measurements (study_id, metric, value, trial)",
    ):
        connection.execute(text(statement))
    _enter_fidelities(connection)


def takers_and_scores(connection: Connection) -> None:
    """Version 5: which worker has a trial in flight, and on which node; what cheap estimators say of a study's pool."""
    for name in ("worker", "node"):
        connection.execute(text(f"ALTER TABLE progress ADD COLUMN {name} TEXT"))
    then = MetaData()
    Table("studies", then, Column("study_id", Integer, primary_key=True))
    made = Table(
        "prior_scores",
        then,
        Column("study_id", ForeignKey("studies.study_id"), primary_key=True),
        *(Column(name, Text, primary_key=True) for name in ("prior", "arch_id")),
        Column("score", Double),
        Column("failure", Text),
        *(Column(name, Double, nullable=False) for name in ("wall_seconds", "finished")),
    )
    made.create(connection)


def index_of_identities(connection: Connection) -> None:
    """Version 6: an index of the programs that told identities, which is asked before a large study goes on."""
    connection.execute(text("CREATE INDEX IF NOT EXISTS trials_of_identity ON trials (study_id, identity)"))


def index_of_restarts(connection: Connection) -> None:
    """Version 7: an index of the trials that begin a climb of local search, which stands in the JSON of all trials."""
    told = """replace(candidate, '"operator":"restart"', '') <> candidate"""
    connection.execute(text(f"CREATE INDEX trials_that_begin ON trials (study_id, trial) WHERE {told}"))


def _enter_fidelities(connection: Connection) -> None:
    """The fidelity of every trial beside the JSON that it is in; those that are damaged have none."""
    rows = _table("trials", "study_id", "trial", "candidate", "fidelity")
    place = (rows.c.study_id == bindparam("study"), rows.c.trial == bindparam("number"))
    entered = update(rows).where(*place).values(fidelity=bindparam("told"))
    found = connection.execute(select(rows.c.study_id, rows.c.trial, rows.c.candidate))
    for group in found.partitions(1000):
        told = [
            {"study": study_id, "number": trial, "told": value}
            for study_id, trial, stored in group
            if (value := _fidelity_in(stored)) is not None
        ]
        if told:
            connection.execute(entered, told)


def _fidelity_in(candidate: str) -> str | None:
    try:
        return json.dumps(json.loads(candidate)["fidelity"], separators=(",", ":"))
    except (ValueError, RecursionError, KeyError, TypeError):
        return None  # damaged: who reads it says so


STEPS: tuple[Step, ...] = (
    Step("'foretold' is 'extrapolated', the operator 'elsewhere' is 'fallback'", extrapolated_results),
    Step("when trials in flight started and their epochs are kept", starts_and_epochs),
    Step("what is asked of many outcomes has columns and indexes, workers elsewhere have leases", columns_for_many),
    Step("workers and nodes of trials in flight are kept, and what cheap estimators say of a pool", takers_and_scores),
    Step("an index of identities lets large studies go on sooner", index_of_identities),
    Step("an index of what begins a climb lets local search go on sooner", index_of_restarts),
)
"""Step number i (from 0) brings a ledger from version i + 1 to i + 2."""

SCHEMA_VERSION = 1 + len(STEPS)
"""The version of this program's ledgers; an older program refuses them."""


def migrate(connection: Connection, version: int) -> list[str]:
    """Bring a ledger from `version` to `SCHEMA_VERSION` in the connection's transaction.

    Returns the `change` of each step.
    """
    steps = STEPS[version - 1 :]
    has_new_view = any(step.changes_view for step in steps)
    if has_new_view:
        connection.execute(text("DROP VIEW results"))
    with _keys_looked_at_last(connection):
        for step in steps:
            step.apply(connection)
    if has_new_view:
        connection.execute(text(RESULTS_VIEW))
    connection.execute(update(schema).values(version=SCHEMA_VERSION))
    return [step.change for step in steps]


@contextmanager
def _keys_looked_at_last(connection: Connection) -> Iterator[None]:
    """Foreign keys may be broken within the block: a trial and its outcome name their network one after the other."""
    if connection.dialect.name == "sqlite":
        connection.execute(text("PRAGMA defer_foreign_keys = ON"))  # until the transaction ends
        yield
        return
    key = "ALTER TABLE outcomes ALTER CONSTRAINT outcome_of_trial"
    connection.execute(text(f"{key} DEFERRABLE INITIALLY DEFERRED"))
    yield
    connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    connection.execute(text(f"{key} NOT DEFERRABLE"))


def checked_version(versions: Sequence[Any], location: object) -> int:
    """The one version in a ledger's table of `versions`; `location` is named in messages.

    Raises `LedgerError` unless there is exactly one, and it is one that this program knows.
    """
    if len(versions) != 1 or not isinstance(versions[0], int) or versions[0] < 1:
        told = ", ".join(map(repr, versions)) or "nothing"
        raise LedgerError(
            f"ledger {location} says that its version is {told}, no naslab wrote that (versions are single numbers "
            f"from 1): restore it from a copy, it was left as it is"
        )
    version = int(versions[0])
    if version > SCHEMA_VERSION:
        raise LedgerError(
            f"ledger {location} was written by a newer naslab (its version is {version}, this program reads up to "
            f"{SCHEMA_VERSION}): update naslab, it was left as it is"
        )
    return version


def rewrite_json(connection: Connection, name: str, key: Sequence[str], field: str, change: Change) -> None:
    """Apply `change` to every JSON object in the column `field` of the table `name`, row by row, on `connection`.

    `key` are the columns that name a row of the table. An object that `change` leaves equal is not written; a text that
    is no JSON object stays as it is. Fields that this program does not know stay in an object.
    """
    rows = _table(name, *key, field)
    columns = [rows.c[each] for each in key]
    for values in connection.execute(select(*columns)).all():
        is_row = [each == value for each, value in zip(columns, values, strict=True)]
        stored = connection.execute(select(rows.c[field]).where(*is_row)).scalar_one()
        changed = _changed(stored, change)
        if changed != stored:
            connection.execute(update(rows).where(*is_row).values({field: changed}))


def _changed(stored: str, change: Change) -> str:
    try:
        value = json.loads(stored)
    except (ValueError, RecursionError):
        return stored  # damaged: who reads it says so
    if not isinstance(value, dict):
        return stored
    before = json.dumps(value)
    change(value)
    return stored if json.dumps(value) == before else json.dumps(value, separators=(",", ":"))


def _rename_measured(estimate: dict[str, Any]) -> None:
    estimate["measured"] = _renamed_keys(estimate.get("measured"))
    notes = estimate.get("notes")
    if isinstance(notes, dict) and "stopped" in notes:
        notes["stopped"] = _renamed_keys(notes["stopped"])


def _renamed_keys(values: Any) -> Any:
    if not isinstance(values, dict):
        return values
    old, new = "foretold_", "extrapolated_"
    return {new + key.removeprefix(old) if key.startswith(old) else key: value for key, value in values.items()}


def _rename_operator(candidate: dict[str, Any]) -> None:
    origin = candidate.get("origin")
    if isinstance(origin, dict) and origin.get("operator") == "elsewhere":
        origin["operator"] = "fallback"


def _rename_calibrations(connection: Connection) -> None:
    """Studies `NAME/foretold:...` of a calibration; the name stays where another study has the new one already."""
    studies = _table("studies", "study_id", "name")
    names = {row.name: row.study_id for row in connection.execute(select(studies.c.name, studies.c.study_id))}

    def rename(record: dict[str, Any]) -> None:
        strategy, name = str(record.get("strategy")), str(record.get("name"))
        if not strategy.startswith("calibrate: foretold") or name not in names:
            return
        record["strategy"] = strategy.replace("foretold", "extrapolated", 1)
        whose, _, options = name.rpartition("/foretold")
        new = f"{whose}/extrapolated{options}"
        if whose and options[:1] in ("", ":") and new not in names:
            record["name"] = new
            connection.execute(update(studies).where(studies.c.study_id == names[name]).values(name=new))

    rewrite_json(connection, "studies", ("study_id",), "record", rename)


def _table(name: str, *columns: str) -> TableClause:
    return table(name, *map(column, columns))
