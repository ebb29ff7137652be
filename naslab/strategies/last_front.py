"""What the last front of a population dominates cannot join it: most outcomes of a long search."""

from __future__ import annotations

import numpy as np

from naslab.pareto import Losses, non_dominated_ranks

LEAST_AT_ONCE, MOST_AT_ONCE = 16, 8_192


def last_front(losses: Losses) -> Losses | None:
    """The last front of a population with these `losses`, both of shape (points, objectives).

    `None` where one of it failed, which is a row of NaN.

    >>> last_front(np.array([[1.0, 2.0], [2.0, 3.0]])).tolist()
    [[2.0, 3.0]]
    """
    if not len(losses) or np.isnan(losses[:, 0]).any():
        return None
    ranks = non_dominated_ranks(losses)
    return np.asarray(losses[ranks == ranks.max()])


def next_to_join(losses: Losses, first: int, front: Losses | None) -> int:
    """The place, from `first` on, of the next of `losses` that may join a full population; their number without one.

    Those that failed, a row of NaN, and those that a point of the last `front` dominates are of no use to it. Both have
    the shape (points, objectives); where the front is `None` it is not known, and every one may join.

    >>> next_to_join(np.array([[2.0, 3.0], [np.nan, np.nan], [1.0, 3.0]]), 0, np.array([[2.0, 2.0]]))
    2
    """
    if front is None:
        return first
    size = LEAST_AT_ONCE
    while first < len(losses):
        group = losses[first : first + size]
        no_better = np.ones((len(front), len(group)), dtype=np.bool_)
        is_worse = np.zeros((len(front), len(group)), dtype=np.bool_)
        for point, loss in zip(front.T, group.T, strict=True):
            no_better &= point[:, None] <= loss
            is_worse |= point[:, None] < loss
        is_behind = (no_better & is_worse).any(axis=0) | np.isnan(group[:, 0])
        if not is_behind.all():
            return first + int(np.argmin(is_behind))
        first, size = first + size, min(2 * size, MOST_AT_ONCE)
    return len(losses)
