"""The grid of coefficients: exact cost decides, points differ and spread, and what misses is told with its product."""

from __future__ import annotations

import math

import pytest
from scaling_studies import SMALL

from naslab.arch import arch_id, cost
from naslab.errors import LimitError, SpecError
from naslab.scaling import EFFICIENTNET, PLAIN, Compound
from naslab.scaling.grid import PRODUCT_TOLERANCE, compound_grid, given_grid, shares
from naslab.zoo import model


@pytest.mark.parametrize("name", ["small", "resnet20_cifar", "mobilenet_v1", "efficientnet_b0"])
@pytest.mark.parametrize("ratio", [2, 4])
def test_every_point_has_the_budget_by_its_exact_cost(name: str, ratio: float) -> None:
    arch = SMALL if name == "small" else model(name)
    grid = compound_grid(arch, ratio, step=0.1 if ratio == 4 else 0.05, num_points=8)
    assert 3 <= len(grid.points) <= 8
    assert grid.num_tried >= grid.num_within >= grid.num_distinct >= len(grid.points)
    for point in grid.points:
        assert abs(cost(point.member.arch).macs / (ratio * cost(arch).macs) - 1) <= 0.05
        assert abs(point.compound.growth / ratio - 1) <= PRODUCT_TOLERANCE
        assert min(point.compound.alpha, point.compound.beta, point.compound.gamma) >= 1
        assert math.fsum(shares(point.compound)) == pytest.approx(1)
    assert len({arch_id(point.member.arch) for point in grid.points}) == len(grid.points)
    assert len({point.rule for point in grid.points}) == len(grid.points)


def test_points_spread_to_the_corners() -> None:
    """Among few points of a fine grid are nearly pure depth, width and resolution."""
    places = [shares(point.compound) for point in compound_grid(model("resnet20_cifar"), num_points=4).points]
    for dimension in range(3):
        assert max(place[dimension] for place in places) > 0.9


def test_fewer_points_are_a_part_of_more() -> None:
    few, many = (compound_grid(SMALL, num_points=count).points for count in (4, 9))
    assert many[:4] == few


def test_the_published_coefficients_do_not_double_under_the_released_rounding() -> None:
    """With repeats rounded up, 1.2, 1.1 and 1.15 make 2.57 times B0: the formula says 1.92."""
    base = model("efficientnet_b0")
    with pytest.raises(SpecError, match=r"scale macs by 2\.573 after rounding, must be within 5% of 2"):
        given_grid(base, [Compound()] * 3, rounding=EFFICIENTNET)
    rest = [Compound(alpha=2, beta=1, gamma=1), Compound(alpha=1, beta=1, gamma=1.4)]
    assert len(given_grid(base, [Compound(), *rest], tolerance=0.07, rounding=PLAIN).points) == 3


def test_coefficients_that_miss_the_constraint_say_the_product() -> None:
    with pytest.raises(SpecError, match=r"coefficients 1\.2, 1\.2, 1\.2: alpha \* beta\^2 \* gamma\^2 is 2\.488"):
        given_grid(SMALL, [Compound(alpha=1.2, beta=1.2, gamma=1.2)])
    same = [
        Compound(alpha=2, beta=1, gamma=1),
        Compound(alpha=1.95, beta=1, gamma=1),
        Compound(alpha=1.9, beta=1, gamma=1),
    ]
    with pytest.raises(LimitError, match="needs 3 different networks"):
        given_grid(SMALL, same, tolerance=0.2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ratio": 1}, "budget_ratio: must be above 1"),
        ({"ratio": math.nan}, "budget_ratio: must be above 1"),
        ({"step": 0}, "step: must be 0.01 to 1"),
        ({"step": 1.5}, "step: must be 0.01 to 1"),
        ({"num_points": 2}, "points: must be at least 3"),
        ({"tolerance": 0}, "tolerance: must be between 0 and 1"),
    ],
)
def test_bad_grids(changes: dict[str, float], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        compound_grid(SMALL, **changes)  # type: ignore[arg-type]


def test_too_few_networks_say_what_helps() -> None:
    with pytest.raises(LimitError, match=r"combinations in steps of 0\.5.* a fit needs 3: widen the tolerance"):
        compound_grid(SMALL, step=0.5)
