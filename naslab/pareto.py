"""Pareto dominance, ranks, crowding and hypervolume of losses: arrays of shape (points, objectives), all to be small.

An objective to be made large is passed as its negative. Points that are not numbers raise `SpecError` in every function
that takes several. Three networks by error and cost; the second is dominated by the first:

>>> losses = [[8.0, 2.0], [9.0, 2.5], [6.0, 5.0]]
>>> is_non_dominated(losses).tolist(), hypervolume(losses, reference=[10.0, 6.0])
([True, False, True], 10.0)

With the reference (10, 6) the first spans a box of 2 x 4 and the third one of 4 x 1, which share 2 x 1: 8 + 4 - 2.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right

import numpy as np
from numpy.typing import ArrayLike, NDArray

from naslab.errors import SpecError, counted

Losses = NDArray[np.float64]

FEW_POINTS = 128
"""Up to so many points all pairs of them are compared at once."""
NUM_PIVOTS = 24
"""Points by which others are found to be dominated before a front is looked for among the rest."""


def dominates(one: ArrayLike, two: ArrayLike) -> bool:
    """Whether `one` is nowhere worse than `two` and somewhere better; both of shape (objectives,).

    >>> dominates([1, 2], [1, 3]), dominates([1, 2], [1, 2])
    (True, False)
    """
    first, second = np.asarray(one, dtype=float), np.asarray(two, dtype=float)
    return bool(np.all(first <= second) and np.any(first < second))


def is_non_dominated(losses: ArrayLike) -> NDArray[np.bool_]:
    """Which of `losses`, shape (points, objectives), no other point dominates: bool of shape (points,).

    Equal points are kept together.

    >>> is_non_dominated([[1, 4], [2, 2], [3, 3], [2, 2]]).tolist()
    [True, True, False, True]
    """
    points = checked_losses(losses)
    if points.shape[1] == 1:
        return np.asarray(points[:, 0] == points[:, 0].min()) if len(points) else np.zeros(0, dtype=bool)
    left = _may_be_on_front(points) if len(points) > FEW_POINTS else np.arange(len(points))
    unique, where = np.unique(points[left], axis=0, return_inverse=True)
    find = {2: _front_of_two, 3: _front_of_three}.get(points.shape[1], _front_of_many)
    front = np.zeros(len(points), dtype=bool)
    front[left] = find(unique)[where.reshape(-1)]
    return front


def non_dominated_ranks(losses: ArrayLike) -> NDArray[np.int64]:
    """The front that each of `losses`, shape (points, objectives), is on, 0 the best: int of shape (points,).

    Fronts are peeled off one after the other (Deb et al. 2002, NSGA-II, section III A).

    >>> non_dominated_ranks([[1, 4], [2, 2], [3, 3], [4, 4]]).tolist()
    [0, 0, 1, 2]
    """
    points = checked_losses(losses)
    ranks = np.zeros(len(points), dtype=np.int64)
    if len(points) <= FEW_POINTS:
        return _ranks_of_few(points, ranks)
    left = np.arange(len(points))
    rank = 0
    while len(left):
        front = is_non_dominated(points[left])
        ranks[left[front]] = rank
        left = left[~front]
        rank += 1
    return ranks


def crowding_distance(losses: ArrayLike) -> Losses:
    """How far the neighbours of each point of one front are apart, summed over objectives: shape (points,).

    `losses` have the shape (points, objectives). Ends of an objective are infinitely far. Deb et al. 2002 (NSGA-II),
    section III B; each objective is scaled to its range over the points, an objective of no range adds nothing. An
    infinite loss counts as one range beyond the others.

    >>> crowding_distance([[0, 2], [1, 1], [2, 0]]).tolist()
    [inf, 2.0, inf]
    """
    points = _subtractable(checked_losses(losses))
    distance = np.zeros(len(points))
    for column in map(_within_reach, points.T if len(points) else ()):
        order = np.argsort(column, kind="stable")
        span = column[order[-1]] - column[order[0]]
        if span > 0:
            distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / span
            distance[order[[0, -1]]] = np.inf
    return distance


def crowding_of_fronts(losses: ArrayLike, ranks: NDArray[np.int64]) -> Losses:
    """The `crowding_distance` of each of `losses`, shape (points, objectives), in the front of its rank: (points,).

    `ranks` are those of `non_dominated_ranks`, shape (points,); every front is measured at once.

    >>> crowding_of_fronts([[0, 2], [1, 1], [2, 0], [9, 9]], np.array([0, 0, 0, 1])).tolist()
    [inf, 2.0, inf, 0.0]
    """
    points = _subtractable(checked_losses(losses))
    distance = np.zeros(len(points))
    is_finite = bool(np.isfinite(points).all())
    if is_finite and 0 < len(points) <= FEW_POINTS:
        return np.array(_crowding_of_few(points.T.tolist(), ranks.tolist()))
    if not is_finite:
        for rank in np.unique(ranks):
            distance[ranks == rank] = crowding_distance(points[ranks == rank])
        return distance
    for column in points.T if len(points) else ():
        order = np.lexsort((column, ranks))
        value, rank = column[order], ranks[order]
        ends = np.flatnonzero(rank[1:] != rank[:-1])
        first, last = np.concatenate(([0], ends + 1)), np.concatenate((ends, [len(rank) - 1]))
        span = np.repeat(value[last] - value[first], last - first + 1)
        inner = np.empty(len(rank))
        inner[1:-1] = value[2:] - value[:-2]
        inner[first] = inner[last] = np.inf
        has_range = span > 0
        distance[order[has_range]] += inner[has_range] / span[has_range]
    return distance


def hypervolume_contributions(losses: ArrayLike, reference: ArrayLike) -> Losses:
    """The volume that each point alone dominates, up to `reference` of shape (objectives,): shape (points,).

    `losses` have the shape (points, objectives). The contribution is what the hypervolume loses with the point: 0 for
    one that is dominated, or that has an equal. A front of two objectives by a sweep, all else by leaving each point
    out.

    >>> hypervolume_contributions([[1, 2], [2, 1]], [3, 3]).tolist()
    [1.0, 1.0]
    """
    points = checked_losses(losses)
    bound = checked_reference(reference, points.shape[1])
    if not len(points):
        return np.zeros(0)
    unique, where, counts = np.unique(points, axis=0, return_inverse=True, return_counts=True)
    is_front = is_non_dominated(unique)
    own = np.zeros(len(unique))
    if points.shape[1] == 2 and is_front.all() and np.all(unique < bound):
        # in lexicographic order the second loss falls: a point's own box ends at its neighbours
        rights = np.append(unique[1:, 0], bound[0])
        tops = np.append(bound[1], unique[:-1, 1])
        own = (rights - unique[:, 0]) * (tops - unique[:, 1])
    else:
        whole = hypervolume(unique, bound)
        for index in np.flatnonzero(is_front & (counts == 1)):
            own[index] = whole - hypervolume(np.delete(unique, index, axis=0), bound)
    own[counts > 1] = 0.0
    return own[where.reshape(-1)]


def hypervolume(losses: ArrayLike, reference: ArrayLike) -> float:
    """The volume between the points and `reference` of shape (objectives,) that the points dominate; exact.

    `losses` have the shape (points, objectives); points that do not dominate the reference add nothing. Two objectives
    and three by a sweep (Beume et al. 2009), more by what each point adds to those behind it (While et al. 2012,
    "WFG"). Raises `SpecError` where the reference has another number of objectives.

    >>> hypervolume([[1, 2], [2, 1]], [3, 3])
    3.0
    >>> hypervolume([[0, 0, 0], [-1, 0.5, 0.5]], [1, 1, 1])
    1.25
    """
    points = checked_losses(losses)
    bound = checked_reference(reference, points.shape[1])
    points = points[np.all(points < bound, axis=1)]
    return _volume(points[is_non_dominated(points)], bound) if len(points) else 0.0


def checked_losses(losses: ArrayLike) -> Losses:
    """The losses as float64 of shape (points, objectives).

    Raises `SpecError` for another shape, and where one is not a number.
    """
    points = np.asarray(losses, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] == 0:
        raise SpecError("losses", f"must have the shape (points, objectives), got {points.shape}")
    if np.isnan(points).any():
        raise SpecError("losses", "must be numbers; leave points that were not measured out")
    return points


def checked_reference(reference: ArrayLike, num_objectives: int) -> Losses:
    """The `reference` point of `num_objectives` values as float64 of shape (objectives,).

    Raises `SpecError` where one is missing or not a number.
    """
    bound = np.asarray(reference, dtype=np.float64)
    if bound.shape != (num_objectives,):
        raise SpecError(
            "reference", f"needs one value for each of {counted(num_objectives, 'objective')}, got {bound.size}"
        )
    if np.isnan(bound).any():
        raise SpecError("reference", f"must be numbers, got {bound.tolist()}")
    return bound


def _subtractable(losses: Losses) -> Losses:
    """`losses`, or an eighth of each where differences of the finite ones would be infinite; ratios stay the same."""
    largest = np.abs(losses[np.isfinite(losses)]).max(initial=0.0)
    return losses / 8 if largest > np.finfo(float).max / 8 else losses


def _within_reach(column: Losses) -> Losses:
    """One objective's losses, shape (points,), infinite ones brought to one range beyond the finite ones."""
    finite = column[np.isfinite(column)]
    if len(finite) in (0, len(column)):
        return np.sign(column) if len(finite) == 0 else column
    reach = np.ptp(finite) or 1.0
    return np.clip(column, finite.min() - reach, finite.max() + reach)


