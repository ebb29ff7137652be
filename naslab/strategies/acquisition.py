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
    """Expected gain of hypervolume of two independent normal losses each: shape (n,), exact.

    `mean` and `deviation` have the shape (n, 2), `front` (points, 2), `reference` (2,). The gain is a sum over strips
    between neighbouring points of the front: in each the width that the first loss frees times the height that the
    second gains (Yang et al. 2019, "Efficient computation of expected hypervolume improvement").
    """
    below = front[np.all(front < reference, axis=1)]
    below = np.unique(below[is_non_dominated(below)], axis=0) if len(below) else below.reshape(0, 2)
    edges = np.append(below[:, 0], reference[0])
    heights = np.concatenate(([reference[1]], below[:, 1]))
    freed = expected_improvement(mean[:, :1], deviation[:, :1], edges[None, :])
    widths = np.diff(freed, axis=1, prepend=0.0)
    gains = expected_improvement(mean[:, 1:], deviation[:, 1:], heights[None, :])
    return np.asarray((widths * gains).sum(axis=1))


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
