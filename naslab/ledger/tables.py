"""The tables of a ledger, the same in SQLite and PostgreSQL.

People may query them; `results` is the view to start from. `candidate`, `arch`, `estimate` and `record` are JSON and
hold everything; the plain columns beside them repeat what queries ask for. `arch_id` is the identity that the program
which entered the trial gave the network; naslab computes it again from `arch` whenever it reads a row. Whatever an
older program could no longer read is a step of `migrations.py`, which raises the version.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from naslab.arch.cost import Cost
from naslab.metrics import ACCURACY, LATENCY
from naslab.study.outcome import RESTART

metadata = MetaData()
_key = BigInteger().with_variant(Integer, "sqlite")
BEGINS_A_CLIMB = f"""replace(candidate, '"operator":"{RESTART}"', '') <> candidate"""
"""SQL that tells trials that begin a climb of local search, perhaps among others."""
BEGUN = "trials_that_begin"
INDEX_OF_BEGUN = f"CREATE INDEX {BEGUN} ON trials (study_id, trial) WHERE {BEGINS_A_CLIMB}"
"""The index of those trials. As an `Index` of its table it would load SQLAlchemy's code for every kind of database."""

schema = Table("naslab_schema", metadata, Column("version", Integer, primary_key=True))

studies = Table(
    "studies",
    metadata,
    Column("study_id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("trials", Integer, nullable=False),
    Column("record", Text, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("run_id", Integer, primary_key=True),
    Column("study_id", ForeignKey(studies.c.study_id), nullable=False, index=True),
    Column("started", Double, nullable=False),
    Column("command", Text, nullable=False),
    Column("record", Text, nullable=False),
)

trials = Table(
    "trials",
    metadata,
    Column("study_id", ForeignKey(studies.c.study_id), primary_key=True),
    Column("trial", Integer, primary_key=True, autoincrement=False),
    Column("role", Text, nullable=False),
    Column("arch_id", Text, nullable=False),
    Column("arch", Text, nullable=False),
    *(Column(name, BigInteger, nullable=False) for name in Cost.__struct_fields__),
    Column("epochs", Integer, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("candidate", Text, nullable=False),
    Column("fidelity", Text),
    Column("identity", Integer),
    UniqueConstraint("study_id", "trial", "arch_id"),
    Index("trials_of_identity", "study_id", "identity"),
    Index("trials_of_role", "study_id", "role", "trial", "arch_id", "fidelity", *Cost.__struct_fields__),
)
"""`fidelity` is the candidate's as JSON, `identity` the `IDENTITY_VERSION` of the program that told `arch_id`.

It is empty for trials that programs before version 4 entered.
"""

outcomes = Table(
    "outcomes",
    metadata,
    Column("position", _key, primary_key=True, autoincrement=True),
    Column("study_id", Integer, nullable=False),
    Column("trial", Integer, nullable=False),
    Column("arch_id", Text, nullable=False),
    Column("finished", Double, nullable=False),
    Column("failure", Text),
    Column("wall_seconds", Double, nullable=False),
    Column("estimate", Text, nullable=False),
    UniqueConstraint("study_id", "trial"),
    ForeignKeyConstraint(
        ["study_id", "trial", "arch_id"], [trials.c.study_id, trials.c.trial, trials.c.arch_id], name="outcome_of_trial"
    ),
    Index("outcomes_of_failure", "study_id", "failure", "trial", "finished"),
    sqlite_autoincrement=True,
)

measurements = Table(
    "measurements",
    metadata,
    Column("study_id", Integer, primary_key=True),
    Column("trial", Integer, primary_key=True, autoincrement=False),
    Column("metric", Text, primary_key=True),
    Column("value", Double, nullable=False),
    ForeignKeyConstraint(["study_id", "trial"], [outcomes.c.study_id, outcomes.c.trial]),
    Index("values_of_metric", "study_id", "metric", "value", "trial"),
)

progress = Table(
    "progress",
    metadata,
    Column("position", _key, primary_key=True, autoincrement=True),
    Column("study_id", Integer, nullable=False),
    Column("trial", Integer, nullable=False),
    Column("moment", Double, nullable=False),
    Column("epoch", Text),
    Column("worker", Text),
    Column("node", Text),
    ForeignKeyConstraint(["study_id", "trial"], [trials.c.study_id, trials.c.trial]),
    Index("progress_of_study", "study_id", "trial"),
    sqlite_autoincrement=True,
)
"""What trials in flight did so far: a row that has nothing else when one starts, a row with the `worker` that takes it
and the name of that worker's machine, and a row an `epoch`.

The rows of a trial go when it is finished; its outcome holds the curve.
"""

leases = Table(
    "leases",
    metadata,
    Column("study_id", Integer, primary_key=True),
    Column("trial", Integer, primary_key=True, autoincrement=False),
    Column("attempt", Integer, nullable=False),
    Column("worker", Text),
    Column("node", Text),
    Column("claimed", Double),
    Column("heartbeat", Double),
    Column("estimate", Text),
    ForeignKeyConstraint(["study_id", "trial"], [trials.c.study_id, trials.c.trial]),
)
"""Trials that workers of other machines may take (`naslab worker`): one without a `worker` waits for one.

Who has it tells a `heartbeat`, in seconds since the epoch by the clock of the database, until its `estimate` is there
as JSON. The row goes when the trial is finished.
"""

prior_scores = Table(
    "prior_scores",
    metadata,
    Column("study_id", ForeignKey(studies.c.study_id), primary_key=True),
    Column("prior", Text, primary_key=True),
    Column("arch_id", Text, primary_key=True),
    Column("score", Double),
    Column("failure", Text),
    Column("wall_seconds", Double, nullable=False),
    Column("finished", Double, nullable=False),
)
"""What cheap estimators (`prior`) say of a study's pool of networks, larger for better; empty where one failed."""

MEASURED = (ACCURACY.name, LATENCY.name)
"""The metrics that the view has a column for; one declared from outside is in the table `measurements` alone."""
RESULTS_VIEW = f"""
CREATE VIEW results AS
SELECT studies.name AS study, trials.trial, trials.role, trials.arch_id,
       {", ".join(f"trials.{name}" for name in Cost.__struct_fields__)},
       trials.epochs, trials.seed, outcomes.position, outcomes.finished, outcomes.failure, outcomes.wall_seconds,
       {", ".join(f"{name}.value AS {name}" for name in MEASURED)}, trials.arch
FROM trials
JOIN studies ON studies.study_id = trials.study_id
LEFT JOIN outcomes ON outcomes.study_id = trials.study_id AND outcomes.trial = trials.trial
""" + "".join(
    f"""LEFT JOIN measurements AS {name}
       ON {name}.study_id = trials.study_id AND {name}.trial = trials.trial AND {name}.metric = '{name}'
"""
    for name in MEASURED
)