def _front_of_two(unique: Losses) -> NDArray[np.bool_]:
    """The front of distinct points in lexicographic order: each strictly better in the second than all before."""
    best = np.minimum.accumulate(unique[:, 1])
    return np.concatenate((np.ones(min(1, len(unique)), dtype=bool), unique[1:, 1] < best[:-1]))


def _front_of_three(unique: Losses) -> NDArray[np.bool_]:
    """The front of distinct points in lexicographic order, by a staircase of the second and third loss so far.

    Kung et al. 1975, "On finding the maxima of a set of vectors".
    """
    front = np.zeros(len(unique), dtype=bool)
    seconds: list[float] = []
    thirds: list[float] = []
    for index, (_, second, third) in enumerate(unique.tolist()):
        place = bisect_right(seconds, second)
        if place and thirds[place - 1] <= third:
            continue
        front[index] = True
        place = bisect_left(seconds, second)
        end = place
        while end < len(thirds) and thirds[end] >= third:
            end += 1  # steps that it takes over
        seconds[place:end] = [second]
        thirds[place:end] = [third]
    return front


def _front_of_many(unique: Losses) -> NDArray[np.bool_]:
    """The front of distinct points in lexicographic order: a point is only ever dominated by one before it."""
    front = np.zeros(len(unique), dtype=bool)
    kept = np.empty_like(unique)
    count = 0
    for index, point in enumerate(unique):
        if not np.any(np.all(kept[:count] <= point, axis=1)):
            front[index] = True
            kept[count] = point
            count += 1
    return front


