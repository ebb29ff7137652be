"""A Gaussian process over learning curves: which loss a network ends with, from its first epochs and those of others.

Freeze-thaw Bayesian optimisation (Swersky et al. 2014, arXiv 1406.3896) with curves that fall as a power of the epoch,
or as the networks' own do once one of them was trained to the end. First epochs may be much noisier than last ones.

| symbol | name in code | shape | what it is |
|---|---|---|---|
| e, E | `epochs`, `last` | (n,), scalar | epochs trained, and those of a whole training |
| f(e) | `falls` | (E,) | how much of a curve is still to fall after each epoch: 1 after the first, 0 at the end |
| k | `alike` | (n, m) | how alike two networks are, 1 for the same (a kernel over their choices and costs) |
| own | `is_own` | (n, m) | 1 where both are one network, else 0 |
| v | `variances` | (7,) | of what follows, in the order of `PARTS` |

The covariance of two measurements is a sum: v_0 k (how good the last epochs of networks are), v_1 k f f' (how slow
they learn), v_2 own (a network by itself), v_3 own f f' (its own pace), v_4 own min(f, f') (its own detours), v_5 f +
v_6 where both are one measurement; and what all curves have in common, 1 + t f f' + t min(f, f').

Two networks that are nothing alike, one trained to the end and better than the other after one epoch:

>>> kernel = CurveKernel(np.array([0.5, 0.5, 0.1, 0.1, 0.01, 0.0, 0.01]), power_falls(0.0, last=9), trend=1.0)
>>> rows = Points(np.array([0, 0, 1]), np.array([1, 9, 1]))
>>> found = ConditionedCurves(kernel, np.eye(2), rows, np.array([1.0, 0.0, 2.0]))
>>> mean, variance, _ = found.predict(np.eye(2), Points(np.array([0, 1]), np.array([9, 9])))
>>> mean.round(1).tolist(), variance.round(1).tolist()
([0.0, 0.6], [0.0, 0.5])
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Indices = NDArray[np.intp]

PARTS = ("end", "pace", "own end", "own pace", "own detours", "early noise", "noise")
MEANS = np.log([0.5, 0.5, 0.1, 0.2, 0.05, 0.02, 0.02])
"""The logarithms of the variances to expect, in squared deviations of the losses that networks end with."""
DEVIATIONS = np.array([1.0, 1.5, 1.0, 1.5, 1.5, 1.5, 1.5])
POWERS = (0.0, 0.5, 1.0, 2.0)
FIRST_POWER = 0.5
"""The variances are fitted with this power first, and judge all the others."""
JITTER = 1e-6
"""Of the largest variance that all curves have in common: what is added for rounding."""
MAX_FIT_STEPS = 30
BOUNDS = (np.log(1e-5), np.log(1e3))


class Points(NamedTuple):
    """Networks after some epochs: `own` are numbers of known networks, -1 for others, `epochs` trained: (n,) each."""

    own: Indices
    epochs: Indices


class CurveKernel(NamedTuple):
    """How measurements vary together: `variances` and `falls` of the table, `trend` is its t."""

    variances: Vector
    falls: Vector
    trend: float

    @property
    def last(self) -> int:
        """The epochs of a whole training."""
        return len(self.falls)

    def fall(self, epochs: Indices) -> Vector:
        """f(e) of `epochs`, of their shape."""
        return np.asarray(self.falls[epochs - 1])

    def noise(self, epochs: Indices) -> Vector:
        """The variances of measurements after `epochs`, of their shape."""
        return np.asarray(self.variances[-1] + self.variances[-2] * self.fall(epochs))

    def between(self, alike: Matrix, one: Points, two: Points) -> Matrix:
        """Covariances of the points `one` with the points `two`, without noise, both and `alike` of shape (n, m)."""
        parts = _parts(alike, one, two, self.fall(one.epochs), self.fall(two.epochs))
        common = 1.0 + self.trend * (parts[-1] + parts[-2])
        return np.asarray(sum(v * part for v, part in zip(self.variances[:-2], parts[:-2], strict=True)) + common)

    def measured(self, alike: Matrix, rows: Points) -> Matrix:
        """Covariances of measurements at the `rows`, noise included, of shape (n, n) as is `alike`."""
        covariance = self.between(alike, rows, rows)
        covariance[np.diag_indices(len(rows.own))] += self.noise(rows.epochs) + JITTER * (1.0 + 2.0 * self.trend)
        return covariance

    def alone(self, epochs: Indices) -> Vector:
        """The variance of networks of which nothing is known, after `epochs`: of their shape."""
        fallen = self.fall(epochs)
        own = self.variances[0] + self.variances[2] + (self.variances[1] + self.variances[3]) * fallen**2
        return np.asarray(own + self.variances[4] * fallen + 1.0 + self.trend * (fallen**2 + fallen))

    @property
    def of_end(self) -> float:
        """The covariance of a network's end with any of its own epochs."""
        return float(self.variances[0] + self.variances[2] + 1.0)


def power_falls(power: float, last: int) -> Vector:
    """Curves that fall as a `power` of the epoch: (e^-p - E^-p) / (1 - E^-p), 1 - log e / log E for 0: shape (last,).

    >>> power_falls(0.0, 9)[[0, 2, 8]].tolist()
    [1.0, 0.5, 0.0]
    """
    epochs = np.arange(1, last + 1, dtype=np.float64)
    if power == 0:
        return np.asarray(1 - np.log(epochs) / np.log(last))
    end = last**-power
    return np.asarray((epochs**-power - end) / (1 - end))


