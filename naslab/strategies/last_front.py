"""What the last front of a population dominates cannot join it: most outcomes of a long search."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from naslab.pareto import Losses, non_dominated_ranks
from naslab.strategies.outcome_history import Observation


def last_front(alive: Sequence[Observation]) -> Losses | None:
    """The losses of the last front of a population, shape (points, objectives); `None` where one of it failed."""
    measured = [each.losses for each in alive if each.losses is not None]
    if len(measured) < len(alive) or not measured:
        return None
    losses = np.array(measured, dtype=np.float64)
    ranks = non_dominated_ranks(losses)
    return np.asarray(losses[ranks == ranks.max()])


def is_behind(observation: Observation, front: Losses | None) -> bool:
    """Whether an observation is of no use to a full population: it failed, or a point of the last `front` dominates it.

    `front` has the shape (points, objectives), `None` where it is not known.

    >>> from naslab.space import Genome
    >>> is_behind(Observation(Genome(), "", (2.0, 3.0)), np.array([[2.0, 2.0]]))
    True
    """
    if front is None:
        return False
    if observation.losses is None:
        return True
    point = np.array(observation.losses)
    return bool((np.all(front <= point, axis=1) & np.any(front < point, axis=1)).any())
