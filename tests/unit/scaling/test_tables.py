"""Rules that are tables: the published families are instances, exactly, and other networks take them too."""

from __future__ import annotations

import pytest

from naslab.arch import cost
from naslab.errors import SpecError
from naslab.scaling import EFFICIENTNET_V2_TABLE, RESNET_RS, StageFactors, scale_stages
from naslab.scaling.tables import member_of
from naslab.zoo import model


@pytest.mark.parametrize(
    ("phi", "name", "resolution"),
    [
        (0, "resnet_rs_50", 160),
        (2, "resnet_rs_101", 192),
        (3, "resnet_rs_152", 192),
        (5, "resnet_rs_152", 256),
        (6, "resnet_rs_200", 256),
        (7, "resnet_rs_270", 256),
        (9, "resnet_rs_350", 320),
        (10, "resnet_rs_420", 320),
    ],
)
def test_resnet_rs_is_an_instance(phi: int, name: str, resolution: int) -> None:
    """Dropout and stochastic depth grow too in the paper; they are no part of the shape."""
    scaled = member_of(model("resnet_rs_50", resolution=160), RESNET_RS, phi, "resnet_rs")
    published = model(name, resolution=resolution)
    assert (scaled.arch.input, scaled.arch.stem, scaled.arch.stages) == (
        published.input,
        published.stem,
        published.stages,
    )
    assert scaled.cost == cost(published)


@pytest.mark.parametrize(("phi", "name"), [(0, "m"), (1, "l"), (2, "xl")])
def test_efficientnet_v2_is_an_instance(phi: int, name: str) -> None:
    scaled = member_of(model("efficientnet_v2_m"), EFFICIENTNET_V2_TABLE, phi, "efficientnet_v2")
    published = model(f"efficientnet_v2_{name}")
    assert (scaled.arch.input, scaled.arch.stem, scaled.arch.stages) == (
        published.input,
        published.stem,
        published.stages,
    )
    assert scaled.arch.head.width == published.head.width
    assert scaled.cost == cost(published)


@pytest.mark.parametrize("name", ["mobilenet_v1", "resnet20_cifar", "resnext50_32x4d", "inception_v3"])
def test_other_networks_take_a_table_at_the_same_relative_places(name: str) -> None:
    base = model(name)
    macs = [member_of(base, RESNET_RS, phi, "resnet_rs").cost.macs for phi in range(len(RESNET_RS))]
    assert macs[0] == cost(base).macs
    assert macs == sorted(macs)
    assert macs[-1] > 4 * macs[0]


def test_a_factor_of_one_is_the_identity() -> None:
    base = model("resnet50")
    assert scale_stages(base, StageFactors()) == base


@pytest.mark.parametrize("phi", [-1, 0.5, 11, float("nan")])
def test_phi_beyond_the_table(phi: float) -> None:
    with pytest.raises(SpecError, match="must be a whole number from 0 to 10"):
        member_of(model("resnet50"), RESNET_RS, phi, "resnet_rs")


def test_bad_factors_are_named() -> None:
    with pytest.raises(SpecError, match="depth: must be above 0 and finite, got -1"):
        StageFactors(depth=(1.0, -1.0))
    with pytest.raises(SpecError, match="width: must hold at least one"):
        StageFactors(width=())
