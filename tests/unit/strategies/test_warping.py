"""Warps: there and back, improvement against sampling, and the scale that evidence chooses."""

from __future__ import annotations

import math

import numpy as np
import pytest

from naslab.strategies.fitting import fit_warped
from naslab.strategies.warping import ROOMS, Scale, Warp

LOSSES = np.array([-1.2, -1.0, -0.7, -0.5, 0.1, 3.3])


@pytest.mark.parametrize("room", ROOMS)
def test_there_and_back_in_the_same_order(room: float) -> None:
    warp = Warp.of(room, LOSSES)
    warped = warp.to(LOSSES)
    assert (np.diff(warped) > 0).all()
    assert warp.back(warped) == pytest.approx(LOSSES)


@pytest.mark.parametrize("room", ROOMS[1:])
def test_warped_losses_are_standardised_and_their_slope_is_the_derivative(room: float) -> None:
    warp = Warp.of(room, LOSSES)
    warped = warp.to(LOSSES)
    assert (warped.mean(), warped.std()) == pytest.approx((0.0, 1.0))
    step = 1e-6
    slopes = (warp.to(LOSSES + step) - warp.to(LOSSES - step)) / (2 * step)
    assert warp.log_slope(LOSSES) == pytest.approx(np.log(slopes).sum(), abs=1e-6)


@pytest.mark.parametrize("room", ROOMS)
def test_improvement_is_what_sampling_gives(room: float) -> None:
    """200,000 draws: five standard errors of the mean, a false alarm in a million."""
    warp = Warp.of(room, LOSSES)
    draws = np.random.default_rng(0).standard_normal(200_000)
    for mean, deviation in ((0.0, 1.0), (-1.5, 0.3), (1.0, 0.1)):
        gains = np.maximum(0.0, -0.6 - warp.back(mean + deviation * draws))
        exact = float(warp.improvement(np.array(mean), np.array(deviation), -0.6))
        assert abs(exact - gains.mean()) <= 5 * gains.std() / math.sqrt(len(gains)) + 1e-12


def test_evidence_chooses_a_warp_for_a_tail_and_none_for_what_is_smooth() -> None:
    """Losses that are smooth as logarithms, then the same as they are: of 60 networks in two columns."""
    inputs = np.column_stack((np.random.default_rng(1).random((60, 2)), np.zeros(60)))
    smooth = np.sin(3 * inputs[:, 0]) + inputs[:, 1]
    parts = (np.array([0, 1]),)
    tailed = np.exp(3 * smooth)
    assert math.isfinite(fit_warped(parts, inputs, Scale.of(tailed).to(tailed), 2).room)
    assert fit_warped(parts, inputs, Scale.of(smooth).to(smooth), 2).room == math.inf


def test_a_certain_loss_improves_by_the_difference() -> None:
    warp = Warp.of(1.0, LOSSES)
    place = warp.to(np.array([-1.0]))
    assert warp.improvement(place, np.zeros(1), -0.5) == pytest.approx([0.5])
    assert warp.improvement(place, np.zeros(1), -1.1) == pytest.approx([0.0])


def test_nothing_is_gained_beyond_the_origin() -> None:
    warp = Warp.of(2.0, LOSSES)
    assert warp.improvement(np.zeros(1), np.ones(1), -math.inf) == pytest.approx([0.0], abs=1e-9)


def test_a_process_that_knows_nothing_does_not_overflow() -> None:
    """A vague prediction gains at most the whole error, and no less than a certain one of the same mean."""
    warp = Warp.of(2.0, LOSSES)
    gain = float(warp.improvement(np.zeros(1), np.full(1, 1e3), -0.5)[0])
    assert 0.4 * (-0.5 - warp.origin) < gain <= -0.5 - warp.origin
