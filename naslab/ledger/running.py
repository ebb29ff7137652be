"""Trials in flight: when each was given to a worker, and its epochs so far, in the transaction of a connection."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection

from naslab.ledger.prepared import ENTER_PROGRESS, FORGET_PROGRESS
from naslab.ledger.rows import from_json, to_json
from naslab.study.outcome import EpochRecord


class Epoch(NamedTuple):
    """An `epoch` of a `trial` that is still training."""

    trial: int
    epoch: EpochRecord


class RunningTrial(msgspec.Struct, frozen=True):
    """A trial in flight: when it was last given to a worker, in seconds since the epoch (UTC), and its epochs since."""

    trial: int
    started: float
    epochs: tuple[EpochRecord, ...] = ()


def enter_started(connection: Connection, study_id: int, trials: Sequence[int], is_again: bool = True) -> None:
    """Enter that `trials` of the study with the key `study_id` start now; what they did before is taken away.

    On `connection`; without `is_again` they did nothing before.
    """
    moment = time.time()
    if is_again:
        forget(connection, study_id, trials)
    rows = [{"study_id": study_id, "trial": trial, "moment": moment, "epoch": None} for trial in trials]
    if rows:
        ENTER_PROGRESS.run(connection, *rows)


def enter_epochs(connection: Connection, study_id: int, epochs: Iterable[Epoch]) -> None:
    """Enter `epochs` of trials in flight of the study with the key `study_id`."""
    moment = time.time()
    rows = [
        {"study_id": study_id, "trial": each.trial, "moment": moment, "epoch": to_json(each.epoch)} for each in epochs
    ]
    if rows:
        ENTER_PROGRESS.run(connection, *rows)


def forget(connection: Connection, study_id: int, trials: Sequence[int]) -> None:
    """Take away what `trials` of the study with the key `study_id` did while they were in flight."""
    if trials:
        FORGET_PROGRESS.run(connection, *({"study_id": study_id, "trial": trial} for trial in trials))


def running_trials(rows: Iterable[tuple[int, float, str | None]], study: str) -> list[RunningTrial]:
    """Trials in flight from rows of `progress` in their order: (trial, moment, epoch), those of `study`; by trial."""
    found: dict[int, RunningTrial] = {}
    for trial, moment, epoch in rows:
        before = found.get(trial)
        if epoch is None or before is None:
            found[trial] = RunningTrial(trial, moment)
        if epoch is not None:
            read = from_json(epoch, EpochRecord, f"an epoch of trial {trial} of study '{study}'")
            found[trial] = msgspec.structs.replace(found[trial], epochs=(*found[trial].epochs, read))
    return [found[trial] for trial in sorted(found)]