def _parts(alike: Matrix, one: Points, two: Points, first: Vector, second: Vector) -> list[Matrix]:
    """The parts of the covariance but the noise, then f f' and min(f, f'), each of shape (n, m)."""
    is_own = ((one.own[:, None] == two.own[None]) & (one.own[:, None] >= 0)).astype(np.float64)
    product = first[:, None] * second[None]
    least = np.minimum(first[:, None], second[None])
    return [alike, alike * product, is_own, is_own * product, is_own * least, product, least]


def fit_curves(alike: Matrix, rows: Points, targets: Vector, last: int) -> CurveKernel:
    """The kernel of the largest posterior density given `targets`, shape (n,), of which 1 is the spread of the ends.

    `alike` has the shape (n, n), of the networks of the `rows`; `last` is a whole training's epochs.
    """
    trend = max(1.0, float(np.mean(targets**2)))

    def fitted(falls: Vector) -> tuple[CurveKernel, float]:
        fallen = falls[rows.epochs - 1]
        parts = _parts(alike, rows, rows, fallen, fallen)
        common = 1.0 + trend * (parts[-1] + parts[-2])
        found = minimize(
            _negative_log_density,
            MEANS,
            args=(parts[:-2], fallen, common, targets),
            jac=True,
            method="L-BFGS-B",
            bounds=[BOUNDS] * len(MEANS),
            options={"maxiter": MAX_FIT_STEPS},
        )
        return CurveKernel(np.exp(found.x), falls, trend), -float(found.fun)

    judge, density = fitted(power_falls(FIRST_POWER, last))
    power = max(
        POWERS, key=lambda each: _log_evidence(judge._replace(falls=power_falls(each, last)), alike, rows, targets)
    )
    best, density = (judge, density) if power == FIRST_POWER else fitted(power_falls(power, last))
    own = own_falls(best, alike, rows, targets)
    if own is None:
        return best
    other, its_density = fitted(own)
    return other if its_density > density else best


def own_falls(kernel: CurveKernel, alike: Matrix, rows: Points, targets: Vector) -> Vector | None:
    """How what all curves have in common falls, given `targets` of shape (n,): (last,), `None` where it is not known.

    It is the mean of that part of the `kernel`, made to fall throughout; `alike`, shape (n, n), and `rows` are those of
    the targets. It is not known before a network was trained to the end, nor where curves end higher than they begin.
    """
    if not (rows.epochs == kernel.last).any():
        return None
    every = kernel.falls
    fallen = kernel.fall(rows.epochs)
    common = 1.0 + kernel.trend * (every[:, None] * fallen + np.minimum(every[:, None], fallen))
    root = np.linalg.cholesky(kernel.measured(alike, rows))
    mean = common @ cho_solve((root, True), targets, check_finite=False)
    mean = np.maximum.accumulate(mean[::-1])[::-1]
    height = mean[0] - mean[-1]
    return None if height <= 0 else np.asarray((mean - mean[-1]) / height)


def _log_evidence(kernel: CurveKernel, alike: Matrix, rows: Points, targets: Vector) -> float:
    root = np.linalg.cholesky(kernel.measured(alike, rows))
    whitened = solve_triangular(root, targets, lower=True, check_finite=False)
    return float(-0.5 * whitened @ whitened - np.log(np.diag(root)).sum())


def _negative_log_density(
    theta: Vector, parts: list[Matrix], fallen: Vector, common: Matrix, targets: Vector
) -> tuple[float, Vector]:
    """Minus the log posterior density of the log variances `theta` up to a constant, and its gradient."""
    variances = np.exp(theta)
    covariance = common.copy()
    for variance, part in zip(variances[:-2], parts, strict=True):
        covariance += variance * part
    covariance[np.diag_indices(len(targets))] += variances[-2] * fallen + variances[-1] + JITTER * float(common.max())
    try:
        root = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:  # rounding has the last word near singular kernels: a step not to take
        return 1e25, np.zeros_like(theta)
    inverse = cho_solve((root, True), np.eye(len(targets)), check_finite=False)
    pull = inverse @ targets
    away = (theta - MEANS) / DEVIATIONS
    value = 0.5 * targets @ pull + np.log(np.diag(root)).sum() + 0.5 * away @ away
    slope = 0.5 * (inverse - np.outer(pull, pull))
    by_part = [variance * (slope * part).sum() for variance, part in zip(variances[:-2], parts, strict=True)]
    early = variances[-2] * float(np.diag(slope) @ fallen)
    return float(value), np.array([*by_part, early, variances[-1] * np.trace(slope)]) + away / DEVIATIONS


class ConditionedCurves:
    """`kernel` conditioned on the `targets`, shape (n,), measured at `rows`.

    `alike`, shape (networks, networks), is how alike the networks are that the rows are of.
    """

    def __init__(self, kernel: CurveKernel, alike: Matrix, rows: Points, targets: Vector) -> None:
        self.kernel = kernel
        self._rows = rows
        self._root = np.linalg.cholesky(kernel.measured(alike[np.ix_(rows.own, rows.own)], rows))
        self._targets = solve_triangular(self._root, targets, lower=True, check_finite=False)

    def predict(self, alike: Matrix, points: Points) -> tuple[Vector, Vector, Matrix]:
        """Mean and variance of the noiseless loss at `points`, two of shape (m,), and whitened covariances, (n, m).

        `alike` is how alike known networks are to those of the points: shape (networks, m).
        """
        across = self.kernel.between(alike[self._rows.own], self._rows, points)
        whitened = np.asarray(solve_triangular(self._root, across, lower=True, check_finite=False))
        variance = self.kernel.alone(points.epochs) - np.einsum("ij,ij->j", whitened, whitened)
        return self._targets @ whitened, np.maximum(variance, 1e-12), whitened
