"""Curve extrapolation: covered as often as it says on curves of known kinds, and never surprised by a constant."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from naslab.errors import SpecError
from naslab.estimators.extrapolation import CURVE_MODELS, CurveModel, extrapolate


def true_curve(rng: np.random.Generator, epochs: int) -> np.ndarray:
    """A curve of one of four kinds with random parameters, in shares; two kinds are no model of the ensemble's own."""
    places = np.arange(1, epochs + 1)
    end, climb = rng.uniform(0.5, 0.98), rng.uniform(0.1, 0.6)
    falls = (
        places ** -rng.uniform(0.3, 2.0),
        np.exp(-rng.uniform(0.05, 1.0) * (places - 1)),
        ((places + 3.3) / 4.3) ** -rng.uniform(0.3, 2.0),
        1 / (1 + (places / rng.uniform(1, 5)) ** rng.uniform(1, 2.5)),
    )
    return np.clip(end - climb * falls[rng.integers(4)], 0.0, 1.0)


@pytest.mark.parametrize(("seen", "end"), [(3, 9), (5, 20), (10, 40)])
def test_intervals_hold_what_they_say_on_synthetic_curves(seen: int, end: int) -> None:
    """100 curves; 90 % intervals hold 85 to 93 % (measured on 300), 95 % upper bounds are passed by 3 %.

    A bound that is passed by 5 % is passed 13 times or more of 100 with probability 0.0015; intervals that hold 83 %
    hold 71 or fewer with probability 0.003.
    """
    rng = np.random.default_rng(seen)
    num_held = num_above = 0
    for _ in range(100):
        noisy = np.clip(true_curve(rng, end) + rng.normal(0, rng.uniform(0.003, 0.02), end), 0, 1) * 100
        posterior = extrapolate(noisy[:seen], end)
        forecast = posterior.forecast(0.9)
        num_held += forecast.low <= noisy[-1] <= forecast.high
        num_above += noisy[-1] > posterior.quantile(0.95)
    assert binom.sf(12, 100, 0.05) < 0.0016
    assert binom.cdf(71, 100, 0.83) < 0.0035
    assert num_above <= 12
    assert num_held > 71


def test_more_epochs_make_the_interval_narrower_and_nearer() -> None:
    curve = [100 * (0.9 - 0.5 * epoch**-0.8) for epoch in range(1, 65)]
    forecasts = [extrapolate(curve[:seen], 64).forecast() for seen in (3, 8, 32)]
    widths = [each.high - each.low for each in forecasts]
    assert widths[0] > 2 * max(widths[1:])
    assert abs(forecasts[2].accuracy - curve[-1]) < 1


@pytest.mark.parametrize("model", CURVE_MODELS)
def test_each_model_alone_follows_its_own_curve(model: CurveModel) -> None:
    places = np.arange(1, 41)
    shapes = {
        "pow3": places**-0.75,
        "pow4": ((places + 2) / 3) ** -0.75,
        "log_power": 1 / (1 + (places / 4) ** 1.5),
        "exp3": np.exp(-0.2 * (places - 1)),
        "ilog2": np.log(2) / np.log(places + 1),
    }
    curve = 100 * (0.9 - 0.4 * shapes[model])
    forecast = extrapolate(curve[:12], 40, models=(model,)).forecast()
    assert forecast.low <= curve[-1] <= forecast.high
    assert abs(forecast.accuracy - curve[-1]) < 2


def test_falling_learning_rates_may_lift_a_curve_that_looks_done() -> None:
    flat = [60.0, 70.0, 74.0, 75.5, 76.0]
    constant = extrapolate(flat, 10)
    annealed = extrapolate(flat, 10, annealing=[0, 0, 0, 0, 0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert annealed.quantile(0.95) > constant.quantile(0.95) + 5
    assert annealed.probability_below(90) < constant.probability_below(90)


def test_a_distribution_is_one() -> None:
    posterior = extrapolate([40.0, 60.0, 70.0, 75.0], 12)
    quantiles = [posterior.quantile(share) for share in (0.05, 0.25, 0.5, 0.75, 0.95)]
    assert quantiles == sorted(quantiles)
    assert posterior.probability_below(quantiles[3]) == pytest.approx(0.75, abs=0.01)
    assert posterior.probability_below(0) == 0
    assert posterior.probability_below(100) == pytest.approx(1)


@pytest.mark.parametrize("curve", [[10.0] * 6, [100.0] * 6, [0.0] * 6, [90.0, 50.0, 20.0, 10.0]])
def test_odd_curves_give_numbers(curve: list[float]) -> None:
    forecast = extrapolate(curve, 20).forecast()
    assert 0 <= forecast.low <= forecast.accuracy <= forecast.high <= 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([50.0, 60.0], 9), "at least 3 epochs, got 2"),
        (([50.0, 60.0, 65.0], 3), "must be after the 3 epochs seen, got 3"),
        (([50.0, 60.0, 65.0], 9, [0.0] * 5), "must be known up to epoch 9, got 5"),
    ],
)
def test_what_cannot_be_extrapolated_is_refused(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        extrapolate(*arguments)  # type: ignore[arg-type]
