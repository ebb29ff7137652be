"""Scores of a prior: what cheap estimators say of a study's pool of networks, each kept as soon as it is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from naslab.errors import StudyError
from naslab.ledger.ledger import Ledger
from naslab.ledger.many import study_id_of
from naslab.ledger.tables import prior_scores


class Score(NamedTuple):
    """What the estimator `prior` says of the network `arch_id`: a `score`, larger for better, or `None`.

    `failure` is why there is none. It took `wall_seconds` and was `finished` then, in seconds since the epoch (UTC).
    """

    prior: str
    arch_id: str
    score: float | None
    failure: str | None
    wall_seconds: float
    finished: float


def enter_scores(ledger: Ledger, study: str, scores: Sequence[Score]) -> None:
    """Put `scores` into the `study` of `ledger`, all or none; raises `StudyError` where a network has one already."""
    if not scores:
        return
    study_id = study_id_of(ledger, study)
    try:
        with ledger._writing() as connection:
            connection.execute(insert(prior_scores), [{"study_id": study_id, **each._asdict()} for each in scores])
    except IntegrityError:
        raise StudyError(f"a network of study '{study}' is scored once by each prior, got one again") from None


def scores_of(ledger: Ledger, study: str) -> list[Score]:
    """The scores that the `study` of `ledger` holds, in the order of time."""
    columns = [prior_scores.c[name] for name in Score._fields]
    asked = select(*columns).where(prior_scores.c.study_id == study_id_of(ledger, study))
    found = ledger.rows(asked.order_by(prior_scores.c.finished, prior_scores.c.arch_id, prior_scores.c.prior))
    return [Score(*row) for row in found]
