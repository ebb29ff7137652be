"""Acquisition functions: what a training is expected to gain, improvement for one loss, hypervolume for two or three.

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

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Improvement: TypeAlias = Callable[[Matrix, Matrix, Matrix], Matrix]
"""What a mean, a deviation and a best loss are expected to gain: `expected_improvement`, or that of a warped scale."""


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


def expected_scalar_improvement(
    mean: Matrix,
    deviation: Matrix,
    losses: Matrix,
    weights: Vector,
    draws: Matrix,
    back: Callable[[Matrix], Matrix] = np.asarray,
) -> Vector:
    """The expected improvement of a weighted Chebyshev scalar of any number of losses: shape (n,), by sampling.

    `mean` and `deviation` have the shape (n, objectives), the `losses` achieved (points, objectives), all on one scale;
    `weights` (objectives,) sum to 1; `draws` are standard normal numbers of shape (samples, objectives); `back` brings
    draws of the shape of `mean` to the scale of `losses`. The scalar is max(w f) + 0.05 sum(w f), the augmented
    Chebyshev function of ParEGO (Knowles 2006).
    """
    best = _chebyshev(losses, weights).min()
    gains = [np.maximum(0.0, best - _chebyshev(back(mean + deviation * draw), weights)) for draw in draws]
    return np.asarray(np.mean(gains, axis=0))


def _chebyshev(losses: Matrix, weights: Vector) -> Vector:
    """The augmented Chebyshev scalar of losses of shape (n, objectives): shape (n,)."""
    weighted = losses * weights
    return np.asarray(weighted.max(axis=1) + 0.05 * weighted.sum(axis=1))
