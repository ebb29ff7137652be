"""How the networks of a study were ranked: by the accuracy of short training, or by another estimator."""

from __future__ import annotations

from naslab.estimators.named import read_name
from naslab.ledger.record import StudyRecord
from naslab.metrics import ACCURACY, is_described


def score_of(record: StudyRecord) -> str:
    """The metric that a study ranks networks by: accuracy, or that of the estimator in its place.

    >>> score_of(StudyRecord(name="a", problem={}, strategy="random", epochs=4, seed=0, trials=5, estimator="naswot"))
    'naswot'
    """
    if not record.estimator:
        return ACCURACY.name
    name = read_name(record.estimator)
    goals = [goal["metric"] for goal in record.problem.get("objectives", ())] if name.row.is_own else []
    return next((goal for goal in goals if not is_described(goal)), name.metric)


def ranking_words(record: StudyRecord) -> str:
    """How networks were ranked, in words; nothing for a study that trained them by its own recipe.

    >>> ranking_words(StudyRecord(name="a", problem={}, strategy="local", epochs=4, seed=0, trials=5, estimator="macs"))
    'ranked by the proxy macs, nothing was trained'
    """
    return read_name(record.estimator).way if record.estimator else ""


def has_trained(record: StudyRecord) -> bool:
    """Whether a study trains its networks, for its own estimate or for that of the estimator in its place."""
    return not record.estimator or read_name(record.estimator).trains
