"""Ledger: the single record of studies, and the only thing that resume, tables and pictures read."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import msgspec
from sqlalchemy import Connection, Engine, Select, delete, exists, insert, select, update
from sqlalchemy.exc import IntegrityError

from naslab.arch.spec import ArchSpec
from naslab.blobs import BlobStore
from naslab.errors import StudyError, UnknownNameError, UnreadableError
from naslab.ledger.claim import claimed_file, claimed_server
from naslab.ledger.engine import open_engine, require_current, writing
from naslab.ledger.faults import explained
from naslab.ledger.location import Location, locate
from naslab.ledger.record import RunRecord, StudyRecord
from naslab.ledger.rows import (
    candidate_row,
    from_json,
    identity_today,
    measurement_rows,
    outcome_row,
    read_candidate,
    read_outcome,
    to_json,
    writing_versions,
)
from naslab.ledger.tables import measurements, outcomes, runs, studies, trials
from naslab.passwords import without_passwords
from naslab.study.outcome import Candidate, Outcome


class Ledger:
    """Studies in a SQLite file or a PostgreSQL database. A context manager; any number of readers beside one driver.

    What is written is on the disk before the call returns. Every method raises `LedgerError` where the database cannot
    be read or written; its subclass `UnreadableError` where a value is not damaged but of another form than this
    version reads; and `UnknownNameError` for a study that is not there.

    >>> import tempfile
    >>> from naslab.ledger.record import StudyRecord
    >>> record = StudyRecord(name="digits", problem={}, strategy="random", epochs=2, seed=0, trials=16)
    >>> with tempfile.TemporaryDirectory() as folder, Ledger.open(f"{folder}/studies.db") as ledger:
    ...     ledger.create_study(record)
    ...     ledger.study_names(), ledger.study("digits").trials
    (['digits'], 16)
    """

    def __init__(self, location: Location, engine: Engine) -> None:
        self.location = location
        self._engine = engine
        self._writer = writing(engine)
        self._study_ids: dict[str, int] = {}
        self._driven: dict[str, int] = {}
        """The studies that are claimed here, each with the thread that did."""

    @classmethod
    def open(cls, location: str | Path, create: bool = True) -> Self:
        """The ledger at a path (`studies.db`), `sqlite:///studies.db` or `postgresql://user@host/database`.

        Without `create` there must be one, and a file that may not be written is opened for reading alone, of an older
        version too. One that an older naslab wrote is migrated, after a copy of a SQLite file
        was put beside it (`studies.db.version1`). Raises `LedgerError` for what is not a ledger, is damaged or is newer
        than this program, and for an older one while a study of it is driven, and leaves it as it is.
        """
        place = locate(location)
        return cls(place, open_engine(place, create))

    @property
    def blobs(self) -> BlobStore:
        """Files by content hash beside the ledger, for what is too big for a row."""
        return BlobStore(self.location.blob_folder)

    def checkpoints(self, name: str) -> BlobStore:
        """The store of checkpoints of a study's trainings, in a folder of their own, which its driver may sweep."""
        return BlobStore(self.location.blob_folder / "checkpoints" / str(self._study_id(name)))

    def create_study(self, record: StudyRecord) -> None:
        """Enter a study; raises `StudyError` where its name is taken, blank, or not printable."""
        try:
            with self._writing() as connection:
                _enter_study(connection, record)
        except IntegrityError:
            raise StudyError(f"study '{record.name}' exists already: resume it, or choose another name") from None

    def study(self, name: str) -> StudyRecord:
        """What a study is, with the total of trials last asked for."""
        columns = select(studies.c.record, studies.c.trials).where(studies.c.study_id == self._study_id(name))
        [(record, total)] = self._rows(columns)
        with self._reading(name):
            return msgspec.structs.replace(from_json(record, StudyRecord, f"study '{name}'"), trials=total)

    def study_names(self) -> list[str]:
        """Every study, in the order made."""
        return [name for (name,) in self._rows(select(studies.c.name).order_by(studies.c.study_id))]

    def set_trials(self, name: str, trials: int) -> None:
        """Change the total of trials asked for."""
        study_id = self._study_id(name)
        with self._writing() as connection:
            connection.execute(update(studies).where(studies.c.study_id == study_id).values(trials=trials))

    def amend_study(self, record: StudyRecord) -> None:
        """Put `record` in the place of that of the study of its name."""
        study_id = self._study_id(record.name)
        with self._writing() as connection:
            amended = update(studies).where(studies.c.study_id == study_id)
            connection.execute(amended.values(trials=record.trials, record=to_json(record)))

    @contextmanager
    def claim(self, name: str) -> Iterator[None]:
        """Drive a study alone for the block; raises `StudyError` that says who else drives it.

        A claim ends with its process too, also where that is killed. The thread that holds it may claim the study
        again.
        """
        if self._driven.get(name) == threading.get_ident():
            yield
            return
        with self._claimed(self._study_id(name), name):
            yield

    @contextmanager
    def claim_or_create(self, record: StudyRecord) -> Iterator[bool]:
        """Drive the study of the name of `record` alone for the block; tells whether there was none, and it was made.

        One that is made is claimed before any other program sees it, so that of two programs that make one at once the
        other is told that it is being driven. Raises `StudyError` as `claim` and `create_study`; nothing is written
        then.
        """
        with ExitStack() as claimed:
            is_new = False
            if record.name not in self.study_names():
                try:
                    with self._writing() as connection:
                        claimed.enter_context(self._claimed(_enter_study(connection, record), record.name))
                    is_new = True
                except IntegrityError:  # another program was faster
                    claimed.close()
            if not is_new:
                claimed.enter_context(self.claim(record.name))
            yield is_new

    def restart(self, record: StudyRecord) -> None:
        """Begin the study of the name of `record` anew as that; what was in flight and its runs are taken away.

        Raises `StudyError` where the study has an outcome. For its driver alone.
        """
        study_id = self._study_id(record.name)
        with self._writing() as connection:
            if connection.execute(_has_outcome(study_id)).scalar_one():
                raise StudyError(f"study '{record.name}' has outcomes, which are kept: give the new one another name")
            for table in (trials, runs):
                connection.execute(delete(table).where(table.c.study_id == study_id))
            values = {"trials": record.trials, "record": to_json(record)}
            connection.execute(update(studies).where(studies.c.study_id == study_id).values(values))

    def has_outcome(self, name: str) -> bool:
        """Whether any candidate of a study is finished, failed ones among them."""
        [(found,)] = self._rows(_has_outcome(self._study_id(name)))
        return bool(found)

    def add_run(self, name: str, run: RunRecord) -> None:
        """Enter a launch of a study."""
        row = {"study_id": self._study_id(name), "started": run.started, "command": run.command, "record": to_json(run)}
        with self._writing() as connection:
            connection.execute(insert(runs).values(row))

    def runs(self, name: str) -> list[RunRecord]:
        """The launches of a study, in order."""
        columns = select(runs.c.record).where(runs.c.study_id == self._study_id(name)).order_by(runs.c.run_id)
        with self._reading(name):
            return [from_json(record, RunRecord, f"a run of study '{name}'") for (record,) in self._rows(columns)]

    def start(self, name: str, candidates: Sequence[Candidate]) -> None:
        """Enter candidates as in flight, all or none; raises `StudyError` where a trial's number is taken."""
        if not candidates:
            return
        study_id = self._study_id(name)
        rows = [candidate_row(study_id, candidate) for candidate in candidates]
        try:
            with self._writing() as connection:
                connection.execute(insert(trials), rows)
        except IntegrityError:
            numbers = ", ".join(str(candidate.trial) for candidate in candidates)
            raise StudyError(f"a trial of study '{name}' is started once, got {numbers} again") from None

    def finish(self, name: str, outcome: Outcome) -> None:
        """Enter a finished candidate; on the disk before this returns. Raises `StudyError` unless it is in flight."""
        study_id = self._study_id(name)
        rows = measurement_rows(study_id, outcome)
        try:
            with self._writing() as connection:
                row = outcome_row(study_id, outcome)
                entered, today = _identities(connection, study_id, outcome.candidate)
                if today == outcome.candidate.arch_id:
                    row["arch_id"] = entered
                connection.execute(insert(outcomes).values(row))
                if rows:
                    connection.execute(insert(measurements), rows)
        except IntegrityError:
            raise self._refused(name, study_id, outcome) from None

    def outcomes(self, name: str, role: str | None = None) -> list[Outcome]:
        """Finished candidates in the order finished; with `role` only those (`search`, `family`, `baseline`)."""
        columns = (
            select(trials.c.trial, trials.c.arch, trials.c.candidate, outcomes.c.finished, outcomes.c.estimate)
            .join_from(outcomes, trials, _same_trial())
            .where(outcomes.c.study_id == self._study_id(name))
            .order_by(outcomes.c.position)
        )
        if role is not None:
            columns = columns.where(trials.c.role == role)
        with self._reading(name):
            return [
                read_outcome(read_candidate(arch, rest, what := _trial(name, trial)), finished, estimate, what)
                for trial, arch, rest, finished, estimate in self._rows(columns)
            ]

    def in_flight(self, name: str) -> list[Candidate]:
        """Candidates started and not finished, by trial."""
        columns = (
            select(trials.c.trial, trials.c.arch, trials.c.candidate)
            .join_from(trials, outcomes, _same_trial(), isouter=True)
            .where(trials.c.study_id == self._study_id(name), outcomes.c.position.is_(None))
            .order_by(trials.c.trial)
        )
        with self._reading(name):
            return [read_candidate(arch, rest, _trial(name, trial)) for trial, arch, rest in self._rows(columns)]

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @contextmanager
    def _claimed(self, study_id: int, name: str) -> Iterator[None]:
        place = self.location
        with (
            claimed_server(self._engine, place, study_id, name)
            if place.path is None
            else claimed_file(place.path, study_id, name)
        ):
            self._driven[name] = threading.get_ident()
            try:
                yield
            finally:
                del self._driven[name]

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction, committed when the block ends."""
        with explained(self.location), self._writer.begin() as connection:
            require_current(connection, self.location)
            yield connection

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        """What is not readable inside says too which versions of naslab the study was written by."""
        try:
            yield
        except UnreadableError as error:
            records = self._rows(select(runs.c.record).where(runs.c.study_id == self._study_id(name)))
            raise error.written_by(writing_versions(record for (record,) in records), version("naslab")) from None

    def _rows(self, columns: Select[Any]) -> Sequence[Any]:
        with explained(self.location), self._engine.connect() as connection:
            return connection.execute(columns).all()

    def _study_id(self, name: str) -> int:
        """The study's key; studies are never renamed or taken away, so it is looked up once."""
        if name not in self._study_ids:
            found = self._rows(select(studies.c.study_id).where(studies.c.name == name))
            if not found:
                raise UnknownNameError("study", name, self.study_names())
            self._study_ids[name] = found[0][0]
        return self._study_ids[name]

    def _refused(self, name: str, study_id: int, outcome: Outcome) -> StudyError:
        """Why an outcome was not taken."""
        trial, now = outcome.candidate.trial, outcome.candidate.arch_id
        with explained(self.location), self._engine.connect() as connection:
            _, was = _identities(connection, study_id, outcome.candidate)
        if not was:
            return StudyError(f"trial {trial} of study '{name}' was never started")
        if was != now:
            return StudyError(f"trial {trial} of study '{name}' was started with network {was}, finished with {now}")
        return StudyError(f"trial {trial} of study '{name}' is finished already, its outcome stays as it is")


