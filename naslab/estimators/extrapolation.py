"""Learning curves extrapolated: what a training will end at, with how much certainty, from its first epochs.

A Bayesian ensemble of parametric curves (Domhan, Springenberg and Hutter 2015, "Speeding up automatic hyperparameter
optimization of deep neural networks by extrapolation of learning curves"). They sample all parameters by MCMC; here
every model is linear but for its shape, so the linear part is integrated in closed form and the shape over a grid: the
same answer every time, in milliseconds. Learning rates that fall lift accuracy beyond what a smooth curve predicts;
the lift is a further linear term, of unknown height, that follows the schedule (after Tissue et al. 2024, arXiv
2408.11029).

| symbol | name in code | shape | what it is |
|---|---|---|---|
| y_t | `seen` | (epochs,) | the accuracy after epoch t, as a share: c - a f(t) + h l_t + noise |
| c, a, h | `mean` | (3,) | where the curve ends, how far below it begins, how much falling rates lift it |
| f | a row of `shapes` | (epochs + 1,) | falls from about 1 towards 0: a curve of `CURVE_MODELS` |
| l_t | `lifts` | (epochs,) | the share by which the learning rate has fallen from its peak |
| sigma | `NOISES` | (noises,) | the standard deviation of the noise, as a share |

For each f and sigma, c, a and h have a Gaussian posterior; the answer is the mixture of what all f and sigma predict,
weighted by their evidence and prior.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, TypeAlias, get_args

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from naslab.arch.block import require
from naslab.errors import counted

Values: TypeAlias = NDArray[np.float64]
CurveModel = Literal["pow3", "pow4", "log_power", "exp3", "ilog2"]
"""c - a x^-s; c - a (x + b)^-s; c - a / (1 + (x / k)^s); c - a exp(-b x); c - a / log(x + 1)."""
CURVE_MODELS: tuple[CurveModel, ...] = get_args(CurveModel)
LEAST_EPOCHS = 3
"""Fewer say nothing of how a curve bends."""

# Priors, on accuracies as shares: where curves end, how far below they begin, how much falling rates lift them.
PRIOR_MEAN = np.array([0.6, 0.4, 0.12])
PRIOR_DEVIATION = np.array([0.4, 0.8, 0.12])
NOISES = np.geomspace(0.003, 0.1, 7)
"""The standard deviation of an epoch's accuracy around its curve."""
NOISE_WEIGHT = 0.35
"""How much the logarithm of the prior falls for a noise e times as large."""
GRID = np.linspace(0.0, 1.0, 501)


class FinalAccuracy(msgspec.Struct, frozen=True):
    """What a curve will reach at `epoch`: the median, with the interval that holds it with `confidence`; per cent."""

    epoch: int
    accuracy: float
    low: float
    high: float
    confidence: float


class CurvePosterior:
    """The distribution of the accuracy at `epoch`, which is still to come.

    `distribution` is the probability of an accuracy below each of `GRID`, shares from 0 to 1: of shape (501,).
    """

    def __init__(self, epoch: int, distribution: Values) -> None:
        self.epoch = epoch
        self._distribution = distribution

    def probability_below(self, accuracy: float) -> float:
        """The probability that the accuracy will be below this one, in per cent."""
        return float(np.interp(accuracy / 100, GRID, self._distribution))

    def quantile(self, probability: float) -> float:
        """The accuracy, in per cent, that the training stays below with this probability."""
        return 100 * float(np.interp(probability, self._distribution, GRID))

    def forecast(self, confidence: float = 0.9) -> FinalAccuracy:
        """The median and the central interval that holds the accuracy with `confidence`, from 0 to 1."""
        tail = (1 - confidence) / 2
        return FinalAccuracy(self.epoch, self.quantile(0.5), self.quantile(tail), self.quantile(1 - tail), confidence)


def extrapolate(
    accuracies: ArrayLike,
    epoch: int,
    annealing: Sequence[float] = (),
    models: Sequence[CurveModel] = CURVE_MODELS,
) -> CurvePosterior:
    """What a learning curve will reach at `epoch`, with how much certainty.

    `accuracies`, of shape (epochs,), are those after each epoch from the first on, in per cent. `annealing` is the
    share by which the learning rate has fallen from its peak at the end of each epoch up to `epoch`, all 0 (or empty)
    for a constant rate. `models` are the curves that are fitted: `("pow3",)` is a power law alone. Raises `SpecError`
    for fewer than three epochs, an `epoch` that is seen already, and an `annealing` that ends before it.

    >>> curve = [100 * (0.9 - 0.5 * epoch**-0.8) for epoch in range(1, 9)]
    >>> forecast = extrapolate(curve, 32).forecast()
    >>> forecast.low < 100 * (0.9 - 0.5 * 32**-0.8) < forecast.high
    True
    """
    seen = np.asarray(accuracies, dtype=np.float64) / 100
    require(len(seen) >= LEAST_EPOCHS, "accuracies", f"must be of at least {LEAST_EPOCHS} epochs, got {len(seen)}")
    require(epoch > len(seen), "epoch", f"must be after the {counted(len(seen), 'epoch')} seen, got {epoch}")
    lifts = np.asarray(annealing, dtype=np.float64) if len(annealing) else np.zeros(epoch)
    require(len(lifts) >= epoch, "annealing", f"must be known up to epoch {epoch}, got {counted(len(lifts), 'epoch')}")
    places = np.append(np.arange(1, len(seen) + 1), epoch).astype(np.float64)
    shapes, prior = _shapes(tuple(models), len(seen), epoch)
    rows = np.stack(
        [np.ones_like(shapes), -shapes, np.broadcast_to(lifts[places.astype(int) - 1], shapes.shape)], axis=2
    )
    log_weights, means, deviations = _posterior(rows[:, :-1], rows[:, -1], seen)
    log_weights += prior[:, None] - NOISE_WEIGHT * np.log(NOISES / NOISES[0])[None, :]
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    return CurvePosterior(epoch, _mixture(weights.ravel(), means.ravel(), deviations.ravel()))


