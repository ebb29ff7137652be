"""Expected gains against closed forms and sampling."""

from __future__ import annotations

import numpy as np
import pytest

from naslab.pareto import hypervolume
from naslab.strategies.acquisition import (
    expected_gain_along,
    expected_gain_of_boxes,
    expected_hypervolume_improvement,
    expected_improvement,
    free_boxes,
)


def test_improvement_of_the_best_itself_is_the_density_at_zero() -> None:
    assert expected_improvement(np.zeros(1), np.ones(1), 0.0)[0] == pytest.approx(1 / np.sqrt(2 * np.pi))


def test_improvement_without_doubt_is_the_gap() -> None:
    assert expected_improvement(np.array([1.0, 3.0]), np.zeros(2), 2.0).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("deviation", [(0.5, 0.7), (0.5, 0.0), (0.0, 0.4)])
def test_hypervolume_improvement_is_the_mean_over_samples(deviation: tuple[float, float]) -> None:
    """Five standard errors: a false alarm in less than one of a million runs; the seed is fixed besides."""
    rng = np.random.default_rng(0)
    front = np.array([[0.0, 2.0], [0.5, 1.2], [1.4, 0.1], [1.5, 3.0]])
    reference = np.array([2.0, 2.5])
    mean = np.array([0.6, 0.9])
    expected = expected_hypervolume_improvement(mean[None], np.array([deviation]), front, reference)[0]
    drawn = mean + np.array(deviation) * rng.standard_normal((1_500, 2))
    gains = [hypervolume(np.vstack((front, point)), reference) - hypervolume(front, reference) for point in drawn]
    assert expected == pytest.approx(np.mean(gains), abs=5 * np.std(gains) / np.sqrt(len(gains)))


def test_hypervolume_improvement_without_doubt_is_exact() -> None:
    front = np.array([[0.0, 2.0], [1.0, 1.0]])
    reference = np.array([3.0, 3.0])
    points = np.array([[0.5, 0.5], [2.0, 2.0], [-1.0, 4.0], [-1.0, 2.5]])
    expected = [hypervolume(np.vstack((front, point)), reference) - hypervolume(front, reference) for point in points]
    assert expected_hypervolume_improvement(points, np.zeros((4, 2)), front, reference) == pytest.approx(expected)


def test_hypervolume_improvement_without_a_front_is_the_box() -> None:
    gain = expected_hypervolume_improvement(np.zeros((1, 2)), np.zeros((1, 2)), np.full((1, 2), 9.0), np.ones(2))
    assert gain.tolist() == [1.0]


@pytest.mark.parametrize("deviation", [(0.5, 0.7, 0.4), (0.5, 0.0, 0.0)])
def test_hypervolume_improvement_of_three_is_the_mean_over_samples(deviation: tuple[float, float, float]) -> None:
    """Five standard errors, as above; the front holds ties, a dominated point and one beyond the reference."""
    rng = np.random.default_rng(1)
    rows = [[0, 2, 1], [0.5, 1.2, 1], [1.4, 0.1, 0.7], [1.5, 2.2, 1.9], [0.5, 1.2, 0.2], [1, 1, 0.2], [0, 0, 9]]
    front = np.array(rows, dtype=np.float64)
    reference = np.array([2.0, 2.5, 2.0])
    mean = np.array([0.6, 0.9, 0.5])
    expected = expected_gain_of_boxes(mean[None], np.array([deviation]), free_boxes(front, reference))[0]
    drawn = mean + np.array(deviation) * rng.standard_normal((1_000, 3))
    whole = hypervolume(front, reference)
    gains = [hypervolume(np.vstack((front, point)), reference) - whole for point in drawn]
    assert expected == pytest.approx(np.mean(gains), abs=5 * np.std(gains) / np.sqrt(len(gains)))


def test_hypervolume_improvement_of_three_without_doubt_is_exact() -> None:
    rng = np.random.default_rng(2)
    reference = np.ones(3)
    for number in (0, 1, 12, 40):
        front, points = rng.random((number, 3)).round(1), 1.2 * rng.random((9, 3)) - 0.1
        boxes = free_boxes(front, reference)
        expected = [
            hypervolume(np.vstack((front, point)), reference) - hypervolume(front, reference) for point in points
        ]
        assert expected_gain_of_boxes(points, np.zeros((9, 3)), boxes) == pytest.approx(expected, abs=1e-12)
        assert len(boxes.left) <= 3 * number + 1


@pytest.mark.parametrize("number", [0, 1, 12])
def test_the_gain_along_many_directions_is_the_hypervolume_of_four(number: int) -> None:
    """Within ten per cent by so many directions, whose scatter is a few per cent; the seeds are fixed.

    The mean over directions of length^4, times pi^2 / 2 / 2^4, is a volume (Zhang and Golovin 2020, lemma 5).
    """
    rng = np.random.default_rng(number)
    front, points, reference = rng.random((number, 4)), rng.random((6, 4)), np.full(4, 1.1)
    whole = hypervolume(front, reference) if number else 0.0
    expected = [hypervolume(np.vstack((front, point)), reference) - whole for point in points]
    normal = np.abs(rng.standard_normal((40_000, 4)))
    directions = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    nothing = np.zeros((1, 4))
    gains = expected_gain_along(points, np.zeros((6, 4)), front, reference, directions, nothing)
    assert np.pi**2 / 32 * gains == pytest.approx(expected, rel=0.1, abs=0.002)


def test_the_gain_along_directions_is_the_mean_over_draws() -> None:
    """Of a network that may turn out better than the front, beside one that is certain to be on it."""
    directions, draws = np.full((1, 4), 0.5), np.array([[1.0] * 4, [-1.0] * 4])
    mean, deviation = np.full((2, 4), 0.5), np.array([[0.5] * 4, [0.0] * 4])
    gains = expected_gain_along(mean, deviation, np.full((1, 4), 0.5), np.ones(4), directions, draws)
    assert gains.tolist() == [15.0 / 2, 0.0]