def _enter_study(connection: Connection, record: StudyRecord) -> int:
    """Enter a study and return its key; raises `StudyError` for a name that is blank or not printable."""
    name = record.name
    if not name.strip() or not name.isprintable():
        raise StudyError(f"a study's name must be printable and not blank, got {name!r}")
    if without_passwords(name) != name:
        raise StudyError(f"a study's name must hold no password, got {name!r}")
    made = connection.execute(insert(studies).values(name=name, trials=record.trials, record=to_json(record)))
    key = made.inserted_primary_key
    assert key is not None, "the database told no key of the row"
    return int(key[0])


def _has_outcome(study_id: int) -> Select[Any]:
    return select(exists().where(outcomes.c.study_id == study_id))


def _trial(study: str, trial: int) -> str:
    return f"trial {trial} of study '{study}'"


def _identities(connection: Connection, study_id: int, candidate: Candidate) -> tuple[str, str]:
    """The identity that a candidate's trial was entered under and that of its network today; empty if never started.

    They differ where an older program, which told identities otherwise, entered the trial.
    """
    place = (trials.c.study_id == study_id, trials.c.trial == candidate.trial)
    found = connection.execute(select(trials.c.arch_id, trials.c.arch).where(*place)).one_or_none()
    if found is None:
        return "", ""
    entered, arch = found
    if entered == candidate.arch_id:
        return entered, entered
    return entered, identity_today(msgspec.json.decode(arch, type=ArchSpec), entered)


def _same_trial() -> Any:
    return (trials.c.study_id == outcomes.c.study_id) & (trials.c.trial == outcomes.c.trial)
