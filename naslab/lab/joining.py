"""A worker that joins the studies of a ledger from any machine, and works until nothing is left to do."""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
from sqlalchemy.exc import OperationalError

from naslab.analysis.study import problem_of
from naslab.arguments import number, optional, takes, text
from naslab.errors import LedgerError, NaslabError, StudyError, VersionError, WorkerError
from naslab.estimators.estimator import Estimator
from naslab.estimators.limited import limited
from naslab.execution.clocks import clock_words
from naslab.execution.driven_study import PATIENCE_SECONDS
from naslab.execution.local import threads_each
from naslab.execution.worker import Placement, Refused, Worker
from naslab.lab.models import FOLDER, LEDGER, OBSERVER
from naslab.lab.search_estimators import estimator_of, find_search_estimator
from naslab.ledger.leases import Claim, answer, beat, database_clock, give_back, report, take
from naslab.ledger.ledger import Ledger
from naslab.ledger.record import RunRecord, StudyRecord
from naslab.provenance import installed_versions, other_version
from naslab.study.outcome import EpochRecord, Estimate

BEAT_SECONDS = 5.0
LOOK_SECONDS = 0.5
"""How often a worker without work looks for some."""
UNREACHED = (OperationalError, sqlite3.OperationalError)
"""What a database raises that cannot be reached, or is busy; SQLite without SQLAlchemy in between, too."""

Value = TypeVar("Value")
Said = Callable[[str], None]


class Worked(NamedTuple):
    """What a worker did: how many estimates it gave, and how many came too late because it was taken for dead."""

    worker: str
    num_done: int
    num_late: int


class JoinedStudy(NamedTuple):
    """The `worker` for a study as its `record` said, and the last of its `runs`, whose versions it has."""

    record: StudyRecord
    runs: list[RunRecord]
    worker: Worker


@takes(
    ledger=LEDGER,
    study=optional(text("the name of a study")),
    device=text("a torch device, or auto"),
    data_dir=FOLDER,
    idle_seconds=number(),
    say=OBSERVER,
)
def join(
    ledger: str | Path,
    study: str | None = None,
    device: str = "auto",
    data_dir: str | None = None,
    idle_seconds: float = 300.0,
    say: Said = lambda _: None,
) -> Worked:
    """Estimate candidates that searches with `Workers(kind="ledger")` offer in `ledger`, until there are none.

    Those of one `study`, or of any. `device` is a torch device name or `auto`, `data_dir` the folder of the data on
    this machine. The worker ends when it found nothing to do for `idle_seconds`; `say` is called with a line for each
    candidate, and with one where the clock of this machine is far off. A candidate that it will not answer, since it is
    interrupted or refused, others may take at once. A database that is gone for less than five minutes is waited for.
    Raises `WorkerError` where this machine has another version of naslab or torch than the driver, `StudyError` for a
    study that cannot be worked on from elsewhere, `UnknownNameError` where there is no study or device of the name,
    `DeviceError` where the GPU that is asked for is not there, and what preparing the estimator raises.

    >>> join("postgresql://ada@db.example/lab", study="digits").num_done  # doctest: +SKIP
    12
    """
    from naslab.training.device import choose_device

    device = choose_device(device)
    node = socket.gethostname()
    name = f"{node}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    done = late = 0
    prepared: dict[int, JoinedStudy] = {}
    with Ledger.open(ledger, create=False) as opened:
        if study is not None:
            opened.study(study)
        before, own, after = database_clock(opened), time.time(), database_clock(opened)
        for words in clock_words(node, own, before, after, than="the ledger's"):
            say(words)
        idle_since = time.monotonic()
        while True:
            names = _patiently(opened.study_names) if study is None else [study]
            claim = _patiently(partial(take, opened, names, name, node))
            if claim is None:
                if time.monotonic() - idle_since >= idle_seconds:
                    return Worked(name, done, late)
                time.sleep(min(LOOK_SECONDS, idle_seconds))
                continue
            try:
                with _beating(opened, claim, name):
                    known = prepared.get(claim.study_id)
                    known = prepared[claim.study_id] = _prepared(opened, claim, known, name, node, device, data_dir)
                estimate = _estimated(opened, known.worker, claim, name)
                is_taken = _patiently(partial(answer, opened, claim, name, estimate))
            except BaseException:
                with suppress(NaslabError):  # else it is taken for dead
                    give_back(opened, claim, name)
                raise
            done, late = done + is_taken, late + (not is_taken)
            end = "done" if is_taken else "too late: it was taken for dead meanwhile"
            say(f"{node}: trial {claim.candidate.trial} of study '{claim.study}' {end}")
            idle_since = time.monotonic()


