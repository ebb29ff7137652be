"""The Gaussian process against its textbook formulas, finite differences and functions it must learn."""

from __future__ import annotations

import numpy as np
import pytest

from naslab.strategies.gaussian_process import (
    JITTER,
    Belief,
    Kernel,
    Posterior,
    _negative_log_density,
    _Prior,
    fit_kernel,
)

PARTS = (np.array([0, 1]), np.array([2]))


def made_kernel(noise: float = 0.01) -> Kernel:
    return Kernel(PARTS, np.array([0.7, 0.3]), (np.array([2.0, 0.5]), np.array([4.0])), noise)


def test_covariance_is_the_sum_over_parts() -> None:
    one, two = np.array([[0.0, 1.0, 0.5]]), np.array([[1.0, 0.5, 0.0]])
    expected = 0.7 * np.exp(-0.5 * (2.0 * 1 + 0.5 * 0.25)) + 0.3 * np.exp(-0.5 * 4.0 * 0.25)
    assert made_kernel().between(one, two)[0, 0] == pytest.approx(expected)


def test_posterior_follows_the_formulas() -> None:
    rng = np.random.default_rng(0)
    inputs, targets, elsewhere = rng.random((12, 3)), rng.standard_normal(12), rng.random((5, 3))
    kernel = made_kernel()
    belief = Belief(Posterior(kernel, inputs, elsewhere), targets, np.zeros((0, 3)))
    covariance = kernel.between(inputs, inputs) + (kernel.noise + JITTER) * np.eye(12)
    across = kernel.between(elsewhere, inputs)
    for mean, variance in (belief.predict(elsewhere), belief.predict_standing()):
        assert mean == pytest.approx(across @ np.linalg.solve(covariance, targets))
        assert variance == pytest.approx(1.0 - np.diag(across @ np.linalg.solve(covariance, across.T)))
    assert belief.mean(elsewhere) == pytest.approx(belief.predict(elsewhere)[0])
    assert belief.denoised() == pytest.approx(belief.predict(inputs)[0])


def test_a_posterior_grown_one_by_one_is_the_posterior_of_all() -> None:
    rng = np.random.default_rng(5)
    inputs, targets, standing = rng.random((20, 3)), rng.standard_normal(20), rng.random((30, 3))
    whole = Posterior(made_kernel(), inputs, standing)
    grown = Posterior(made_kernel(), inputs[:12], standing, room=8)
    for each in inputs[12:]:
        grown.add(each)
    assert grown.root == pytest.approx(whole.root, abs=1e-9)
    one, two = (Belief(each, targets, standing[:4]).predict_standing() for each in (whole, grown))
    assert one[0] == pytest.approx(two[0], abs=1e-8)
    assert one[1] == pytest.approx(two[1], abs=1e-8)


def test_believing_keeps_the_mean_and_lowers_the_doubt_as_measurements_as_predicted_do() -> None:
    rng = np.random.default_rng(1)
    inputs, targets, more, standing = (
        rng.random((9, 3)),
        rng.standard_normal(9),
        rng.random((2, 3)),
        rng.random((7, 3)),
    )
    none = np.zeros((0, 3))
    posterior = Posterior(made_kernel(), inputs, standing)
    predicted = Belief(posterior, targets, none).predict(more)[0]
    told = Belief(
        Posterior(made_kernel(), np.vstack((inputs, more)), standing), np.concatenate((targets, predicted)), none
    )
    believed = Belief(posterior, targets, more)
    for mean, variance in (believed.predict(standing), believed.predict_standing()):
        assert mean == pytest.approx(told.predict(standing)[0], abs=1e-8)
        assert variance == pytest.approx(told.predict(standing)[1], abs=1e-8)
    assert np.all(believed.predict(more)[1] < Belief(posterior, targets, none).predict(more)[1])


def test_gradient_agrees_with_differences() -> None:
    rng = np.random.default_rng(2)
    inputs, targets = rng.random((15, 3)), rng.standard_normal(15)
    prior, lines = _Prior(PARTS, num_sloping=2), rng.standard_normal((15, 2))
    points = [inputs[:, part] for part in PARTS]
    theta = prior.mean + 0.3 * rng.standard_normal(len(prior.mean))
    theta[-1] = np.log(0.1)  # far from singular: differences are exact
    shares = rng.random(15) + 0.5
    gradient = _negative_log_density(theta, prior, points, lines, targets, shares)[1]
    step = 1e-5
    for index, slope in enumerate(gradient):
        aside = np.eye(len(theta))[index] * step
        up, down = (
            _negative_log_density(theta + sign * aside, prior, points, lines, targets, shares)[0] for sign in (1, -1)
        )
        assert slope == pytest.approx((up - down) / (2 * step), rel=1e-4, abs=1e-5)


def test_a_fit_finds_what_matters() -> None:
    """Targets that follow one column and one part: their weights stand out, and unseen inputs are predicted."""
    rng = np.random.default_rng(3)
    inputs = rng.random((60, 4))
    targets = np.sin(4 * inputs[:, 1])
    targets = (targets - targets.mean()) / targets.std()
    kernel = fit_kernel((np.array([0, 1]), np.array([2, 3])), inputs[:40], targets[:40])
    assert kernel.weights[0][1] > 10 * kernel.weights[0][0]
    assert kernel.amplitudes[0] > kernel.amplitudes[1]
    mean, _ = Belief(Posterior(kernel, inputs[:40], inputs[40:]), targets[:40], inputs[:0]).predict_standing()
    assert np.corrcoef(mean, targets[40:])[0, 1] > 0.99


def test_noise_is_seen_as_noise() -> None:
    rng = np.random.default_rng(4)
    inputs = rng.random((80, 2))
    kernel = fit_kernel((np.array([0, 1]),), inputs, rng.standard_normal(80))
    assert kernel.noise > 0.3