def _volume(front: Losses, bound: Losses) -> float:
    """The hypervolume of mutually non-dominated points below `bound`."""
    if len(front) == 0:
        return 0.0
    if front.shape[1] == 1:
        return float(bound[0] - front[:, 0].min())
    if front.shape[1] == 2:
        order = np.argsort(front[:, 0], kind="stable")
        first, second = front[order, 0], front[order, 1]
        rights = np.append(first[1:], bound[0])
        return float(np.sum((rights - first) * (bound[1] - np.minimum.accumulate(second))))
    if not (np.isfinite(front).all() and np.isfinite(bound).all()):
        return math.inf
    if front.shape[1] == 3:
        return _volume_of_three(front, bound)
    return _volume_of_many(front[np.argsort(-front[:, -1], kind="stable")], bound)


def _volume_of_three(front: Losses, bound: Losses) -> float:
    """A sweep along the third loss: what the first two dominate so far is a staircase that each point adds to."""
    ordered = front[np.lexsort((front[:, 1], front[:, 0], front[:, 2]))].tolist()
    right, top, far = bound.tolist()
    firsts, seconds = [-math.inf, right], [top, -math.inf]  # steps from the left: the first rises, the second falls
    area, total, depth = 0.0, 0.0, ordered[0][2]
    for first, second, third in ordered:
        if third > depth:
            total += area * (third - depth)
            depth = third
        place = bisect_right(firsts, first) - 1
        if seconds[place] <= second:
            continue  # another point so far is as good in both
        start, end, left = place + (firsts[place] < first), place, first
        while seconds[end] >= second:
            area += (firsts[end + 1] - left) * (seconds[end] - second)
            end += 1
            left = firsts[end]
        firsts[start:end] = [first]
        seconds[start:end] = [second]
    return float(total + area * (far - depth))


