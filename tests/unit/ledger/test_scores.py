"""Scores of a prior in a ledger: kept once, in order, gone with their study."""

from __future__ import annotations

from pathlib import Path

import pytest
from postgres import BACKENDS

from naslab.errors import StudyError
from naslab.ledger import Ledger
from naslab.ledger.record import StudyRecord
from naslab.ledger.scores import Score, enter_scores, scores_of

RECORD = StudyRecord(name="scored", problem={}, strategy="bayes", epochs=1, seed=0, trials=3, prior="naswot", pool=3)
SCORES = [
    Score("naswot", "a", 1.5, None, 0.25, 10.0),
    Score("naswot", "b", None, "it does not fit", 0.5, 20.0),
    Score("synflow", "a", -2.0, None, 0.125, 30.0),
]


@pytest.fixture(params=BACKENDS)
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "studies.db")
    return request.getfixturevalue("postgres_database")


def test_scores_are_read_as_they_were_entered(location: str) -> None:
    with Ledger.open(location) as ledger:
        ledger.create_study(RECORD)
        assert scores_of(ledger, "scored") == []
        enter_scores(ledger, "scored", SCORES[:1])
        enter_scores(ledger, "scored", [])
        enter_scores(ledger, "scored", SCORES[1:])
    with Ledger.open(location) as ledger:
        assert scores_of(ledger, "scored") == SCORES
        assert ledger.study("scored") == RECORD


def test_a_network_is_scored_once(location: str) -> None:
    with Ledger.open(location) as ledger:
        ledger.create_study(RECORD)
        enter_scores(ledger, "scored", SCORES)
        with pytest.raises(StudyError, match="is scored once by each prior"):
            enter_scores(ledger, "scored", [SCORES[0]._replace(arch_id="c"), SCORES[0]])
        assert scores_of(ledger, "scored") == SCORES


def test_scores_go_with_their_study(location: str) -> None:
    with Ledger.open(location) as ledger:
        ledger.create_study(RECORD)
        enter_scores(ledger, "scored", SCORES)
        ledger.restart(RECORD)
        assert scores_of(ledger, "scored") == []
        enter_scores(ledger, "scored", SCORES)
        ledger.delete_study("scored")
        ledger.create_study(RECORD)
        assert scores_of(ledger, "scored") == []
