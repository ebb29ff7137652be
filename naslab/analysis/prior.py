"""How the prior of a search ranked the networks that were trained."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from naslab.analysis.front import widest
from naslab.analysis.rank_agreement import LEAST_RANKED, Agreement, rank_agreement
from naslab.analysis.ranking import score_goal
from naslab.analysis.study import StudyView
from naslab.errors import counted


class PriorRow(msgspec.Struct, frozen=True):
    """One score of a prior: `num_scored` networks of the pool have it, in `seconds` of workers, `num_failed` do not.

    `tau` is Kendall's tau-b of the score with what was measured of the `num_compared` networks that have both.
    """

    name: str
    num_scored: int
    num_failed: int
    seconds: float
    num_compared: int
    tau: Agreement


class PriorTable(msgspec.Struct, frozen=True):
    """The scores of a study's prior, a row each, beside the measured `metric`."""

    metric: str
    rows: tuple[PriorRow, ...]


def prior_table(view: StudyView) -> PriorTable | None:
    """How the scores of the study in `view` rank its networks at the fidelity most have; `None` without a prior.

    >>> from naslab.analysis.study import StudyView
    >>> prior_table(StudyView(record=None, problem=None)) is None
    True
    """
    if not view.scores:
        return None
    goal = score_goal(view.record)
    done = [each for each in widest(view.outcomes) if math.isfinite(each.value(goal.metric))]
    truth = {each.candidate.arch_id: -goal.loss(each.value(goal.metric)) for each in done}
    rows = []
    for name in dict.fromkeys(each.prior for each in view.scores):
        own = [each for each in view.scores if each.prior == name]
        known = {each.arch_id: each.score for each in own if each.score is not None}
        both = [arch_id for arch_id in truth if arch_id in known]
        tau = Agreement(math.nan, math.nan, math.nan)
        if len(both) >= LEAST_RANKED:
            scores, measured = (np.array([values[each] for each in both]) for values in (known, truth))
            tau = rank_agreement(scores, measured).tau
        seconds = sum(each.wall_seconds for each in own)
        rows.append(PriorRow(name, len(known), len(own) - len(known), seconds, len(both), tau))
    return PriorTable(goal.metric, tuple(rows))


def prior_words(table: PriorTable) -> list[str]:
    """The table as lines for people, one a score."""
    return [
        f"prior {row.name}: Kendall's tau with {table.metric} {row.tau.words()} over "
        f"{counted(row.num_compared, 'network')}"
        for row in table.rows
    ]
