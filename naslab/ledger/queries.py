"""Queries of a ledger that several of its methods ask, and how its trials are named in messages."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, Select, exists, func, select

from naslab.arch.spec import ArchSpec
from naslab.ledger.rows import identity_today
from naslab.ledger.tables import outcomes, trials
from naslab.study.outcome import Candidate


def has_outcome(study_id: int) -> Select[Any]:
    """Whether any candidate of the study with the key `study_id` is finished."""
    return select(exists().where(outcomes.c.study_id == study_id))


def has_trial(study_id: int, trial: int) -> Select[Any]:
    """Whether the `trial` of the study with the key `study_id` is finished."""
    return select(exists().where(outcomes.c.study_id == study_id, outcomes.c.trial == trial))


def whole_candidate() -> tuple[Any, ...]:
    """The columns that `naslab.ledger.rows.read_candidate` reads, behind the trial's number."""
    return trials.c.trial, trials.c.arch, trials.c.candidate, trials.c.identity


def unfinished(study_id: int) -> Select[Any]:
    """Candidates of the study with the key `study_id` that have no outcome, the newest first, as `whole_candidate`.

    How many there are is counted first, by indexes: they are among the newest as a rule, so that few trials are
    looked at.
    """
    return only_unfinished(select(*whole_candidate()).where(trials.c.study_id == study_id), study_id)


def only_unfinished(columns: Select[Any], study_id: int) -> Select[Any]:
    """Of the trials of the study with the key `study_id` that `columns` asks for those without an outcome, the newest
    first."""
    started, done = (
        select(func.count()).where(table.c.study_id == study_id).scalar_subquery() for table in (trials, outcomes)
    )
    return columns.where(~exists().where(same_trial())).order_by(trials.c.trial.desc()).limit(started - done)


def trial_words(study: str, trial: int) -> str:
    """How the `trial` of a `study` is named in messages."""
    return f"trial {trial} of study '{study}'"


def identities(connection: Connection, study_id: int, candidate: Candidate) -> tuple[str, str]:
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


def same_trial() -> Any:
    """An outcome belongs to a trial."""
    return (trials.c.study_id == outcomes.c.study_id) & (trials.c.trial == outcomes.c.trial)
