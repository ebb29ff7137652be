"""What an estimate is expected to gain: improvement for one loss, hypervolume for several."""

from __future__ import annotations

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
    """Expected gain of hypervolume of two or three independent normal losses each: shape (n,), exact.

    `mean` and `deviation` have the shape (n, objectives), `front` (points, objectives), `reference` (objectives,). Two:
    a sum over strips between neighbouring points of the front, in each the width that the first loss frees times the
    height that the second gains. Three: the same in every slab between neighbouring thirds, times the depth gained
    (Yang et al. 2019, "Efficient computation of expected hypervolume improvement").
    """
    below = front[np.all(front < reference, axis=1)]
    below = np.unique(below[is_non_dominated(below)], axis=0) if len(below) else below.reshape(0, front.shape[1])
    edges = [np.append(column, worst) for column, worst in zip(below.T, reference, strict=True)]
    gains = [
        expected_improvement(mean[:, [index]], deviation[:, [index]], edge[None, :]) for index, edge in enumerate(edges)
    ]
    if front.shape[1] == 2:
        return _strips(below, gains[0], gains[1], np.arange(len(below)))
    order = np.argsort(below[:, 2], kind="stable")
    depths = np.diff(gains[2][:, np.append(order, len(below))], axis=1, prepend=0.0)
    total = np.zeros(len(mean))
    is_active = np.zeros(len(below), dtype=bool)
    for slab in range(len(below) + 1):
        steps = np.flatnonzero(is_active)
        steps = steps[is_non_dominated(below[steps, :2])] if len(steps) else steps
        total += depths[:, slab] * _strips(below, gains[0], gains[1], steps)
        if slab < len(below):
            is_active[order[slab]] = True
    return total


def _strips(front: Matrix, freed: Matrix, gained: Matrix, steps: NDArray[np.intp]) -> Vector:
    """The gain in the plane of the first two losses over the staircase of the front's points `steps`: shape (n,).

    `freed` and `gained` are improvements upon the coordinates of each point, the last column upon the reference.
    """
    steps = steps[np.lexsort((front[steps, 1], front[steps, 0]))]
    widths = np.diff(freed[:, np.append(steps, len(front))], axis=1, prepend=0.0)
    return np.asarray((widths * gained[:, np.concatenate(([len(front)], steps))]).sum(axis=1))


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
