"""A study that goes on after its server was away: claimed once more, and whether what was written then arrived."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sqlalchemy import select

from naslab.ledger.ledger import Ledger
from naslab.ledger.many import study_id_of
from naslab.ledger.scores import Score, scores_of
from naslab.ledger.tables import outcomes, trials
from naslab.study.outcome import Candidate, Outcome


def claim_again(ledger: Ledger, study: str) -> None:
    """Claim `study` of `ledger` once more, which this thread drives, where the server has forgotten its claim.

    A file keeps its claims. Raises `UnreachedError` while the server does not answer, and `StudyError` where another
    program drives the study now.
    """
    claim = ledger._driven[study][2]
    if claim is not None and claim.take_again():
        ledger._connections.forget()


def claimed_again(ledger: Ledger, study: str) -> float:
    """When `study` of `ledger` was last claimed once more here, by `time.monotonic`; minus infinity for never."""
    claim = ledger._driven[study][2] if study in ledger._driven else None
    return -math.inf if claim is None else claim.taken_again


def are_started(ledger: Ledger, study: str, candidates: Sequence[Candidate]) -> bool:
    """Whether these `candidates` of `study` are in `ledger`: they are entered together or not at all."""
    asked = {each.trial: each.arch_id for each in candidates}
    place = (trials.c.study_id == study_id_of(ledger, study), trials.c.trial.in_(list(asked)))
    return (
        bool(asked) and dict(map(tuple, ledger.rows(select(trials.c.trial, trials.c.arch_id).where(*place)))) == asked
    )


def are_finished(ledger: Ledger, study: str, done: Sequence[Outcome]) -> bool:
    """Whether these outcomes, `done`, of `study` are in `ledger`, finished when they say: all or none of them are."""
    asked = {each.candidate.trial: each.finished for each in done}
    place = (outcomes.c.study_id == study_id_of(ledger, study), outcomes.c.trial.in_(list(asked)))
    found = ledger.rows(select(outcomes.c.trial, outcomes.c.finished).where(*place))
    return bool(asked) and dict(map(tuple, found)) == asked


def are_scored(ledger: Ledger, study: str, scores: Sequence[Score]) -> bool:
    """Whether these `scores` of `study` are in `ledger`: all or none of them are."""
    return bool(scores) and set(scores) <= set(scores_of(ledger, study))
