"""Trials in flight: when a worker began each, which one, and its epochs so far; in the transaction of a connection."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Select, select

from naslab.ledger.prepared import ENTER_PROGRESS, FORGET_PROGRESS
from naslab.ledger.rows import from_json, to_json
from naslab.ledger.tables import progress
from naslab.study.outcome import EpochRecord


class Epoch(NamedTuple):
    """An `epoch` of a `trial` that is still training."""

    trial: int
    epoch: EpochRecord


class Taker(NamedTuple):
    """The `worker` that began to estimate a `trial` at a `moment`, in seconds since the epoch (UTC), and its `node`."""

    trial: int
    worker: str
    node: str
    moment: float


ProgressRow = tuple[int, float, str | None, str | None, str | None]
"""A row of the table `progress`: trial, moment, the epoch as JSON, the worker and its node.

One without epoch and worker is a start; one with a worker alone says who took the trial.
"""


class RunningTrial(msgspec.Struct, frozen=True):
    """A trial in flight: when it last began, in seconds since the epoch (UTC), its epochs since, and who has it.

    It begins when a worker takes it; until one did `started` is when it was put into the queue, and `worker` and
    `node`, the name of the worker's machine, are empty.
    """

    trial: int
    started: float
    epochs: tuple[EpochRecord, ...] = ()
    worker: str = ""
    node: str = ""


def progress_columns() -> Select[ProgressRow]:
    """Asks for every `ProgressRow`, of all studies, in the order written."""
    columns = (progress.c.trial, progress.c.moment, progress.c.epoch, progress.c.worker, progress.c.node)
    return select(*columns).order_by(progress.c.position)


def enter_started(connection: Connection, study_id: int, trials: Sequence[int], is_again: bool = True) -> None:
    """Enter that `trials` of the study with the key `study_id` start now; what they did before is taken away.

    On `connection`; without `is_again` they did nothing before.
    """
    moment = time.time()
    if is_again:
        forget(connection, study_id, trials)
    rows = [_row(study_id, trial, moment) for trial in trials]
    if rows:
        ENTER_PROGRESS.run(connection, *rows)


def enter_epochs(connection: Connection, study_id: int, epochs: Iterable[Epoch | Taker]) -> None:
    """Enter who took trials in flight of the study with the key `study_id`, and their `epochs`."""
    now = time.time()
    rows = [
        _row(study_id, each.trial, each.moment, worker=each.worker, node=each.node)
        if isinstance(each, Taker)
        else _row(study_id, each.trial, now, epoch=to_json(each.epoch))
        for each in epochs
    ]
    if rows:
        ENTER_PROGRESS.run(connection, *rows)


def _row(
    study_id: int,
    trial: int,
    moment: float,
    epoch: str | None = None,
    worker: str | None = None,
    node: str | None = None,
) -> dict[str, Any]:
    return {"study_id": study_id, "trial": trial, "moment": moment, "epoch": epoch, "worker": worker, "node": node}


def forget(connection: Connection, study_id: int, trials: Sequence[int]) -> None:
    """Take away what `trials` of the study with the key `study_id` did while they were in flight."""
    if trials:
        FORGET_PROGRESS.run(connection, *({"study_id": study_id, "trial": trial} for trial in trials))


def is_start(row: ProgressRow) -> bool:
    """Whether a row says that its trial begins anew."""
    return row[2] is None and row[3] is None


def running_trials(rows: Iterable[ProgressRow], study: str) -> list[RunningTrial]:
    """Trials in flight from rows of `progress` in their order, those of `study`; by trial."""
    found: dict[int, RunningTrial] = {}
    for row in rows:
        trial, moment, epoch, worker, node = row
        if is_start(row) or trial not in found:
            found[trial] = RunningTrial(trial, moment)
        if worker is not None:
            taken = {"started": moment, "worker": worker, "node": node or ""}
            found[trial] = msgspec.structs.replace(found[trial], **taken)
        if epoch is not None:
            read = from_json(epoch, EpochRecord, f"an epoch of trial {trial} of study '{study}'")
            found[trial] = msgspec.structs.replace(found[trial], epochs=(*found[trial].epochs, read))
    return [found[trial] for trial in sorted(found)]
