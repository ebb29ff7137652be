"""Preferences: which part of a front is searched. Networks outside of it are told, and rank behind those within it.

| name in code | shape | what it is |
|---|---|---|
| `losses` | (networks, objectives) | losses, all to be small; NaN in rows of failures |
| `preferred` | (objectives,) | the losses that are preferred at most, NaN where none is |

No network is refused for them. A strategy that compares networks compares within the part by losses as ever, outside of
it by how far a network lies from it: the order of constrained dominance (Deb et al. 2002, section VI).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from naslab.study.problem import Limit, Objective

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

BEHIND = 1e30
"""A loss that no network has: from there on those are told that lie outside of what is preferred."""


def preferred_losses(objectives: Sequence[Objective], preferences: Sequence[Limit]) -> Vector | None:
    """The `preferences` as losses of the `objectives`: shape (objectives,), NaN without one; `None` without any.

    >>> goals = (Objective.named("accuracy"), Objective.named("macs"))
    >>> preferred_losses(goals, [Limit.preferred("accuracy>=90", goals)]).tolist()
    [-90.0, nan]
    """
    if not preferences:
        return None
    bounds = {each.metric: each.bound for each in preferences}
    return np.array([goal.loss(bounds.get(goal.metric, math.nan)) for goal in objectives])


def shortfall(losses: Matrix, preferred: Vector, unit: Vector | float = 1.0) -> Vector:
    """How far `losses` lie beyond what is `preferred`, summed over the objectives: shape (networks,), 0 within.

    `unit` is what counts as one in each objective, shape (objectives,) or one for all. Failures are within.

    >>> shortfall(np.array([[1.0, 9.0], [3.0, 9.0]]), np.array([2.0, np.nan])).tolist()
    [0.0, 1.0]
    """
    return np.asarray(np.fmax((losses - preferred) / unit, 0.0).sum(axis=1))


def ranked_behind(losses: Matrix, preferred: Vector) -> Matrix:
    """`losses` by which any strategy that compares networks prefers those within: the same there, of the same shape.

    A network outside is dominated by every one within, and by those that lie nearer in shares of the bounds.

    >>> ranked_behind(np.array([[1.0, 9.0], [4.0, 2.0]]), np.array([2.0, np.nan])).tolist()
    [[1.0, 9.0], [2e+30, 2e+30]]
    """
    size = np.abs(preferred)
    far = shortfall(losses, preferred, np.where(size > 0, size, 1.0))[:, None]
    return np.where(far > 0, BEHIND * (1.0 + far), losses)