def _posterior(seen: Values, wanted: Values, accuracies: Values) -> tuple[Values, Values, Values]:
    """Log evidence, predicted mean and deviation for each shape and noise: each of shape (shapes, noises).

    `seen` has the shape (shapes, epochs, 3) and `wanted` (shapes, 3): Bayesian linear regression (Bishop 2006,
    equations 3.50, 3.58 and 3.86). Curves fall nowhere: each weight holds that of its slope and lift being positive.
    """
    precision = np.diag(PRIOR_DEVIATION**-2)
    variance = NOISES[None, :, None, None] ** 2
    gram = np.einsum("sei,sej->sij", seen, seen)[:, None]
    inverse = np.linalg.inv(gram / variance + precision)
    pulled = np.einsum("sei,e->si", seen, accuracies)[:, None] / variance[..., 0] + precision @ PRIOR_MEAN
    mean = np.einsum("snij,snj->sni", inverse, pulled)
    residual = accuracies - np.einsum("sei,sni->sne", seen, mean)
    moved = mean - PRIOR_MEAN
    log_evidence = 0.5 * (
        np.linalg.slogdet(inverse)[1]
        + np.linalg.slogdet(precision)[1]
        - 2 * len(accuracies) * np.log(NOISES)[None, :]
        - np.sum(residual**2, axis=2) / variance[..., 0, 0]
        - np.einsum("sni,ij,snj->sn", moved, precision, moved)
    )
    for part in (1, 2):
        rises = ndtr(mean[..., part] / np.sqrt(inverse[..., part, part]))
        log_evidence += np.log(np.maximum(rises, 1e-300))
    centre = np.einsum("si,sni->sn", wanted, mean)
    spread = np.einsum("si,snij,sj->sn", wanted, inverse, wanted) + variance[..., 0, 0]
    return log_evidence, centre, np.sqrt(spread)


def _mixture(weights: Values, means: Values, deviations: Values) -> Values:
    """The distribution function over `GRID` of a mixture of Gaussians, each cut off at 0 and at 100 %."""
    used = weights > weights.max() * 1e-3
    weights, means, deviations = weights[used], means[used], deviations[used]
    below = ndtr((GRID[None, :] - means[:, None]) / deviations[:, None])
    mass = np.maximum(below[:, -1:] - below[:, :1], 1e-12)
    distribution = weights @ ((below - below[:, :1]) / mass) / weights.sum()
    return np.asarray(np.clip(distribution, 0.0, 1.0))


@lru_cache(maxsize=256)
def _shapes(models: tuple[CurveModel, ...], num_seen: int, epoch: int) -> tuple[Values, Values]:
    """Every shape at the epochs seen and at the one wanted, (shapes, epochs + 1), and the log of its prior weight."""
    places = np.append(np.arange(1, num_seen + 1), epoch).astype(np.float64)
    parts = [np.asarray(_shape(model, places[None, :])) for model in models]
    prior = [np.full(len(part), -np.log(len(part))) for part in parts]
    return np.concatenate(parts), np.concatenate(prior)


def _shape(model: CurveModel, x: Values) -> Values:
    """The shapes of a model over its grid, (shapes, epochs), which fall from about 1 towards 0; `x` is (1, epochs)."""
    rates = np.geomspace(0.1, 3.0, 16)[:, None]
    if model == "pow3":
        return np.asarray(x**-rates)
    if model == "pow4":
        return np.concatenate([((x + shift) / (1 + shift)) ** -rates for shift in (1.0, 4.0)])
    if model == "log_power":
        steepness = np.array([[1.0], [1.5], [2.5], [4.0]])
        return np.concatenate([1 / (1 + (x / middle) ** steepness) for middle in (1.0, 2.0, 4.0, 8.0)])
    if model == "exp3":
        return np.asarray(np.exp(-np.geomspace(0.02, 3.0, 14)[:, None] * (x - 1)))
    return np.asarray(np.log(2) / np.log(x + 1))
