"""Ledger: the single record of studies, and the only thing that resume, tables and pictures read."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self, TypeAlias

import msgspec
from sqlalchemy import Connection, Engine, Select, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from naslab.blobs import BlobStore
from naslab.errors import StudyError, UnknownNameError, UnreadableError
from naslab.garbage import uncollected
from naslab.ledger import finishing, running, whole_studies
from naslab.ledger.claim import ServerClaim, claimed_file, claimed_server, driven_studies
from naslab.ledger.engine import open_engine, require_current, writing
from naslab.ledger.faults import explained
from naslab.ledger.kept_connections import KeptConnections
from naslab.ledger.location import Location, locate
from naslab.ledger.many import ROWS_AT_ONCE
from naslab.ledger.prepared import ENTER_TRIAL
from naslab.ledger.queries import has_outcome, same_trial, trial_words, unfinished, whole_candidate
from naslab.ledger.read_only import allow_no_writes
from naslab.ledger.record import RunRecord, StudyRecord
from naslab.ledger.rows import (
    candidate_row,
    from_json,
    read_candidate,
    read_outcome,
    to_json,
    writing_versions,
)
from naslab.ledger.tables import leases, outcomes, prior_scores, progress, runs, studies, trials
from naslab.study.outcome import Candidate, Outcome

BRIEFLY = 0.5
"""Seconds that progress waits for the ledger: a search goes on without it."""
OWN_CHECKPOINTS = "own"
"""The folder among a study's checkpoints for what users' training functions leave."""
Kept: TypeAlias = tuple[BlobStore, str]


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
        self._writer, self._hasty = writing(engine), writing(engine, is_durable=False)
        self._brief = writing(engine, BRIEFLY, is_durable=False)
        self._connections = KeptConnections()
        self._driven: dict[str, tuple[int, int, ServerClaim | None]] = {}
        """The studies that are claimed here, each with the thread that did, its key, and its claim on a server."""

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

    @classmethod
    def watch(cls, location: str | Path) -> Self:
        """The ledger at `location`, which is there, as `open` finds it; the database refuses to write to it."""
        watched = cls.open(location, create=False)
        allow_no_writes(watched._engine)
        return watched

    def drivers(self) -> dict[int, str]:
        """Who drives which study now, by the study's key."""
        with explained(self.location), self._engine.connect() as connection:
            return driven_studies(connection, self.location)

    @property
    def blobs(self) -> BlobStore:
        """Files by content hash beside the ledger, for what is too big for a row."""
        return BlobStore(self.location.blob_folder)

    def checkpoints(self, name: str) -> BlobStore:
        """The store of checkpoints of a study's trainings, in a folder of their own, which its driver may sweep."""
        return self._checkpoints(self._study_id(name))

    def _checkpoints(self, study_id: int) -> BlobStore:
        return BlobStore(self.location.blob_folder / "checkpoints" / str(study_id))

    def create_study(self, record: StudyRecord) -> None:
        """Enter a study; raises `StudyError` where its name is taken, blank, or not printable."""
        try:
            with self._writing() as connection:
                whole_studies.enter_study(connection, record)
        except IntegrityError:
            raise StudyError(f"study '{record.name}' exists already: resume it, or choose another name") from None

    def study(self, name: str) -> StudyRecord:
        """What a study is, with the total of trials last asked for."""
        columns = select(studies.c.record, studies.c.trials).where(studies.c.study_id == self._study_id(name))
        [(record, total)] = self.rows(columns)
        with self._reading(name):
            return msgspec.structs.replace(from_json(record, StudyRecord, f"study '{name}'"), trials=total)

    def study_names(self) -> list[str]:
        """Every study, in the order made."""
        return [name for (name,) in self.rows(select(studies.c.name).order_by(studies.c.study_id))]

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

    def rename_study(self, name: str, new: str) -> None:
        """Call a study `new`; raises `StudyError` while it is driven, and for a name that is taken or none."""
        with self.claim(name):
            record = msgspec.structs.replace(self.study(name), name=new)
            try:
                with self._writing() as connection:
                    whole_studies.rename(connection, self._study_id(name), record)
            except IntegrityError:
                raise StudyError(f"study '{new}' exists already: choose another name") from None

    def delete_study(self, name: str) -> None:
        """Take a study away with its outcomes and its checkpoints; raises `StudyError` while it is driven."""
        with self.claim(name):
            study_id = self._study_id(name)
            with self._writing() as connection:
                whole_studies.remove(connection, study_id)
            self._checkpoints(study_id).take_away(OWN_CHECKPOINTS)

    def enter_finished(
        self, record: StudyRecord, launches: Sequence[RunRecord], done: Sequence[Outcome], kept: Sequence[Kept] = ()
    ) -> None:
        """Enter a whole study at once or not at all: its `launches`, the outcomes `done` and the checkpoints `kept`.

        Each checkpoint is the store of another study and the content hash there. Raises `StudyError` where the name of
        `record` is taken, or none.
        """
        try:
            with self._writing() as connection:
                study_id = whole_studies.enter_study(connection, record)
                whole_studies.enter_finished(connection, study_id, launches, done)
                for store, sha256 in kept:
                    self._checkpoints(study_id).put(store.get(sha256))
        except IntegrityError:
            raise StudyError(f"study '{record.name}' exists already: choose another name") from None

    def add_measured(
        self, name: str, trials: Sequence[int], measured: Mapping[str, float], notes: Mapping[str, Any]
    ) -> None:
        """Put what was `measured` later, with `notes`, to the finished `trials` of the study `name`, all or none.

        Raises `StudyError` where one is not finished.
        """
        study_id = self._study_id(name)
        with self._writing() as connection:
            for trial in trials:
                whole_studies.add_measured(connection, study_id, trial, measured, notes)

    @contextmanager
    def claim(self, name: str) -> Iterator[None]:
        """Drive a study alone for the block; raises `StudyError` that says who else drives it.

        Raises `UnknownNameError` where there is none.

        A claim ends with its process too, also where that is killed. The thread that holds it may claim the study
        again.
        """
        if name in self._driven and self._driven[name][0] == threading.get_ident():
            yield
            return
        study_id = self._study_id(name)
        with self._claimed(study_id, name):
            if not self.rows(select(studies.c.study_id).where(studies.c.name == name, studies.c.study_id == study_id)):
                raise UnknownNameError("study", name, self.study_names())  # renamed or taken away meanwhile
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
                        claimed.enter_context(self._claimed(whole_studies.enter_study(connection, record), record.name))
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
            if connection.execute(has_outcome(study_id)).scalar_one():
                raise StudyError(f"study '{record.name}' has outcomes, which are kept: give the new one another name")
            for table in (progress, leases, trials, runs, prior_scores):
                connection.execute(delete(table).where(table.c.study_id == study_id))
            values = {"trials": record.trials, "record": to_json(record)}
            connection.execute(update(studies).where(studies.c.study_id == study_id).values(values))

    def has_outcome(self, name: str) -> bool:
        """Whether any candidate of a study is finished, failed ones among them."""
        [(found,)] = self.rows(has_outcome(self._study_id(name)))
        return bool(found)

    def num_outcomes(self, name: str) -> int:
        """How many candidates of a study are finished."""
        return int(self.rows(select(func.count()).where(outcomes.c.study_id == self._study_id(name)))[0][0])

    def add_run(self, name: str, run: RunRecord) -> None:
        """Enter a launch of a study."""
        row = whole_studies.run_row(self._study_id(name), run)
        with self._writing() as connection:
            connection.execute(insert(runs).values(row))

    def runs(self, name: str) -> list[RunRecord]:
        """The launches of a study, in order."""
        columns = select(runs.c.record).where(runs.c.study_id == self._study_id(name)).order_by(runs.c.run_id)
        with self._reading(name):
            return [from_json(record, RunRecord, f"a run of study '{name}'") for (record,) in self.rows(columns)]

    def start(self, name: str, candidates: Sequence[Candidate]) -> None:
        """Enter candidates as in flight, all or none, which a power loss may undo until an outcome is finished.

        Raises `StudyError` where a trial's number is taken.
        """
        if not candidates:
            return
        study_id = self._study_id(name)
        try:
            with self._writing(self._hasty) as connection:
                ENTER_TRIAL.run(connection, *(candidate_row(study_id, each) for each in candidates))
                running.enter_started(connection, study_id, [each.trial for each in candidates], is_again=False)
        except IntegrityError:
            numbers = ", ".join(str(each.trial) for each in candidates)
            raise StudyError(f"a trial of study '{name}' is started once, got {numbers} again") from None

    def start_again(self, name: str, trials: Sequence[int]) -> None:
        """Note that `trials` in flight start anew now, without the epochs so far; raises as `add_epochs` does."""
        study_id = self._study_id(name)
        with self._writing(self._brief) as connection:
            running.enter_started(connection, study_id, trials)

    def add_epochs(self, name: str, epochs: Sequence[running.Epoch | running.Taker]) -> None:
        """Enter `epochs` of trials in flight, and takers; raises `LedgerError` where another program is long at it."""
        study_id = self._study_id(name)
        with self._writing(self._brief) as connection:
            running.enter_epochs(connection, study_id, epochs)

    def running(self, name: str) -> list[running.RunningTrial]:
        """When each candidate in flight was last started, its epochs since and who has it; by trial."""
        of_study = running.progress_columns().where(progress.c.study_id == self._study_id(name))
        with self._reading(name):
            return running.running_trials(self.rows(of_study), name)

    def finish(self, name: str, outcome: Outcome) -> None:
        """Enter a finished candidate; on the disk before this returns. Raises `StudyError` unless it is in flight."""
        self.finish_all(name, [outcome])

    def finish_all(self, name: str, done: Sequence[Outcome]) -> None:
        """Enter the finished candidates `done`, all or none, as `finish` does one; raises `StudyError` as that."""
        study_id = self._study_id(name)
        for may_be_older in (False, True):
            with suppress(IntegrityError), self._writing() as connection:
                finishing.enter_outcomes(connection, study_id, done, may_be_older)
                return
        with explained(self.location), self._engine.connect() as connection:
            raise finishing.refusal(connection, name, study_id, done)

    def outcomes(self, name: str, role: str | None = None) -> list[Outcome]:
        """Finished candidates in the order finished; with `role` only those (`search`, `family`, `baseline`)."""
        columns = (
            select(*whole_candidate(), outcomes.c.finished, outcomes.c.estimate)
            .join_from(outcomes, trials, same_trial())
            .where(outcomes.c.study_id == self._study_id(name))
            .order_by(outcomes.c.position)
        )
        if role is not None:
            columns = columns.where(trials.c.role == role)
        with self._reading(name), uncollected(), closing(self.each_row(columns)) as found:
            return [
                read_outcome(
                    read_candidate(arch, rest, what := trial_words(name, trial), told), finished, estimate, what
                )
                for trial, arch, rest, told, finished, estimate in found
            ]

    def in_flight(self, name: str) -> list[Candidate]:
        """Candidates started and not finished, by trial."""
        columns = unfinished(self._study_id(name))
        with self._reading(name):
            return [
                read_candidate(arch, rest, trial_words(name, trial), told)
                for trial, arch, rest, told in reversed(self.rows(columns))
            ]

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
        ) as claim:
            self._driven[name] = threading.get_ident(), study_id, claim
            try:
                with self._connections.keeping(claim.require_held if claim else lambda: None):
                    yield
            finally:
                del self._driven[name]

    @contextmanager
    def _writing(self, writer: Engine | None = None) -> Iterator[Connection]:
        """A transaction of a `writer`, by default the durable one, committed when the block ends."""
        with explained(self.location), self._connections.begin(writer or self._writer) as connection:
            require_current(connection, self.location)
            yield connection

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        """What is not readable inside says too which versions of naslab the study was written by."""
        try:
            yield
        except UnreadableError as error:
            records = self.rows(select(runs.c.record).where(runs.c.study_id == self._study_id(name)))
            raise error.written_by(writing_versions(record for (record,) in records), version("naslab")) from None

    def rows(self, columns: Select[Any]) -> Sequence[Any]:
        """What the query `columns` finds, its rows in a list."""
        with explained(self.location), self._engine.connect() as connection:
            return connection.execute(columns).all()

    def each_row(self, columns: Select[Any]) -> Generator[Any]:
        """The rows that the query `columns` finds, some thousand at a time: for rows that are many or large."""
        with (
            explained(self.location),
            self._engine.connect() as connection,
            connection.execution_options(yield_per=ROWS_AT_ONCE).execute(columns) as found,
        ):
            for group in found.partitions():
                yield from group

    def _study_id(self, name: str) -> int:
        """The study's key. Only those that are claimed here cannot be renamed or taken away by another program."""
        if name in self._driven:
            return self._driven[name][1]
        found = self.rows(select(studies.c.study_id).where(studies.c.name == name))
        if not found:
            raise UnknownNameError("study", name, self.study_names())
        return int(found[0][0])
