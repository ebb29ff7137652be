"""Fits of coefficients: the best is found, noise widens what is said of it, and too little is refused."""

from __future__ import annotations

import json
import math

import msgspec
import numpy as np
import pytest
from scaling_studies import BASE, grid_view, small_grid, view_of

from naslab.analysis.scaling_fit import CompoundFit, fit_of_study, surface_of
from naslab.errors import StudyError
from naslab.lab.models import Model
from naslab.lab.scaling import coefficients_of, trainings
from naslab.scaling.grid import shares
from naslab.study.outcome import Candidate

BEST = small_grid().points[5]


def truth(candidate: Candidate) -> float:
    """An accuracy that falls away from one point of the grid, and the baseline's below all."""
    origin = candidate.origin
    if "depth" not in origin:
        return 70.0
    return 95 - 20 * math.dist(place(origin), shares(BEST.compound)) ** 2


def place(origin: dict[str, float]) -> tuple[float, float, float]:
    spent = [math.log(origin["depth"]), 2 * math.log(origin["width"]), 2 * math.log(origin["resolution"])]
    return spent[0] / sum(spent), spent[1] / sum(spent), spent[2] / sum(spent)


def noisy(scale: float) -> CompoundFit:
    """The fit of the truth with normal noise, three seeds."""
    source = np.random.default_rng(1)
    return fit_of_study(grid_view(lambda candidate: truth(candidate) + scale * float(source.normal())))


def test_the_best_point_is_found_and_told() -> None:
    fit = noisy(0.01)
    assert fit.compound == BEST.compound
    assert fit.intervals == {
        "alpha": (BEST.compound.alpha,) * 2,
        "beta": (BEST.compound.beta,) * 2,
        "gamma": (BEST.compound.gamma,) * 2,
    }
    assert fit.win_shares[0] == 1
    assert [point.error for point in fit.points] == sorted(point.error for point in fit.points)
    assert fit.best.seeds == (0, 1, 2)
    assert fit.base_errors == pytest.approx((30, 30, 30), abs=0.1)
    assert fit.warnings == ()


def test_noise_widens_the_intervals_and_is_warned_of() -> None:
    fit = noisy(8.0)
    assert fit.intervals is not None
    assert any(high > low for low, high in fit.intervals.values())
    for name, (low, high) in fit.intervals.items():
        assert low <= high, name
    assert math.fsum(fit.win_shares) == pytest.approx(1)
    # 36 trainings: the pooled spread is within a third of the truth with a false-alarm rate below 1 %.
    assert 5.3 < fit.noise_sd < 10.7
    assert "do not tell the coefficients apart" in fit.warnings[0]


def test_the_surface_is_the_truth_where_that_is_quadratic() -> None:
    surface = surface_of(fit_of_study(grid_view(truth)).points)
    assert surface is not None
    for depth, width, resolution, error in zip(
        surface.depth, surface.width, surface.resolution, surface.error, strict=True
    ):
        assert depth + width + resolution == pytest.approx(1)
        expected = 5 + 20 * math.dist((depth, width, resolution), shares(BEST.compound)) ** 2
        assert error == pytest.approx(expected, abs=1e-6)


def test_few_points_have_no_surface() -> None:
    fit = fit_of_study(grid_view(truth, grid=small_grid(5)))
    assert len(fit.points) == 5
    assert fit.surface is None


def test_one_seed_leaves_the_noise_unknown() -> None:
    fit = fit_of_study(grid_view(truth, seeds=1))
    assert fit.intervals is None
    assert math.isnan(fit.noise_sd)
    assert math.isnan(fit.best.sem)
    assert "one seed" in fit.warnings[0]


def test_failed_trainings_are_left_out_and_counted() -> None:
    def sometimes(candidate: Candidate) -> float | None:
        return None if candidate.seed == 2 and candidate.origin.get("depth") == 2 else truth(candidate)

    fit = fit_of_study(grid_view(sometimes))
    (deepest,) = [point for point in fit.points if point.compound.alpha == 2]
    assert (deepest.num_failed, deepest.seeds) == (1, (0, 1))
    assert any("1 training failed and is left out" in warning for warning in fit.warnings)


def test_no_point_better_than_the_baseline_is_said() -> None:
    fit = fit_of_study(grid_view(lambda candidate: 99.0 if "depth" not in candidate.origin else truth(candidate)))
    assert any("no point does better than the baseline" in warning for warning in fit.warnings)


def test_rows_are_json_and_coefficients_keep_what_was_found() -> None:
    fit = noisy(1.0)
    rows = json.loads(msgspec.json.encode(fit.rows()))
    assert [row["error"] for row in rows] == [point.error for point in fit.points]
    assert all(0.95 <= row["macs_ratio"] / 2 <= 1.05 for row in rows)
    found = coefficients_of(fit)
    assert found.compound == fit.compound
    assert (found.budget_ratio, found.study, found.dataset, found.seeds) == (2, "small-scaling", "digits", 3)


def test_too_little_is_refused() -> None:
    with pytest.raises(StudyError, match="holds no grid; run naslab fit-scaling"):
        fit_of_study(view_of([], truth))
    with pytest.raises(StudyError, match="its ratios are 2"):
        fit_of_study(grid_view(truth, seeds=1), ratio=4)
    with pytest.raises(StudyError, match="has 0 trained points of its grid, a fit needs 3"):
        fit_of_study(grid_view(lambda _: None, seeds=1))


def test_trainings_go_round_by_round() -> None:
    jobs = trainings(Model("resnet20_cifar", BASE), BASE, small_grid(4), "plain", 2, 2)
    assert [(job.role, job.seed) for job in jobs] == [
        (role, seed) for seed in (0, 1) for role in ("search", *["family"] * 4)
    ]
