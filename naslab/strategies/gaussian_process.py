"""A Gaussian process over networks: a sum of parts, each with a scale for every column, learned from the data.

What the choices are and what they cost are different parts, so that the data decides how much each explains, and which
columns matter in it (automatic relevance determination: Rasmussen and Williams 2006, section 5.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

JITTER = 1e-6
MAX_FIT_STEPS = 30
AMPLITUDE_DEVIATION = 1.0
SCALE_DEVIATION = 2 * np.sqrt(3.0)
NOISE_MEAN, NOISE_DEVIATION = np.log(1e-3), 2.0
WEIGHT_BOUNDS, NOISE_BOUNDS = (-12.0, 8.0), (np.log(1e-6), 0.0)


class Kernel(NamedTuple):
    """Covariance of standardised targets: a sum over parts of an amplitude times a function of scaled distance.

    `columns[p]` are the input columns of part p; `amplitudes` has the shape (parts,); `weights[p]`, of the shape of
    `columns[p]`, are inverse squared length scales; `noise` is the variance of a measurement.
    """

    columns: tuple[NDArray[np.intp], ...]
    amplitudes: Vector
    weights: tuple[Vector, ...]
    noise: float

    @property
    def variance(self) -> float:
        """The variance of a network of which nothing is known."""
        return float(self.amplitudes.sum())

    def between(self, one: Matrix, two: Matrix) -> Matrix:
        """Covariances of inputs of shapes (n, columns) and (m, columns): shape (n, m)."""
        total = np.zeros((len(one), len(two)))
        for columns, amplitude, weights in zip(self.columns, self.amplitudes, self.weights, strict=True):
            root = np.sqrt(weights)
            covariance = _gaussian_between(one[:, columns] * root, two[:, columns] * root)
            covariance *= amplitude
            total += covariance
        return total


class Posterior:
    """A kernel conditioned on targets: predicts mean and variance anywhere."""

    def __init__(self, kernel: Kernel, inputs: Matrix, targets: Vector) -> None:
        self._kernel = kernel
        self._inputs = inputs
        self._targets = targets
        covariance = kernel.between(inputs, inputs)
        covariance[np.diag_indices(len(inputs))] += kernel.noise + JITTER
        self._root = np.linalg.cholesky(covariance)
        self._pull = cho_solve((self._root, True), targets, check_finite=False)

    def predict(self, inputs: Matrix) -> tuple[Vector, Vector]:
        """Mean and variance of the noiseless value at inputs of shape (n, columns): two of shape (n,)."""
        across = self._kernel.between(inputs, self._inputs)
        explained = solve_triangular(self._root, across.T, lower=True, check_finite=False)
        variance = self._kernel.variance - np.einsum("ij,ij->j", explained, explained)
        return across @ self._pull, np.maximum(variance, 1e-12)

    def mean(self, inputs: Matrix) -> Vector:
        """Mean at inputs of shape (n, columns): shape (n,)."""
        return np.asarray(self._kernel.between(inputs, self._inputs) @ self._pull)

    def believing(self, inputs: Matrix) -> Posterior:
        """The posterior if what is in flight at `inputs` came back as predicted (Ginsbourger et al. 2010)."""
        if len(inputs) == 0:
            return self
        targets = np.concatenate((self._targets, self.mean(inputs)))
        return Posterior(self._kernel, np.vstack((self._inputs, inputs)), targets)


def fit_kernel(columns: Sequence[NDArray[np.intp]], inputs: Matrix, targets: Vector) -> Kernel:
    """The kernel of the largest posterior density given standardised targets: inputs (n, columns), targets (n,).

    Length scales have the dimension-scaled log-normal prior of Hvarfner et al. 2024 (arXiv 2402.02229): a part of many
    columns expects smooth functions, so that a few networks say something.
    """
    prior = _Prior(columns)
    number = len(targets)
    squares = [((inputs[:, None, part] - inputs[None, :, part]) ** 2).reshape(number**2, -1) for part in columns]

    def loss(theta: Vector) -> tuple[float, Vector]:
        return _negative_log_density(theta, prior, squares, targets)

    found = minimize(
        loss,
        prior.mean,
        jac=True,
        method="L-BFGS-B",
        bounds=[WEIGHT_BOUNDS] * (len(prior.mean) - 1) + [NOISE_BOUNDS],
        options={"maxiter": MAX_FIT_STEPS},
    )
    return _kernel_of(found.x, columns)


class _Prior:
    """Normal priors on log amplitude and log weights of every part, then on log noise, in one vector."""

    def __init__(self, columns: Sequence[NDArray[np.intp]]) -> None:
        means: list[float] = []
        deviations: list[float] = []
        for part in columns:
            scale_mean = np.sqrt(2.0) + 0.5 * np.log(len(part))
            means += [0.0] + [-2.0 * scale_mean] * len(part)
            deviations += [AMPLITUDE_DEVIATION] + [SCALE_DEVIATION] * len(part)
        self.mean = np.array([*means, NOISE_MEAN])
        self.deviation = np.array([*deviations, NOISE_DEVIATION])


def _negative_log_density(
    theta: Vector, prior: _Prior, squares: Sequence[Matrix], targets: Vector
) -> tuple[float, Vector]:
    """Minus log posterior density of `theta` up to a constant, and its gradient (Rasmussen and Williams, eq. 5.9)."""
    number = len(targets)
    covariance = np.zeros((number, number))
    parts = []
    start = 0
    for square in squares:
        stop = start + 1 + square.shape[1]
        amplitude, weights = np.exp(theta[start]), np.exp(theta[start + 1 : stop])
        part = amplitude * np.exp(-0.5 * (square @ weights)).reshape(number, number)
        covariance += part
        parts.append((start, stop, weights, part))
        start = stop
    noise = np.exp(theta[-1])
    covariance[np.diag_indices(number)] += noise + JITTER
    try:
        root = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:  # rounding has the last word near singular kernels: a step not to take
        return 1e25, np.zeros_like(theta)
    inverse = cho_solve((root, True), np.eye(number), check_finite=False)
    pull = inverse @ targets
    away = (theta - prior.mean) / prior.deviation
    value = 0.5 * targets @ pull + np.log(np.diag(root)).sum() + 0.5 * away @ away
    gradient = away / prior.deviation
    slope = 0.5 * (inverse - np.outer(pull, pull))
    for (first, last, weights, part), square in zip(parts, squares, strict=True):
        weighted = slope * part
        gradient[first] += weighted.sum()
        gradient[first + 1 : last] -= 0.5 * weights * (weighted.reshape(-1) @ square)
    gradient[-1] += noise * np.trace(slope)
    return float(value), gradient


def _kernel_of(theta: Vector, columns: Sequence[NDArray[np.intp]]) -> Kernel:
    amplitudes, weights = [], []
    start = 0
    for part in columns:
        stop = start + 1 + len(part)
        amplitudes.append(np.exp(theta[start]))
        weights.append(np.exp(theta[start + 1 : stop]))
        start = stop
    return Kernel(tuple(columns), np.array(amplitudes), tuple(weights), float(np.exp(theta[-1])))


def _gaussian_between(one: Matrix, two: Matrix) -> Matrix:
    """exp(-|a - b|^2 / 2) for rows of shapes (n, d) and (m, d): shape (n, m), by one product of matrices."""
    left = np.column_stack((one, -0.5 * np.einsum("ij,ij->i", one, one), np.ones(len(one))))
    right = np.column_stack((two, np.ones(len(two)), -0.5 * np.einsum("ij,ij->i", two, two)))
    exponents = left @ right.T
    np.minimum(exponents, 0.0, out=exponents)
    return np.asarray(np.exp(exponents, out=exponents))
