"""How the networks of a study were ranked: by the accuracy of short training, or by another estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from naslab.ledger.record import StudyRecord
from naslab.metrics import ACCURACY, find_metric, is_declared
from naslab.study.problem import Objective

if TYPE_CHECKING:
    from naslab.estimators.named import EstimatorName


def score_of(record: StudyRecord) -> str:
    """The metric that a study ranks networks by: accuracy, another of its task, or that of the estimator in its place.

    >>> score_of(StudyRecord(name="a", problem={}, strategy="random", epochs=4, seed=0, trials=5, estimator="naswot"))
    'naswot'
    """
    return score_goal(record).metric


def score_goal(record: StudyRecord) -> Objective:
    """The metric that a study ranks networks by, with its direction.

    Of a study that trains by its own recipe it is accuracy, or the first objective that training gives where accuracy
    is none of them.
    """
    named = [(str(goal["metric"]), bool(goal["maximise"])) for goal in record.problem.get("objectives", ())]
    goals = [Objective(*goal) for goal in named if not _is_known_before(goal[0])]
    own = {goal.metric: goal for goal in goals}
    if not record.estimator:
        accuracy = Objective.of_score(ACCURACY.name)
        return own.get(ACCURACY.name, goals[0] if goals else accuracy)
    name = _ranked_by(record)
    if name.row.is_own and goals:
        return goals[0]
    return own.get(name.metric, Objective.of_score(name.metric))


def _ranked_by(record: StudyRecord) -> EstimatorName:
    """The estimator that a study names; the family of all estimators loads only where one does."""
    from naslab.estimators.named import read_name

    return read_name(record.estimator)


def _is_known_before(metric: str) -> bool:
    """Whether a metric is known before training."""
    return is_declared(metric) and find_metric(metric).is_limitable


def ranking_words(record: StudyRecord) -> str:
    """How networks were ranked, in words; nothing for a study that trained them by its own recipe.

    >>> ranking_words(StudyRecord(name="a", problem={}, strategy="local", epochs=4, seed=0, trials=5, estimator="macs"))
    'ranked by the proxy macs, nothing was trained'
    """
    return _ranked_by(record).way if record.estimator else ""


def has_trained(record: StudyRecord) -> bool:
    """Whether a study trains its networks, for its own estimate or for that of the estimator in its place."""
    return not record.estimator or _ranked_by(record).trains
