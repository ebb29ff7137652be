"""Prior: what cheap estimators say of many networks before any training, as inputs of a model and as a first choice.

| name in code | shape | what it is |
|---|---|---|
| `scores` | (pool, names) | scores as measured, larger for better, NaN where a network has none |
| `normal` | (pool, names) | their normal scores: quantiles of the standard normal at the ranks (van der Waerden 1952) |
| `inputs` | (pool, columns) | what a model sees of the networks beside the scores |
| z | (networks, names) | the normal scores of any networks, predicted from `inputs` where they were not scored |

Scores of one network by several estimators have units and tails of their own; their ranks have neither.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from naslab.arch.block import require
from naslab.space import Genome

Matrix = NDArray[np.float64]

RIDGE = 1e-2
"""The weight that draws predicted scores towards the middle, as a share of the number of networks."""


class Prior:
    """The `scores` of a pool of networks by estimators of these `names`: shape (pool, names), larger for better.

    `genomes` and `ids` are the networks', one for each row of `scores`; a score that could not be measured is NaN.
    Raises `SpecError` for no names, and for scores of another shape.

    >>> prior = Prior(("naswot",), [Genome(), Genome(), Genome()], ["a", "b", "c"], np.array([[3.0], [9.0], [5.0]]))
    >>> prior.normal.round(2)[:, 0].tolist()
    [-0.97, 0.97, 0.0]
    """

    def __init__(self, names: Sequence[str], genomes: Sequence[Genome], ids: Sequence[str], scores: Matrix) -> None:
        require(len(names) > 0, "prior", "needs at least one estimator")
        shape = (len(ids), len(names))
        require(scores.shape == shape, "prior", f"needs scores of the shape {shape}, got {scores.shape}")
        self.names = tuple(names)
        self.genomes = list(genomes)
        self.scores = scores
        self.row_of = {network_id: row for row, network_id in enumerate(ids)}
        self.normal = np.column_stack([normal_scores(column) for column in scores.T])
        self._weights: Matrix | None = None

    def fit(self, inputs: Matrix) -> None:
        """Learn to predict the normal scores from the `inputs` of the pool, shape (pool, columns), by ridge regression.

        A network that was not scored is to stand where those like it do.
        """
        design = np.column_stack((inputs, np.ones(len(inputs))))
        penalty = RIDGE * len(inputs) * np.eye(design.shape[1])
        penalty[-1, -1] = 0.0
        targets = np.nan_to_num(self.normal)
        solved = np.linalg.lstsq(design.T @ design + penalty, design.T @ targets, rcond=None)[0]
        self._weights = np.asarray(solved, dtype=np.float64)

    def of(self, ids: Sequence[str], inputs: Matrix) -> Matrix:
        """The normal scores of networks: shape (networks, names), predicted where one was not scored.

        `ids` name the networks, `inputs` are what a model sees of them beside, shape (networks, columns).
        """
        found = np.full((len(ids), len(self.names)), np.nan)
        for row, network_id in enumerate(ids):
            place = self.row_of.get(network_id)
            if place is not None:
                found[row] = self.normal[place]
        if self._weights is None:
            return np.asarray(np.nan_to_num(found), dtype=np.float64)
        if np.isnan(found).any():
            guessed = np.column_stack((inputs, np.ones(len(inputs)))) @ self._weights
            low, high = np.nanmin(self.normal, axis=0, initial=0.0), np.nanmax(self.normal, axis=0, initial=0.0)
            found = np.where(np.isnan(found), np.clip(guessed, low, high), found)
        return found


def normal_scores(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The normal scores of `values` of shape (n,), of the same shape; equal values have equal ones, NaN stays NaN.

    >>> normal_scores(np.array([1.0, np.nan, 1.0])).tolist()
    [0.0, nan, 0.0]
    """
    from scipy.special import ndtri

    found = np.full(len(values), np.nan)
    is_known = np.isfinite(values)
    if is_known.any():
        _, place, count = np.unique(values[is_known], return_inverse=True, return_counts=True)
        middle = np.cumsum(count) - 0.5 * count  # of those that are equal, as ranks from a half
        found[is_known] = ndtri(middle[place] / is_known.sum())
    return found