def _prepared(
    ledger: Ledger, claim: Claim, known: JoinedStudy | None, name: str, node: str, device: str, data_dir: str | None
) -> JoinedStudy:
    """The worker of a study, its estimator with device and data: `known` where that is still what the study asks for.

    Raises what preparing it raises.
    """
    study, runs = claim.study, ledger.runs(claim.study)[-1:]
    if known is None or known.runs != runs:
        _require_same_versions(runs, study, node)
    record = ledger.study(study)
    if known is not None and msgspec.structs.replace(known.record, trials=record.trials) == record:
        return JoinedStudy(record, runs, known.worker)
    placement = Placement(name, 0, device, None, 1 if record.deterministic else threads_each(1))
    worker = Worker(_estimator(ledger, record, data_dir), placement)
    ready = worker.prepare()
    if isinstance(ready, Refused):
        raise WorkerError(f"{node} cannot work on study '{study}': {ready.error}") from ready.error
    return JoinedStudy(record, runs, worker)


def require_offerable(record: StudyRecord, ledger: Ledger) -> None:
    """Raise `StudyError` where workers elsewhere could not estimate candidates of the study `record` of `ledger`."""
    if record.pretrained is not None:
        raise StudyError("workers that join by the ledger cannot begin with pretrained weights: use --executor ray")
    if (record.rungs is not None or record.inherit) and ledger.location.path is None:
        raise StudyError(
            "workers that join by a server have no folder of checkpoints in common, which rungs and inherit need: "
            "use --executor ray, or a ledger in a file"
        )


def _estimator(ledger: Ledger, record: StudyRecord, data_dir: str | None) -> Estimator:
    """The estimator that the driver of a study has, made anew from what the ledger says."""
    problem = problem_of(record)
    if not record.estimator:
        return limited(estimator_of(problem, data_dir, record, ledger), problem)
    place = ledger.location.path or ledger.location.url.render_as_string(hide_password=False)
    found = find_search_estimator(record.estimator, problem, (), place, data_dir, record.seed, record.inherit)
    return limited(found.placed(ledger, record), problem)


def _require_same_versions(runs: Sequence[RunRecord], study: str, node: str) -> None:
    """Raise `VersionError` naming the node where it has other versions than the drivers of `runs` of the study."""
    here = installed_versions()
    for run in runs:
        if found := other_version(run.versions, here):
            package, theirs, own = found
            raise VersionError(f"{node} has {package} {own}, the driver of study '{study}' {theirs}: install the same")


def _estimated(ledger: Ledger, worker: Worker, claim: Claim, name: str) -> Estimate:
    """The estimate of a claim; heartbeats go on beside it, its epochs are written as they end."""

    def tell(epoch: EpochRecord) -> None:
        with suppress(LedgerError):  # for who watches alone
            report(ledger, claim, name, epoch)

    with _beating(ledger, claim, name):
        return worker.estimate(claim.candidate, tell).estimate


@contextmanager
def _beating(ledger: Ledger, claim: Claim, name: str) -> Iterator[None]:
    """Heartbeats of a claim within the block, from a thread of its own."""
    ended = threading.Event()

    def beats() -> None:
        while not ended.wait(BEAT_SECONDS):
            with suppress(LedgerError):  # the next one may arrive
                beat(ledger, claim, name)

    thread = threading.Thread(target=beats, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _patiently(ask: Callable[[], Value]) -> Value:
    """What `ask` returns, tried again while the database cannot be reached."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return ask()
        except LedgerError as error:
            if not isinstance(error.__cause__, UNREACHED) or time.monotonic() > until:
                raise
            time.sleep(LOOK_SECONDS)