def _volume_of_many(front: Losses, bound: Losses) -> float:
    """The sum of what each point dominates beside those behind it, which are limited to its own box.

    The points come by their last loss, the largest first: limited to a point's box the others all have its own there,
    which leaves a volume of one objective less.
    """
    total = 0.0
    for place, point in enumerate(front):
        limited = np.maximum(front[place + 1 :, :-1], point[:-1])
        if limited.shape[1] > 3 and len(limited):
            limited = limited[is_non_dominated(limited)]
        total += float(np.prod(bound - point)) - float(bound[-1] - point[-1]) * _volume(limited, bound[:-1])
    return total


def _may_be_on_front(points: Losses) -> NDArray[np.int64]:
    """The places of those of many points that a few good ones do not dominate: what no front has is out."""
    columns = np.ascontiguousarray(points.T)  # a loss of all points at once takes a fifth of the time
    sums = np.zeros(len(points))
    for column in map(_within_reach, columns):
        sums += (column - column.min()) / (np.ptp(column) or 1.0)
    left = np.arange(len(points))
    for _ in range(NUM_PIVOTS):
        pivot = columns[:, np.argmin(sums)]
        is_in = np.logical_or.reduce([column < value for column, value in zip(columns, pivot, strict=True)])
        covered = np.flatnonzero(~is_in)
        equal = covered[np.all(columns[:, covered] == pivot[:, None], axis=0)]
        is_in[equal], sums[equal] = True, np.inf  # they have been a pivot
        if len(left) < FEW_POINTS and is_in.all():
            break
        kept = np.flatnonzero(is_in)
        left, sums, columns = left[kept], sums[kept], columns[:, kept]
    return left


def _ranks_of_few(points: Losses, ranks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ranks by the whole table of who dominates whom; `ranks` is an array of zeros to put them into.

    Those of two objectives by a sweep.
    """
    if points.shape[1] == 2:
        ranks[:] = _ranks_of_two(points.tolist())
        return ranks
    no_worse = np.all(points[:, None] <= points[None], axis=2)
    above = no_worse & ~no_worse.T
    num_above = above.sum(axis=0)
    front, rank = num_above == 0, 0
    while front.any():
        ranks[front] = rank
        num_above = num_above - above[front].sum(axis=0)
        num_above[front] = -1
        front, rank = num_above == 0, rank + 1
    return ranks


def _ranks_of_two(points: list[list[float]]) -> list[int]:
    """Ranks of points of two objectives, in lexicographic order: each is on the first front that is not below it.

    On a front the second loss falls, so that the last point of it tells.
    """
    ranks = [0] * len(points)
    lowest: list[float] = []  # the second loss at the end of each front, rising from front to front
    before: list[float] = []
    rank = 0
    for place in sorted(range(len(points)), key=points.__getitem__):
        point = points[place]
        if point != before:  # equal points are on one front
            rank = bisect_right(lowest, point[1])
            lowest[rank : rank + 1] = [point[1]]
            before = point
        ranks[place] = rank
    return ranks


def _crowding_of_few(columns: list[list[float]], ranks: list[int]) -> list[float]:
    """`crowding_of_fronts` of few points, which are finite, by the `columns` of their losses."""
    distance = [0.0] * len(ranks)
    places = range(len(ranks))
    for column in columns:
        begin = 0
        ordered = sorted(zip(ranks, column, places, strict=True))
        while begin < len(ordered):
            rank, least, first = ordered[begin]
            end = begin + 1
            while end < len(ordered) and ordered[end][0] == rank:
                end += 1
            _, most, last = ordered[end - 1]
            span = most - least
            if span > 0:
                for place in range(begin + 1, end - 1):
                    distance[ordered[place][2]] += (ordered[place + 1][1] - ordered[place - 1][1]) / span
                distance[first] = distance[last] = math.inf
            begin = end
    return distance
