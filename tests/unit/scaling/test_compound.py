"""The rules as values, and the families they make."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naslab.arch import cost
from naslab.errors import SpecError
from naslab.scaling import (
    DEPTH,
    EFFICIENTNET_FACTORS,
    FAST,
    PYCLS,
    RULES,
    UNIFORM,
    Compound,
    doubling,
    family,
    fast,
    rescale,
)
from naslab.zoo import model

SHARES = st.floats(0, 1)


def test_the_published_coefficients() -> None:
    """arXiv 1905.11946, section 4: the product is 1.92027, not 2."""
    assert Compound().growth == pytest.approx(1.2 * 1.21 * 1.3225, rel=1e-12)
    assert Compound().factors(0) == EFFICIENTNET_FACTORS["b0"]
    at_four = Compound().factors(4)
    assert (at_four.depth, at_four.width, at_four.resolution) == pytest.approx((1.2**4, 1.1**4, 1.15**4))


@given(depth=SHARES, width=SHARES, resolution=SHARES, phi=st.floats(-3, 6))
def test_doubling_doubles(depth: float, width: float, resolution: float, phi: float) -> None:
    if depth + width + resolution < 1e-3:
        return
    rule = doubling(depth, width, resolution)
    assert rule.factors(phi).macs_ratio == pytest.approx(2**phi, rel=1e-9)


@pytest.mark.parametrize("alpha", [0.0, 1 / 3, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("phi", [1, 2, 4])
def test_fast_scaling_is_equation_five(alpha: float, phi: int) -> None:
    found, size = fast(alpha).factors(phi), 2**phi
    expected = (size ** ((1 - alpha) / 2), size ** (alpha / 2), size ** ((1 - alpha) / 4))
    assert msgspec.structs.astuple(found) == pytest.approx(expected, rel=1e-12)


def test_uniform_is_fast_with_a_third() -> None:
    third = fast(1 / 3)
    assert (UNIFORM.alpha, UNIFORM.beta, UNIFORM.gamma) == pytest.approx(
        (third.alpha, third.beta, third.gamma), rel=1e-12
    )


def test_the_rules_of_one_dimension_leave_the_others() -> None:
    assert DEPTH.factors(3) == doubling(depth=1).factors(3)
    assert (DEPTH.factors(3).width, DEPTH.factors(3).resolution) == (1.0, 1.0)
    assert set(RULES) == {"efficientnet", "depth", "width", "resolution", "uniform", "fast"}


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: Compound(alpha=0), "alpha: must be above 0"),
        (lambda: Compound(alpha=1, beta=1, gamma=1), "scale nothing"),
        (lambda: Compound().factors(float("nan")), "phi: must be finite"),
        (lambda: doubling(), "needs a share above 0"),
        (lambda: doubling(width=-1), "width: must be at least 0"),
        (lambda: fast(1.5), "alpha: must be 0 to 1"),
    ],
)
def test_rules_that_are_none(make: object, rule: str) -> None:
    with pytest.raises(SpecError, match=rule):
        make()  # type: ignore[operator]


def test_a_family_is_its_members() -> None:
    base = model("efficientnet_b0")
    members = family(base, [-2, -1, 0, 1, 2])
    assert [member.cost.macs for member in members] == sorted(member.cost.macs for member in members)
    assert members[2].arch == base
    assert members[3] == rescale(base, 1)
    for member in members:
        assert member.cost == cost(member.arch)
        assert member.factors == Compound().factors(member.phi)
        assert member.origin["phi"] == member.phi
        assert msgspec.json.decode(msgspec.json.encode(member.origin)) == member.origin


def test_fast_scaling_adds_few_activations() -> None:
    """arXiv 2103.06877: at equal macs dWr has about the square root's activations, depth and resolution the full."""
    base = model("efficientnet_b0")
    rules = {name: rule for name, rule in RULES.items() if name != "efficientnet"}
    activations = {name: rescale(base, 2, rule, PYCLS).cost.activations for name, rule in rules.items()}
    assert activations["fast"] < activations["uniform"] < activations["depth"] < activations["resolution"]
    assert rescale(base, 2, FAST, PYCLS).cost.macs == pytest.approx(4 * cost(base).macs, rel=0.15)
