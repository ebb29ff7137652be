"""Predicting from descriptions which networks break a limit on what is measured, so that they are not proposed.

    n    networks measured so far, k features of a description, x their matrix of shape (n, k + 1), standardised
    y    the natural logarithms of the values, shape (n,)
    b    ridge coefficients (x'x + r I)^-1 x'y
    e_i  leave-one-out residual (y_i - x_i b) / (1 - h_ii), h = x (x'x + r I)^-1 x' (Cook and Weisberg 1982)

A network whose predicted value is beyond the bound by more than the root mean square of e is taken to break the limit.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from naslab.arch.cost import Cost
from naslab.arch.spec import ArchSpec
from naslab.metrics import COST_METRICS
from naslab.study.problem import Limit

LEAST_NETWORKS = 20
"""Measured networks before anything is predicted."""
LEAST_EXPLAINED = 0.5
"""The share of the variance of unseen values that a prediction must explain, or it is not used."""
RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)


class ForeseenLimit:
    """What is predicted of one `limit`, from the networks that were measured; it learns with each."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self._seen: list[dict[str, float]] = []
        self._values: list[float] = []
        self._names: list[str] = []
        self._middle = self._scale = self._weights = np.zeros(0)
        self.error = math.inf
        self.is_used = False

    @property
    def num_networks(self) -> int:
        """How many networks it has learned from."""
        return len(self._values)

    def learn(self, arch: ArchSpec, cost: Cost, value: float) -> None:
        """Take in the measured value of the network `arch` of this `cost`."""
        if not (math.isfinite(value) and value > 0):
            return
        self._seen.append(features(arch, cost))
        self._values.append(math.log(value))
        if self.num_networks >= LEAST_NETWORKS:
            self._fit()

    def predict(self, arch: ArchSpec, cost: Cost) -> float:
        """The predicted value of the network `arch` of this `cost`; only where `is_used`."""
        row = _matrix([features(arch, cost)], self._names)
        return math.exp(float(np.append((row[0] - self._middle) / self._scale, 1.0) @ self._weights))

    def excess(self, arch: ArchSpec, cost: Cost) -> float:
        """By what share the network `arch` of this `cost` will break the limit, beyond the error; else 0."""
        if not self.is_used:
            return 0.0
        low = math.exp(-self.error)
        value = self.predict(arch, cost)
        if self.limit.most < math.inf:
            return max(0.0, value * low / self.limit.most - 1)
        return max(0.0, 1 - value / low / self.limit.least)

    def _fit(self) -> None:
        self._names = sorted({name for each in self._seen for name in each})
        rows, y = _matrix(self._seen, self._names), np.array(self._values)
        self._middle, spread = rows.mean(axis=0), rows.std(axis=0)
        self._scale = np.where(spread > 0, spread, 1.0)
        x = np.column_stack(((rows - self._middle) / self._scale, np.ones(len(y))))
        fits = [ridge(x, y, strength) for strength in RIDGES]
        self.error, self._weights = min(fits, key=lambda fit: fit[0])
        self.is_used = self.error**2 <= (1 - LEAST_EXPLAINED) * float(y.var())


def features(arch: ArchSpec, cost: Cost) -> dict[str, float]:
    """Numbers of a description that a measured value may depend on: logarithms of costs, blocks in all and by type."""
    blocks = Counter[str]()
    for stage in (*arch.stem, *arch.stages):
        blocks[type(stage.block).__name__] += stage.repeats
    costs = {name: math.log1p(getattr(cost, name)) for name in COST_METRICS}
    return costs | {"blocks": math.log1p(blocks.total())} | dict(blocks)


def _matrix(seen: Sequence[dict[str, float]], names: Sequence[str]) -> NDArray[np.float64]:
    return np.array([[each.get(name, 0.0) for name in names] for each in seen])


def ridge(x: NDArray[np.float64], y: NDArray[np.float64], strength: float) -> tuple[float, NDArray[np.float64]]:
    """The leave-one-out error and the coefficients, shape (k + 1,), of a ridge regression of a `strength`.

    `x` has the shape (n, k + 1) with a last column of ones, whose coefficient is not shrunk; `y` the shape (n,).
    """
    penalty = np.diag([strength] * (x.shape[1] - 1) + [0.0])
    solver = np.linalg.solve(x.T @ x + penalty, x.T)
    weights = solver @ y
    leverage = np.einsum("ij,ji->i", x, solver)
    residuals = (y - x @ weights) / np.maximum(1e-6, 1 - leverage)
    return float(np.sqrt(np.mean(residuals**2))), weights
