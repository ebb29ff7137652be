"""The fit of compound coefficients: a study's grid of ways to spend a budget, the best, and how sure that is."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from naslab.analysis.study import StudyView
from naslab.errors import StudyError, counted
from naslab.metrics import ACCURACY, ACTIVATIONS, MACS, PARAMS
from naslab.scaling.compound import Compound
from naslab.scaling.grid import FEWEST_POINTS, shares, words
from naslab.study.outcome import Outcome

Values: TypeAlias = NDArray[np.float64]
NUM_RESAMPLES = 2000
LEVEL = 0.9
CLEAR_SHARE = 0.5
"""Coefficients that win fewer resamples than this are said not to be told apart from others."""
_MESH = 20
_TERMS = 6


class ScaledPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One way to spend the budget, trained with several seeds: errors in per cent, in the order of the seeds."""

    compound: Compound
    arch_id: str
    macs: int
    macs_ratio: float
    params: int
    activations: int
    seeds: tuple[int, ...]
    errors: tuple[float, ...]
    num_failed: int

    @property
    def error(self) -> float:
        """The mean over the seeds."""
        return float(np.mean(self.errors))

    @property
    def sem(self) -> float:
        """The standard error of the mean over the seeds; NaN for one seed."""
        count = len(self.errors)
        return float(np.std(self.errors, ddof=1) / math.sqrt(count)) if count > 1 else math.nan


class Surface(msgspec.Struct, frozen=True):
    """A quadratic through the points: `error` at shares of the budget, arrays of shape (n,)."""

    depth: tuple[float, ...]
    width: tuple[float, ...]
    resolution: tuple[float, ...]
    error: tuple[float, ...]


