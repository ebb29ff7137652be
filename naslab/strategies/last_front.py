"""What cannot join a full population is passed over, many outcomes at once: nearly all of a long search."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from naslab.pareto import Losses, non_dominated_ranks

Booleans = NDArray[np.bool_]
Passes = Callable[[Losses], Booleans]
"""Says of losses, shape (points, objectives), which leave a population as it is: shape (points,)."""

LEAST_AT_ONCE, MOST_AT_ONCE = 32, 8_192


class LastFront(NamedTuple):
    """The last front of a population, and the one `above` it: losses of the shape (points, objectives).

    There is none above where the last one is the only one.
    """

    points: Losses
    above: Losses

    @classmethod
    def of(cls, losses: Losses) -> LastFront | None:
        """That of a population with these `losses`; `None` where one of it failed, which is a row of NaN.

        >>> LastFront.of(np.array([[1.0, 2.0], [2.0, 3.0]])).points.tolist()
        [[2.0, 3.0]]
        """
        if not len(losses) or np.isnan(losses[:, 0]).any():
            return None
        return cls.ranked(losses, non_dominated_ranks(losses))

    @classmethod
    def ranked(cls, losses: Losses, ranks: NDArray[np.int64]) -> LastFront:
        """That of a population with these `losses` and `ranks`, shape (points,)."""
        last = ranks.max()
        return cls(losses[ranks == last], losses[ranks == last - 1])

    def is_behind(self, group: Losses) -> Booleans:
        """Which of `group` it dominates: those would be on a front of their own.

        >>> LastFront.of(np.array([[1.0, 2.0]])).is_behind(np.array([[1.0, 2.0], [1.0, 3.0]])).tolist()
        [False, True]
        """
        return np.asarray(_comparison(self.points, group)[0].any(axis=0))

    def compared(self, group: Losses) -> tuple[Booleans, Booleans]:
        """Which of `group` it dominates, and which would join it and leave every point of it there."""
        is_above, is_below = _comparison(self.points, group)
        is_behind: Booleans = np.asarray(is_above.any(axis=0))
        joins: Booleans = np.asarray(~(is_behind | is_below.any(axis=0)))
        if len(self.above):
            joins &= np.asarray(_comparison(self.above, group)[0].any(axis=0))
        return is_behind, joins


def next_to_join(losses: Losses, first: int, passes: Passes | None) -> int:
    """The place, from `first` on, of the next of `losses` that changes a full population; their number without one.

    The losses have the shape (points, objectives). Those that failed, a row of NaN, and those of which `passes` says so
    change nothing; without it nothing is known, and every one may.

    >>> front = LastFront.of(np.array([[2.0, 2.0]]))
    >>> next_to_join(np.array([[2.0, 3.0], [np.nan, np.nan], [1.0, 3.0]]), 0, front.is_behind)
    2
    """
    if passes is None:
        return first
    size = LEAST_AT_ONCE
    while first < len(losses):
        group = losses[first : first + size]
        is_passed = passes(group) | np.isnan(group[:, 0])
        if not is_passed.all():
            return first + int(np.argmin(is_passed))
        first, size = first + size, min(2 * size, MOST_AT_ONCE)
    return len(losses)


def _comparison(front: Losses, group: Losses) -> tuple[Booleans, Booleans]:
    """Whether each point of `front` dominates each of `group`, and the other way round: shape (front, group) twice."""
    is_better: Booleans = np.zeros((len(front), len(group)), dtype=np.bool_)
    is_worse: Booleans = np.zeros_like(is_better)
    for point, loss in zip(front.T[:, :, None], group.T, strict=True):
        is_better |= point < loss
        is_worse |= point > loss
    return is_better & ~is_worse, is_worse & ~is_better
