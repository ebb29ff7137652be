"""Which networks of a rung go on to the next: the order of promotion in several objectives."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from naslab.estimators.inheritance import ANCESTOR_EPOCHS, ancestor_epochs
from naslab.pareto import crowding_distance, hypervolume_contributions, non_dominated_ranks
from naslab.strategies.preferred_part import preferred_losses, ranked_behind
from naslab.study.outcome import Candidate, Outcome
from naslab.study.problem import Limit, Objective
from naslab.study.rungs import Rungs

MOST_FOR_VOLUME = 3
"""Objectives up to which hypervolume contributions break ties; with more they cost more than a decision is worth."""
MARGIN = 0.1
"""How far beyond the worst of a front its reference lies, as a share of its range: the ends have a volume too."""


def may_go_on(outcome: Outcome, objectives: Sequence[Objective]) -> bool:
    """Whether `outcome` has a value of every objective, and was not stopped early as dominated."""
    was_stopped = "stopped" in outcome.estimate.notes
    is_measured = all(math.isfinite(outcome.value(goal.metric)) for goal in objectives)
    return outcome.is_complete and is_measured and not was_stopped


def best_to_promote(
    outcomes: Sequence[Outcome], objectives: Sequence[Objective], preferences: Sequence[Limit] = ()
) -> list[Outcome]:
    """The outcomes that may go on, best first; a function of the outcomes, whatever their order.

    Asynchronous successive halving in several objectives (MO-ASHA, Schmucker et al. 2021, arXiv 2106.12639) promotes by
    non-dominated rank (Deb et al. 2002) and within a rank by a second criterion. Here that is the hypervolume that a
    network alone contributes (Beume et al. 2007, SMS-EMOA), each objective scaled to the rank's range, or crowding
    distance where there are more than three objectives; then age. One objective is its own order. Objectives may be
    described or measured, on the rung, by naslab's training or a user's. With `preferences` networks within them come
    first, then those that lie nearest.
    """
    able = sorted((each for each in outcomes if may_go_on(each, objectives)), key=lambda each: each.candidate.trial)
    if not able:
        return []
    losses = np.array([[goal.loss(each.value(goal.metric)) for goal in objectives] for each in able], dtype=np.float64)
    preferred = preferred_losses(objectives, preferences)
    if preferred is not None:
        losses = ranked_behind(losses, preferred)
    if losses.shape[1] == 1:
        return [able[index] for index in np.argsort(losses[:, 0], kind="stable")]
    ranks = non_dominated_ranks(losses)
    spread = np.zeros(len(able))
    for rank in range(int(ranks.max()) + 1):
        spread[ranks == rank] = _spread(losses[ranks == rank])
    return [able[index] for index in np.lexsort((-spread, ranks))]


def _spread(front: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each network adds to its front, shape (networks,)."""
    if front.shape[1] > MOST_FOR_VOLUME:
        return crowding_distance(front)
    span = np.ptp(front, axis=0)
    scaled = (front - front.min(axis=0)) / np.where(span > 0, span, 1.0)
    return hypervolume_contributions(scaled, np.full(front.shape[1], 1 + MARGIN))


def promoted(outcome: Outcome, rungs: Rungs, trial: int) -> Candidate:
    """The candidate that trains the network of `outcome` on to the next of `rungs`, as the trial of that number."""
    before = outcome.candidate
    rung = rungs.rung_of(before.fidelity)
    assert rung is not None, "only outcomes of a rung go on"
    inherited = ancestor_epochs(outcome)
    return msgspec.structs.replace(
        before,
        trial=trial,
        fidelity=rungs.fidelity(rung + 1),
        origin={"operator": "promote", "from": before.trial} | ({ANCESTOR_EPOCHS: inherited} if inherited else {}),
        start_from=outcome.estimate.weights_sha256,
        accuracy_to_beat=None,
        to_beat=None,
    )


def done_with(outcome: Outcome, rungs: Rungs, objectives: Sequence[Objective]) -> list[str]:
    """The hashes of the checkpoints that nothing of a search over `rungs` goes on from behind `outcome`.

    The one that it went on from itself, and its own where it may not go on for want of a result or of one of the
    `objectives`. That of the last rung is kept: it is the trained network.
    """
    own = outcome.estimate.weights_sha256
    is_last = rungs.rung_of(outcome.candidate.fidelity) == rungs.top
    ends = [] if is_last or may_go_on(outcome, objectives) else [own]
    return [each for each in (*ends, outcome.candidate.start_from) if each]