class CompoundFit(msgspec.Struct, frozen=True, kw_only=True):
    """Coefficients fitted to a network by the grid search of Tan and Le 2019 (arXiv 1905.11946, section 3.3).

    `points` go from the least mean error up. `intervals` hold the 90 % bootstrap interval of each coefficient,
    `None` where one seed a point leaves no noise to resample; `win_shares` how often each point is the best of a
    resample. `noise_sd` is the standard deviation of an error over seeds, pooled over the points.
    """

    study: str
    model: str
    arch_id: str
    dataset: str
    epochs: int
    ratio: float
    rounding: str
    base_macs: int
    base_errors: tuple[float, ...]
    points: tuple[ScaledPoint, ...]
    intervals: dict[str, tuple[float, float]] | None
    win_shares: tuple[float, ...]
    noise_sd: float
    surface: Surface | None

    @property
    def best(self) -> ScaledPoint:
        """The point of the least mean error."""
        return self.points[0]

    @property
    def compound(self) -> Compound:
        """The fitted coefficients."""
        return self.best.compound

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the fit does not support."""
        found = []
        if self.intervals is None:
            found.append("one seed a network leaves the noise unknown: no intervals; train more seeds (--seeds 3)")
        elif self.win_shares[0] < CLEAR_SHARE:
            rivals = sum(share >= 0.05 for share in self.win_shares)
            found.append(
                f"the seeds do not tell the coefficients apart: these win {self.win_shares[0]:.0%} of the resamples, "
                f"{rivals} points win 5% or more; take more seeds or epochs"
            )
        if self.base_errors and self.best.error >= float(np.mean(self.base_errors)):
            found.append(
                f"no point does better than the baseline ({np.mean(self.base_errors):.2f}% error): "
                f"{counted(self.epochs, 'epoch')} {'is' if self.epochs == 1 else 'are'} too few for networks of "
                "this size, or the baseline is large enough"
            )
        failed = sum(point.num_failed for point in self.points)
        if failed:
            found.append(
                f"{counted(failed, 'training')} failed and {'is' if failed == 1 else 'are'} left out; the same "
                "command trains again what failed"
            )
        return tuple(found)

    def rows(self) -> list[dict[str, Any]]:
        """The points as JSON values, the best first."""
        return [
            {
                "alpha": point.compound.alpha,
                "beta": point.compound.beta,
                "gamma": point.compound.gamma,
                "product": point.compound.growth,
                MACS.name: point.macs,
                "macs_ratio": point.macs_ratio,
                PARAMS.name: point.params,
                ACTIVATIONS.name: point.activations,
                "error": point.error,
                "error_sem": None if math.isnan(point.sem) else point.sem,
                "seeds": list(point.seeds),
                "failed": point.num_failed,
                "win_share": share,
            }
            for point, share in zip(self.points, self.win_shares, strict=True)
        ]


def fit_of_study(view: StudyView, ratio: float | None = None) -> CompoundFit:
    """The fit that a study's outcomes hold, of the budget ratio asked for; else of the only one, or the smallest.

    Raises `StudyError` for a study without a grid, or with fewer than 3 trained points.
    """
    grid = [each for each in view.family if "budget_ratio" in each.candidate.origin]
    ratios = sorted({float(each.candidate.origin["budget_ratio"]) for each in grid})
    if not ratios or (ratio is not None and ratio not in ratios):
        there = f"its ratios are {', '.join(f'{each:g}' for each in ratios)}" if ratios else "it holds no grid"
        raise StudyError(f"study '{view.record.name}' has no fit of coefficients: {there}; run naslab fit-scaling")
    wanted = ratios[0] if ratio is None else ratio
    of_ratio = [each for each in grid if each.candidate.origin["budget_ratio"] == wanted]
    epochs = max(each.candidate.fidelity.epochs for each in of_ratio)
    outcomes = [each for each in of_ratio if each.candidate.fidelity.epochs == epochs]
    base = [each for each in view.outcomes if each.is_complete and each.candidate.fidelity.epochs == epochs]
    origin = outcomes[0].candidate.origin
    points = _points(outcomes, int(origin["base_macs"]))
    if len(points) < FEWEST_POINTS:
        raise StudyError(
            f"study '{view.record.name}' has {len(points)} trained points of its grid, a fit needs {FEWEST_POINTS}: "
            f"run the same naslab fit-scaling again"
        )
    noise = noise_of(points)
    wins = win_counts(points, noise)
    return CompoundFit(
        study=view.record.name,
        model=str(origin["model"]),
        arch_id=str(origin["base_arch_id"]),
        dataset=view.problem.data.name,
        epochs=epochs,
        ratio=wanted,
        rounding=str(origin["rounding"]),
        base_macs=int(origin["base_macs"]),
        base_errors=tuple(
            ACCURACY.most - each.value(ACCURACY.name) for each in sorted(base, key=lambda each: each.candidate.seed)
        ),
        points=tuple(points),
        intervals=None if wins is None else intervals_of(points, wins),
        win_shares=tuple(float(share) for share in _shares_of(wins, len(points))),
        noise_sd=math.nan if noise is None else float(np.sqrt((noise**2).mean())),
        surface=surface_of(points),
    )


def _points(outcomes: Sequence[Outcome], base_macs: int) -> list[ScaledPoint]:
    """The trained points by mean error; those without a result are left out."""
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        groups[outcome.candidate.arch_id].append(outcome)
    points = [_point(group, base_macs) for group in groups.values() if any(each.is_complete for each in group)]
    return sorted(points, key=lambda point: (point.error, words(point.compound)))


def _point(group: Sequence[Outcome], base_macs: int) -> ScaledPoint:
    candidate = group[0].candidate
    origin = candidate.origin
    complete = {each.candidate.seed: each for each in group if each.is_complete}
    return ScaledPoint(
        compound=Compound(alpha=origin["depth"], beta=origin["width"], gamma=origin["resolution"]),
        arch_id=candidate.arch_id,
        macs=candidate.cost.macs,
        macs_ratio=candidate.cost.macs / base_macs,
        params=candidate.cost.params,
        activations=candidate.cost.activations,
        seeds=tuple(sorted(complete)),
        errors=tuple(ACCURACY.most - complete[seed].value(ACCURACY.name) for seed in sorted(complete)),
        num_failed=len({each.candidate.seed for each in group} - set(complete)),
    )


def noise_of(points: Sequence[ScaledPoint]) -> Values | None:
    """Deviations of single trainings from the mean error of their point: shape (trainings,), or `None` without any.

    They are inflated because the mean is of the same trainings; points of one training are left out.
    """
    found = [
        (np.asarray(point.errors) - point.error) * math.sqrt(len(point.errors) / (len(point.errors) - 1))
        for point in points
        if len(point.errors) > 1
    ]
    return np.concatenate(found) if found else None


def win_counts(points: Sequence[ScaledPoint], noise: Values | None, seed: int = 0) -> Values | None:
    """How often each point has the least mean error of a resample, shape (points,).

    Noise is pooled over the points, because two or three seeds of one point alone would say too little of it.
    """
    if noise is None:
        return None
    source = np.random.default_rng(seed)
    means = np.stack(
        [point.error + source.choice(noise, (NUM_RESAMPLES, len(point.errors))).mean(axis=1) for point in points],
        axis=1,
    )
    return np.bincount(means.argmin(axis=1), minlength=len(points)).astype(np.float64)


def intervals_of(points: Sequence[ScaledPoint], wins: Values) -> dict[str, tuple[float, float]]:
    """The central 90 % of each coefficient over the winners of the resamples, by name.

    `wins` has the shape (points,): how often each of `points` won.
    """
    tail = (1 - LEVEL) / 2
    found = {}
    for name in ("alpha", "beta", "gamma"):
        values = np.repeat([getattr(point.compound, name) for point in points], wins.astype(int))
        low, high = np.quantile(values, [tail, 1 - tail], method="inverted_cdf")
        found[name] = (float(low), float(high))
    return found


def surface_of(points: Sequence[ScaledPoint]) -> Surface | None:
    """A quadratic of the error in the shares, on a mesh inside the triangle; `None` where points are too few."""
    at = np.array([shares(point.compound) for point in points])
    terms = _quadratic(at)
    if len(points) < _TERMS + 2 or np.linalg.matrix_rank(terms) < _TERMS:
        return None
    weights = np.sqrt([len(point.errors) for point in points])
    errors = np.array([point.error for point in points])
    solution = np.linalg.lstsq(terms * weights[:, None], errors * weights, rcond=None)[0]
    mesh = np.array(
        [
            (depth / _MESH, width / _MESH, (_MESH - depth - width) / _MESH)
            for depth in range(_MESH + 1)
            for width in range(_MESH + 1 - depth)
        ]
    )
    depth, width, resolution = (tuple(map(float, column)) for column in mesh.T)
    return Surface(depth, width, resolution, tuple(map(float, _quadratic(mesh) @ solution)))


def _quadratic(at: Values) -> Values:
    """1, d, w, d^2, w^2 and d w at shares of shape (n, 3); the third share follows from two."""
    depth, width = at[:, 0], at[:, 1]
    return np.stack([np.ones_like(depth), depth, width, depth**2, width**2, depth * width], axis=1)


def _shares_of(wins: Values | None, count: int) -> Values:
    return np.full(count, math.nan) if wins is None else np.asarray(wins / wins.sum())
