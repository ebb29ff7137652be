"""Pareto arithmetic against slow references that follow the definitions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from naslab.errors import SpecError
from naslab.pareto import (
    crowding_distance,
    crowding_of_fronts,
    dominates,
    hypervolume,
    hypervolume_contributions,
    is_non_dominated,
    non_dominated_ranks,
)


def grids(objectives: int, most: int = 12) -> st.SearchStrategy[np.ndarray]:
    """Point sets on a small integer grid, so that ties and equal points are common."""
    shapes = st.integers(1, most).map(lambda count: (count, objectives))
    return shapes.flatmap(lambda shape: arrays(np.float64, shape, elements=st.integers(0, 5).map(float)))


ANY_GRID = st.integers(1, 4).flatmap(grids)


def slow_front(points: np.ndarray) -> list[bool]:
    return [not any(dominates(other, point) for other in points) for point in points]


def slow_volume(points: np.ndarray, bound: float) -> float:
    """Counts the unit cells of the grid that some point dominates."""
    cells = itertools.product(range(int(bound)), repeat=points.shape[1])
    return float(sum(bool(np.any(np.all(points <= np.array(cell), axis=1))) for cell in cells))


@given(ANY_GRID)
def test_front_follows_the_definition(points: np.ndarray) -> None:
    assert is_non_dominated(points).tolist() == slow_front(points)


@given(ANY_GRID)
def test_ranks_peel_fronts(points: np.ndarray) -> None:
    ranks = non_dominated_ranks(points)
    for rank in range(ranks.max() + 1):
        left = points[ranks >= rank]
        assert (ranks[ranks >= rank] == rank).tolist() == slow_front(left)


def sliced_volume(points: np.ndarray, bound: np.ndarray) -> float:
    """Slices along the last objective, each a volume of one objective less (While et al. 2006, "HSO")."""
    if points.shape[1] == 1:
        return float(bound[0] - points.min())
    ordered = points[np.argsort(points[:, -1])]
    depths = np.diff(np.append(ordered[:, -1], bound[-1]))
    slabs = (ordered[: count + 1, :-1] for count in range(len(ordered)))
    return float(sum(depth * sliced_volume(slab, bound[:-1]) for slab, depth in zip(slabs, depths, strict=True)))


@pytest.mark.parametrize("objectives", [2, 3, 4, 5])
def test_hypervolume_is_that_of_slices(objectives: int) -> None:
    rng = np.random.default_rng(objectives)
    for count in (1, 2, 9):
        points = rng.random((count, objectives))
        points = np.concatenate((points, points[:2], np.round(points, 1)))
        points[0, -1] = points[-1, 0] = 0.5
        bound = np.full(objectives, 1.5)
        assert hypervolume(points, bound) == pytest.approx(sliced_volume(points, bound), rel=1e-12)


def test_hypervolume_without_end_is_infinite() -> None:
    assert hypervolume([[0.0, -np.inf, 0.0]], [1, 1, 1]) == np.inf


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_many_points_have_the_front_of_few(objectives: int) -> None:
    rng = np.random.default_rng(0)
    points = rng.integers(0, 25, size=(400, objectives)).astype(float)
    points[0, 0], points[1, 1] = np.inf, -np.inf
    points[:3] = np.minimum(points[:3], 24.0)
    assert is_non_dominated(points).tolist() == slow_front(points)
    ranks, few = non_dominated_ranks(points), points[:100]
    assert (non_dominated_ranks(few) == 0).tolist() == is_non_dominated(few).tolist() == slow_front(few)
    assert (ranks == 0).tolist() == slow_front(points)


@given(st.integers(1, 4).flatmap(lambda objectives: grids(objectives, most=6)))
def test_hypervolume_counts_cells(points: np.ndarray) -> None:
    assert hypervolume(points, [6.0] * points.shape[1]) == pytest.approx(slow_volume(points, 6), rel=1e-12)


@given(grids(3), grids(3, most=1))
def test_hypervolume_never_shrinks_with_a_point(points: np.ndarray, more: np.ndarray) -> None:
    bound = [4.0] * 3
    assert hypervolume(np.vstack([points, more]), bound) >= hypervolume(points, bound) - 1e-9


def test_points_beyond_the_reference_add_nothing() -> None:
    assert hypervolume([[1, 5], [5, 1], [3, 0]], [3, 3]) == 0.0
    assert hypervolume(np.empty((0, 2)), [1, 1]) == 0.0


@pytest.mark.parametrize("digits", [1, 8])
@pytest.mark.parametrize("objectives", [1, 2, 4])
def test_crowding_of_all_fronts_at_once_is_that_of_each(objectives: int, digits: int) -> None:
    many = np.round(np.random.default_rng(objectives).normal(size=(300, objectives)), digits)
    points = many[:60]
    for losses in (many, points, np.where(points > 1.5, np.inf, points), points[:1], points[:0]):
        ranks = non_dominated_ranks(losses)
        found = crowding_of_fronts(losses, ranks)
        for rank in set(ranks.tolist()):
            assert np.array_equal(found[ranks == rank], crowding_distance(losses[ranks == rank]))
        assert len(found) == len(losses)


def test_crowding_by_hand() -> None:
    distance = crowding_distance([[0, 10], [1, 6], [3, 5], [4, 0]])
    assert distance.tolist() == [np.inf, pytest.approx(3 / 4 + 5 / 10), pytest.approx(3 / 4 + 6 / 10), np.inf]
    assert crowding_distance([[1, 1], [1, 1], [1, 1]]).tolist() == [0, 0, 0]
    assert crowding_distance([[1, 2]]).tolist() == [0]


def test_infinite_losses_are_ranked_last() -> None:
    assert non_dominated_ranks([[np.inf, np.inf], [1, 2], [2, 1]]).tolist() == [1, 0, 0]
    assert is_non_dominated([[1, np.inf], [2, np.inf]]).tolist() == [True, False]


@pytest.mark.parametrize("losses", [[[np.nan, 1.0]], [1.0, 2.0], [[]]])
def test_losses_that_are_none_are_refused(losses: list[object]) -> None:
    with pytest.raises(SpecError, match="losses"):
        is_non_dominated(losses)


def test_reference_of_another_width_is_refused() -> None:
    with pytest.raises(SpecError, match="one value for each of 2 objectives, got 3"):
        hypervolume([[1, 2]], [1, 2, 3])


@pytest.mark.parametrize("reference", [[np.nan, 1.0], [1.0], [1.0, 1.0, 1.0], 1.0])
@pytest.mark.parametrize("measure", [hypervolume, hypervolume_contributions])
@pytest.mark.parametrize("points", [np.zeros((0, 2)), np.array([[0.0, 0.0]])])
def test_a_reference_that_is_none_is_refused(reference: object, measure, points: np.ndarray) -> None:
    with pytest.raises(SpecError, match=r"^reference: (must be numbers|needs one value for each of 2 objectives)"):
        measure(points, reference)


@given(ANY_GRID.flatmap(lambda points: st.tuples(st.just(points), arrays(np.bool_, points.shape))))
def test_infinite_losses_leave_crowding_a_number(case: tuple[np.ndarray, np.ndarray]) -> None:
    points, is_infinite = case
    distance = crowding_distance(np.where(is_infinite, np.inf, points))
    assert not np.isnan(distance).any()
    assert (distance >= 0).all()


def test_crowding_between_finite_losses_ignores_how_far_infinity_is() -> None:
    assert crowding_distance([[0, 2], [1, 1], [2, 0], [np.inf, -1]])[1] == pytest.approx(2 / 4 + 2 / 3)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("worst", [1e308, np.inf])
def test_crowding_of_losses_at_the_end_of_numbers_is_a_number(worst: float) -> None:
    losses = [[-1e308, worst], [0.0, 0.0], [5e307, -5e307], [1e308, -1e308]]
    found = crowding_distance(losses)
    assert np.isinf(found).tolist() == [True, False, False, True]
    assert not np.isnan(found).any()
    assert np.array_equal(found, crowding_of_fronts(losses, np.zeros(4, np.int64)))
