"""How long networks train, learned from those that were trained: a line in the logarithms of their costs.

| name in code | shape | what it is |
|---|---|---|
| `features` | (networks, features) | natural logarithms of what networks cost (`Network.features`) |
| y | (trained,) | natural logarithms of the seconds that trainings took |

Ridge regression, its strength chosen by the error of leaving one out (`foreseen_limits`), as is whether it is used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from naslab.errors import counted
from naslab.strategies.foreseen_limits import LEAST_EXPLAINED, RIDGES, ridge

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

LEAST_TRAINED = 8
"""Networks whose seconds are known before those of others are predicted."""


class TrainingSeconds(NamedTuple):
    """What is predicted from `num_trained` networks: `weights` of standardised features and of a constant, last.

    `error` is the root mean square of left-out residuals, in natural logarithms. Where it leaves too much of the
    variance `is_used` is false, and all networks count as taking equally long.
    """

    num_trained: int
    middle: Vector
    scale: Vector
    weights: Vector
    error: float = math.inf
    is_used: bool = False

    @classmethod
    def learned(cls, features: Matrix, seconds: Sequence[float] | Vector) -> TrainingSeconds:
        """From `features` of networks, shape (networks, features), and the `seconds` that each took.

        Seconds that are not known are 0, and their networks are left out.

        >>> macs = 1.0 + np.arange(9)
        >>> found = TrainingSeconds.learned(np.log(macs)[:, None], 2 * macs)
        >>> found.of(np.log([[20.0], [30.0]])).round(0).tolist(), found.words
        ([40.0, 60.0], 'predicted within 0 % over 9 networks')
        """
        known = np.array([math.isfinite(each) and each > 0 for each in seconds], dtype=bool)
        rows, y = features[known], np.log(np.asarray(seconds, dtype=np.float64)[known])
        nothing = cls(len(y), np.zeros(features.shape[1]), np.ones(features.shape[1]), np.zeros(features.shape[1] + 1))
        if len(y) < LEAST_TRAINED or not features.shape[1]:
            return nothing
        middle, spread = rows.mean(axis=0), rows.std(axis=0)
        scale = np.where(spread > 0, spread, 1.0)
        x = np.column_stack(((rows - middle) / scale, np.ones(len(y))))
        error, weights = min((ridge(x, y, strength) for strength in RIDGES), key=lambda fit: fit[0])
        is_used = error**2 < (1 - LEAST_EXPLAINED) * float(y.var())
        return cls(len(y), middle, scale, weights, error, is_used)

    def of(self, features: Matrix) -> Vector:
        """The seconds to expect of networks of these `features`: shape (networks,); 1 of each if not used."""
        if not self.is_used:
            return np.ones(len(features))
        x = np.column_stack(((features - self.middle) / self.scale, np.ones(len(features))))
        return np.asarray(np.exp(x @ self.weights))

    @property
    def words(self) -> str:
        """What it is worth, for a report."""
        of = counted(self.num_trained, "network")
        if not self.is_used:
            return f"not predicted from costs over {of}: all count as equally long"
        return f"predicted within {100 * math.expm1(self.error):.0f} % over {of}"
