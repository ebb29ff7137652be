"""Acquisition functions: what a training is expected to gain, improvement for one loss, hypervolume for several.

All losses are to be small. What a model expects of a network are independent normal losses.

| symbol | name in code | shape | what it is |
|---|---|---|---|
| m, s | `mean`, `deviation` | (n, objectives) | expected losses of n networks and their standard deviations |
| f* | `best` | scalar | the best loss achieved (one objective) |
| P | `front` | (points, objectives) | losses achieved; dominated ones do no harm |
| r | `reference` | (objectives,) | the losses from which on a network is worthless |
| EI | `expected_improvement` | (n,) | (f* - m) Phi(z) + s phi(z), z = (f* - m) / s: Jones et al. 1998, eq. 15 |
| EHVI | `expected_hypervolume_improvement` | (n,) | E[HV(P and f) - HV(P)]: Yang et al. 2019 |

Two points of a front, and three networks. The first, certain to lie between them, adds a square of side 1; the second,
certain to lie on the front, adds nothing; the third is as good as the second on average and may turn out better:

>>> front, reference = np.array([[0.0, 2.0], [2.0, 0.0]]), np.array([3.0, 3.0])
>>> mean = np.array([[1.0, 1.0], [2.0, 0.0], [2.0, 0.0]])
>>> deviation = np.array([[0.0, 0.0], [0.0, 0.0], [0.5, 0.5]])
>>> expected_hypervolume_improvement(mean, deviation, front, reference).round(3).tolist()
[1.0, 0.0, 0.559]
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from naslab.pareto import is_non_dominated
from naslab.strategies.preferred_part import shortfall

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Improvement: TypeAlias = Callable[[Matrix, Matrix, Matrix], Matrix]
"""What a mean, a deviation and a best loss are expected to gain: `expected_improvement`, or that of a warped scale."""

TIE_BREAK = 1e-6
"""The weight of the mean distance beside its expected fall."""


def expected_improvement(mean: Matrix, deviation: Matrix, best: Matrix | float) -> Matrix:
    """E[max(0, `best` - loss)] of normal losses, in the unit of the losses (Jones et al. 1998, eq. 15).

    `mean`, `deviation` and `best` broadcast against each other, and the result has their common shape. Where a
    deviation is 0 the loss is certain, and the result the plain difference or 0.

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


PLAIN: tuple[Improvement, ...] = (expected_improvement,) * 3
"""The improvements of losses on the scale of the front."""


def expected_hypervolume_improvement(
    mean: Matrix, deviation: Matrix, front: Matrix, reference: Vector, improvements: Sequence[Improvement] = ()
) -> Vector:
    """The expected growth of the hypervolume by networks of two independent normal losses: shape (n,), exact.

    `mean` and `deviation` have the shape (n, 2), `front` (points, 2), `reference` (2,); an example heads this file.
    `improvements` are what each loss gains, where `mean` and `deviation` are on another scale than the front. The gain
    is a sum over strips between neighbouring points of the front: in each the expected width times the expected height
    that a network adds (Yang et al. 2019, "Efficient computation of expected hypervolume improvement").
    """
    below = _front_below(front, reference)
    edges = np.append(below[:, 0], reference[0])
    heights = np.concatenate(([reference[1]], below[:, 1]))
    along, across = improvements or PLAIN[:2]
    freed = along(mean[:, :1], deviation[:, :1], edges[None, :])
    widths = np.diff(freed, axis=1, prepend=0.0)
    gains = across(mean[:, 1:], deviation[:, 1:], heights[None, :])
    return np.asarray((widths * gains).sum(axis=1))


class FreeBoxes(NamedTuple):
    """The part of the space below a reference that no point of a front of three losses dominates, as disjoint boxes.

    A box spans `left` to `right` in the first loss, minus infinity to `top` in the second, `near` to `far` in the
    third. Each of these has the shape (boxes,) and holds indices into `edges`: for each loss the sorted coordinates
    that occur, the first of them minus infinity.
    """

    edges: tuple[Vector, Vector, Vector]
    left: NDArray[np.intp]
    right: NDArray[np.intp]
    top: NDArray[np.intp]
    near: NDArray[np.intp]
    far: NDArray[np.intp]


