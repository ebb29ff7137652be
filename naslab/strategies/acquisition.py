"""What an estimate is expected to gain: improvement for one loss, hypervolume for several."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from naslab.pareto import is_non_dominated

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]


def expected_improvement(mean: Matrix, deviation: Matrix, best: Matrix | float) -> Matrix:
    """E[max(0, best - loss)] for normal losses (Jones et al. 1998); arrays that broadcast. A deviation of 0 is exact.

    >>> expected_improvement(np.array([1.0]), np.array([0.0]), 3.0).tolist()
    [2.0]
    """
    gap = np.asarray(best - mean)
    is_certain = deviation <= 0
    safe = np.where(is_certain, 1.0, deviation)
    scaled = gap / safe
    density = np.exp(-0.5 * scaled**2) / np.sqrt(2 * np.pi)
    expected = gap * ndtr(scaled) + safe * density
    return np.where(is_certain, np.maximum(gap, 0.0), np.maximum(expected, 0.0))


def expected_hypervolume_improvement(mean: Matrix, deviation: Matrix, front: Matrix, reference: Vector) -> Vector:
    """Expected gain of hypervolume of two independent normal losses each: shape (n,), exact.

    `mean` and `deviation` have the shape (n, 2), `front` (points, 2), `reference` (2,). The gain is a sum over strips
    between neighbouring points of the front: in each the width that the first loss frees times the height that the
    second gains (Yang et al. 2019, "Efficient computation of expected hypervolume improvement").
    """
    below = _front_below(front, reference)
    edges = np.append(below[:, 0], reference[0])
    heights = np.concatenate(([reference[1]], below[:, 1]))
    freed = expected_improvement(mean[:, :1], deviation[:, :1], edges[None, :])
    widths = np.diff(freed, axis=1, prepend=0.0)
    gains = expected_improvement(mean[:, 1:], deviation[:, 1:], heights[None, :])
    return np.asarray((widths * gains).sum(axis=1))


class FreeBoxes(NamedTuple):
    """What a front of three losses leaves below a reference, as boxes without a lower end in the second loss.

    `edges` are the coordinates that occur in each loss, the first of them minus infinity. `left`, `right`, `top`,
    `near` and `far`, of shape (boxes,), are places in them: of the first loss, of the second and of the third.
    """

    edges: tuple[Vector, Vector, Vector]
    left: NDArray[np.intp]
    right: NDArray[np.intp]
    top: NDArray[np.intp]
    near: NDArray[np.intp]
    far: NDArray[np.intp]


def free_boxes(front: Matrix, reference: Vector) -> FreeBoxes:
    """The boxes that points of shape (points, 3) leave below `reference`, at most three for each point.

    Points come in by their third loss; each cuts the strips of the plane that it dominates, and a strip that is cut
    ends as a box there (Lacour et al. 2017, "A box decomposition algorithm to compute the hypervolume indicator").
    """
    below = _front_below(front, reference)
    below = below[np.argsort(below[:, 2], kind="stable")]
    # the strips from left to right, their tops as negatives: those to the right are lower
    lefts, rights, depths, starts = [-np.inf], [float(reference[0])], [-float(reference[1])], [-np.inf]
    boxes = []
    for x, y, z in below.tolist():
        first, end = bisect_right(rights, x), bisect_left(depths, -y)
        if first >= end:
            continue
        left, right, depth, start = lefts[first], rights[end - 1], depths[first], starts[first]
        for strip in range(first, end):
            boxes.append((max(lefts[strip], x), rights[strip], -depths[strip], starts[strip], z))
        is_split = left < x
        lefts[first:end] = [left, x] if is_split else [x]
        rights[first:end] = [x, right] if is_split else [right]
        depths[first:end] = [depth, -y] if is_split else [-y]
        starts[first:end] = [start, z] if is_split else [z]
    last = float(reference[2])
    boxes += [
        (left, right, -depth, start, last)
        for left, right, depth, start in zip(lefts, rights, depths, starts, strict=True)
    ]
    sides = np.array(boxes, dtype=np.float64).T
    found = [np.unique(np.append(sides[rows], -np.inf)) for rows in ([0, 1], [2], [3, 4])]
    places = [np.searchsorted(found[loss], side) for loss, side in zip((0, 0, 1, 2, 2), sides, strict=True)]
    return FreeBoxes((found[0], found[1], found[2]), *places)


def expected_gain_of_boxes(mean: Matrix, deviation: Matrix, boxes: FreeBoxes) -> Vector:
    """Expected gain of hypervolume of three independent normal losses each: shape (n,), exact.

    `mean` and `deviation` have the shape (n, 3). Of each box a point gains the product of what it frees in each loss
    (Yang et al. 2019, eq. 13).
    """
    first, second, third = (
        np.column_stack(
            (np.zeros(len(mean)), expected_improvement(mean[:, [loss]], deviation[:, [loss]], edges[None, 1:]))
        )
        for loss, edges in enumerate(boxes.edges)
    )
    widths = first[:, boxes.right] - first[:, boxes.left]
    depths = third[:, boxes.far] - third[:, boxes.near]
    return np.asarray(np.einsum("ij,ij,ij->i", widths, second[:, boxes.top], depths))


def _front_below(front: Matrix, reference: Vector) -> Matrix:
    """The distinct points of the front that are better than the reference, in lexicographic order."""
    below = front[np.all(front < reference, axis=1)]
    return np.unique(below[is_non_dominated(below)], axis=0) if len(below) else below.reshape(0, front.shape[1])


def expected_scalar_improvement(
    mean: Matrix, deviation: Matrix, losses: Matrix, weights: Vector, draws: Matrix
) -> Vector:
    """Expected improvement of a weighted Chebyshev scalar of any number of losses: shape (n,), by sampling.

    `mean`, `deviation` (n, objectives); `losses` told, (points, objectives), all on one scale; `weights` (objectives,);
    `draws` standard normal, (samples, objectives). ParEGO: Knowles 2006.
    """
    best = _chebyshev(losses, weights).min()
    gains = [np.maximum(0.0, best - _chebyshev(mean + deviation * draw, weights)) for draw in draws]
    return np.asarray(np.mean(gains, axis=0))


def _chebyshev(losses: Matrix, weights: Vector) -> Vector:
    """The augmented Chebyshev scalar of losses of shape (n, objectives): shape (n,)."""
    weighted = losses * weights
    return np.asarray(weighted.max(axis=1) + 0.05 * weighted.sum(axis=1))