def free_boxes(front: Matrix, reference: Vector) -> FreeBoxes:
    """The boxes that no point of `front`, shape (points, 3), dominates below `reference`, shape (3,).

    Points come in by their third loss; each cuts the strips of the plane that it dominates, and a strip that is cut
    ends as a box there (Lacour et al. 2017, "A box decomposition algorithm to compute the hypervolume indicator").

    >>> boxes = free_boxes(np.array([[0.0, 0.0, 0.0]]), np.array([1.0, 1.0, 1.0]))
    >>> len(boxes.left), [edges.tolist() for edges in boxes.edges]
    (3, [[-inf, 0.0, 1.0], [-inf, 0.0, 1.0], [-inf, 0.0, 1.0]])
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


def expected_gain_of_boxes(
    mean: Matrix, deviation: Matrix, boxes: FreeBoxes, improvements: Sequence[Improvement] = ()
) -> Vector:
    """The expected growth of the hypervolume by networks of three independent normal losses: shape (n,), exact.

    `mean` and `deviation` have the shape (n, 3), `boxes` are those of the front achieved; `improvements` are what each
    loss gains, where `mean` and `deviation` are on another scale than the front. In each box a network gains
    the product of the expected improvements along its three sides (Yang et al. 2019, eq. 13).

    >>> boxes = free_boxes(np.array([[0.0, 0.0, 0.0]]), np.array([1.0, 1.0, 1.0]))
    >>> expected_gain_of_boxes(np.array([[-1.0, 0.5, 0.5]]), np.zeros((1, 3)), boxes).tolist()
    [0.25]
    """
    first, second, third = (
        np.column_stack((np.zeros(len(mean)), improve(mean[:, [loss]], deviation[:, [loss]], edges[None, 1:])))
        for loss, (improve, edges) in enumerate(zip(improvements or PLAIN, boxes.edges, strict=True))
    )
    widths = first[:, boxes.right] - first[:, boxes.left]
    depths = third[:, boxes.far] - third[:, boxes.near]
    return np.asarray(np.einsum("ij,ij,ij->i", widths, second[:, boxes.top], depths))


def _front_below(front: Matrix, reference: Vector) -> Matrix:
    """The distinct points of the front that are better than the reference, in lexicographic order."""
    below = front[np.all(front < reference, axis=1)]
    return np.unique(below[is_non_dominated(below)], axis=0) if len(below) else below.reshape(0, front.shape[1])


def expected_gain_along(
    mean: Matrix,
    deviation: Matrix,
    front: Matrix,
    reference: Vector,
    directions: Matrix,
    draws: Matrix,
    back: Callable[[Matrix], Matrix] = np.asarray,
) -> Vector:
    """The expected growth of the hypervolume by networks of any number of losses: shape (n,), by sampling.

    `mean` and `deviation` have the shape (n, objectives), `front` (points, objectives), `reference` (objectives,); the
    latter two on the scale to which `back` brings draws of the shape of `mean`. `directions` are unit vectors of
    positive parts, shape (directions, objectives); `draws` are standard normal numbers, (samples, objectives). The
    hypervolume is the mean over all directions of the largest length^objectives, times a constant that is left out,
    where the length of a point is how far from the reference its box reaches in a direction (Zhang and Golovin 2020,
    arXiv 2006.04655, lemma 5).

    >>> diagonal, nothing = np.full((1, 4), 0.5), np.zeros((1, 4))
    >>> expected_gain_along(nothing, nothing, np.full((1, 4), 0.5), np.ones(4), diagonal, nothing).tolist()
    [15.0]
    """
    achieved = _cubes_along(front, reference, directions).max(axis=0, initial=0.0)
    gains = np.zeros(len(mean))
    for draw in draws:
        cubes = _cubes_along(back(mean + deviation * draw), reference, directions)
        cubes -= achieved
        gains += np.maximum(cubes, 0.0, out=cubes).mean(axis=1)
    return gains / len(draws)


def _cubes_along(losses: Matrix, reference: Vector, directions: Matrix) -> Matrix:
    """How far from the reference the boxes of `losses`, (n, objectives), reach: length^objectives, (n, directions)."""
    gaps = np.maximum(reference - losses, 0.0)
    lengths = np.full((len(losses), len(directions)), np.inf)
    for gap, part in zip(gaps.T, directions.T, strict=True):
        np.minimum(lengths, gap[:, None] * (1.0 / part), out=lengths)
    cubes = lengths.copy()
    for _ in range(len(reference) - 1):  # far quicker than a power of floats
        cubes *= lengths
    return cubes


def expected_approach(
    mean: Matrix,
    deviation: Matrix,
    losses: Matrix,
    preferred: Vector,
    draws: Matrix,
    back: Callable[[Matrix], Matrix] = np.asarray,
) -> Vector:
    """How much nearer than any of the `losses` achieved a network is expected to come to what is `preferred`: (n,).

    `mean` and `deviation` have the shape (n, objectives), the `losses` achieved (points, objectives); `preferred` has
    the shape (objectives,), NaN where there is no preference. `draws` are standard normal numbers of shape (samples,
    objectives), `back` brings draws of the shape of `mean` to the scale of `losses`. The distance is `shortfall`. What
    is never nearer in the draws is ordered by its mean distance.
    """
    nearest = shortfall(losses, preferred).min()
    distances = [shortfall(back(mean + deviation * draw), preferred) for draw in draws]
    gains = [np.maximum(0.0, nearest - distance) for distance in distances]
    return np.asarray(np.mean(gains, axis=0) - TIE_BREAK * np.mean(distances, axis=0))
