"""Published families made from their base by scaling: widths, repeats and exact costs, row by row."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Literal

import pytest
from msgspec.structs import replace

from naslab.arch import ArchSpec, Cost, Head, cost, layer_costs
from naslab.scaling.compound import DEPTH, EFFICIENTNET_FACTORS, FAST, RESOLUTION, UNIFORM, WIDTH, doubling
from naslab.scaling.rounding import EFFICIENTNET, EFFICIENTNET_V2, PLAIN, PYCLS
from naslab.scaling.scale import scale
from naslab.zoo import model
from naslab.zoo.efficientnet import efficientnet_b
from naslab.zoo.efficientnet_v2 import efficientnet_v2
from naslab.zoo.mobilenet_v3 import mobilenet_v3

FOLDER = Path(__file__).parent


def rows(name: str, family: str = "") -> list[dict[str, str]]:
    with (FOLDER / name).open(newline="") as file:
        return [row for row in csv.DictReader(file) if not family or row["family"] == family]


EFFICIENTNETS = rows("efficientnet_scaling.csv", "EfficientNet")
V2 = [row for row in rows("efficientnet_scaling.csv", "EfficientNetV2") if row["model"][0] == "B"]
MOBILENETS_V1 = [row for row in rows("efficientnet_scaling.csv", "MobileNetV1") if row["model"][0] in "01"]
MOBILENETS_V2 = rows("efficientnet_scaling.csv", "MobileNetV2")
LADDER = rows("dwr_scaling.csv")
RULES = {
    "d": DEPTH,
    "w": WIDTH,
    "r": RESOLUTION,
    "dw": doubling(depth=1, width=1),
    "dr": doubling(depth=1, resolution=1),
    "wr": doubling(width=1, resolution=1),
    "dwr (uniform)": UNIFORM,
    "dWr alpha=0.8": FAST,
}


def by_model(row: dict[str, str]) -> str:
    return row["model"].replace(" ", "_")


def check(arch: ArchSpec, row: dict[str, str]) -> None:
    """The architecture has the row's resolution, widths, repeats and exact cost."""
    assert arch.input[1:] == (int(row["resolution"]),) * 2
    assert "-".join(str(stage.width) for stage in arch.stages) == row["stage_channels"]
    assert "-".join(str(stage.repeats) for stage in arch.stages) == row["stage_repeats"]
    found = cost(arch)
    assert (found.params, found.macs, found.activations) == tuple(int(row[key]) for key in Cost.__struct_fields__[:3])


@pytest.mark.parametrize("row", EFFICIENTNETS, ids=by_model)
def test_efficientnet_b0_becomes_its_family(row: dict[str, str]) -> None:
    factors = EFFICIENTNET_FACTORS[row["model"].lower()]
    arch = scale(model("efficientnet_b0"), factors.depth, factors.width, factors.resolution, EFFICIENTNET)
    check(arch, row)
    assert arch.stem[0].width == int(row["stem_channels"])
    assert arch.head.width == int(row["head_channels"])


@pytest.mark.parametrize("variant", [f"b{number}" for number in range(8)])
def test_a_scaled_b0_is_the_zoos_network_but_for_dropout_and_norm(variant: str) -> None:
    factors = EFFICIENTNET_FACTORS[variant]
    arch = scale(model("efficientnet_b0"), factors.depth, factors.width, factors.resolution)
    released = efficientnet_b(variant)
    head = replace(arch.head, dropout=released.head.dropout)
    assert replace(arch, head=head, norm=released.norm) == released


@pytest.mark.parametrize("row", V2, ids=by_model)
def test_efficientnet_v2_b0_becomes_its_small_family(row: dict[str, str]) -> None:
    base = efficientnet_v2("b0", resolution=224)
    factors = float(row["depth_coefficient"]), float(row["width_coefficient"]), int(row["resolution"]) / 224
    check(scale(base, *factors, EFFICIENTNET_V2), row)


def test_the_guard_is_what_parts_both_roundings() -> None:
    """EfficientNetV2-B3: 16 channels times 1.2 stay 16 in the released code, the guard would make them 24."""
    base = efficientnet_v2("b0", resolution=300)
    assert cost(scale(base, 1.4, 1.2, 1, EFFICIENTNET_V2)).params == 14_358_406
    assert cost(scale(base, 1.4, 1.2, 1, EFFICIENTNET)).params == 14_377_062


@pytest.mark.parametrize("row", LADDER, ids=lambda row: f"{row['strategy'].replace(' ', '_')}-s{row['s']}")
def test_the_ladder_of_fast_and_accurate_scaling(row: dict[str, str]) -> None:
    """s = 2^phi for every rule, with pycls's rounding."""
    phi = {"1": 0, "2": 1, "4": 2, "8": 3, "16": 4}[row["s"]]
    factors = RULES[row["strategy"]].factors(phi)
    for found, key in ((factors.depth, "d"), (factors.width, "w"), (factors.resolution, "r")):
        assert found == pytest.approx(float(row[key]), abs=5e-7)  # the table prints six decimals
    arch = scale(model("efficientnet_b0"), factors.depth, factors.width, factors.resolution, PYCLS)
    check(arch, row)
    assert arch.stem[0].width == int(row["stem"])
    assert arch.head.width == int(row["head"])


@pytest.mark.parametrize("row", MOBILENETS_V1, ids=by_model)
def test_mobilenet_v1_multipliers(row: dict[str, str]) -> None:
    """The paper's alpha and rho (arXiv 1704.04861, tables 6 and 7)."""
    arch = scale(
        model("mobilenet_v1"), 1, float(row["width_coefficient"]), int(row["resolution"]) / 224, rounding=PLAIN
    )
    found = cost(arch)
    assert (found.params, found.macs, found.activations) == tuple(int(row[key]) for key in Cost.__struct_fields__[:3])


@pytest.mark.parametrize("row", MOBILENETS_V2, ids=by_model)
def test_mobilenet_v2_multipliers(row: dict[str, str]) -> None:
    """Its head grows and never shrinks."""
    width = float(row["width_coefficient"])
    base = model("mobilenet_v2")
    arch = scale(base, 1, width, int(row["resolution"]) / 224, EFFICIENTNET, scale_head=width > 1)
    check(arch, row)
    assert arch.head == Head(width=int(row["head_channels"]), dropout=base.head.dropout)


@pytest.mark.parametrize(
    ("base", "factors", "macs"),
    [
        # EfficientNet's table 7 in exact counts; the paper's depth and width rows of ResNet-50 look interchanged.
        ("resnet50", (4, 1, 1), 14_571_000_000),
        ("resnet50", (1, 2, 1), 16_117_000_000),
        ("resnet50", (1, 1, 2), 16_351_000_000),
        ("mobilenet_v1", (1, 2, 1), 2_216_000_000),
        ("mobilenet_v1", (1, 1, 2), 2_272_000_000),
        ("mobilenet_v2", (4, 1, 1), 1_220_000_000),
        ("mobilenet_v2", (1, 2, 1), 1_137_000_000),
        ("mobilenet_v2", (1, 1, 2), 1_199_000_000),
        ("efficientnet_b0", (4, 1, 1), 1_575_000_000),
        ("efficientnet_b0", (1, 2, 1), 1_450_000_000),
        ("efficientnet_b0", (1, 1, 2), 1_538_000_000),
        ("efficientnet_b0", (1.4, 1.2, 1.3), 1_800_000_000),
    ],
)
def test_single_dimensions_of_the_efficientnet_paper(base: str, factors: tuple[float, ...], macs: int) -> None:
    assert round(cost(scale(model(base), *factors)).macs, -6) == macs


@pytest.mark.parametrize("size", ["large", "small"])
@pytest.mark.parametrize("factor", [0.5, 0.75, 1.25, 1.4])
def test_scaled_mobilenet_v3_is_the_released_one(size: Literal["large", "small"], factor: float) -> None:
    # Every width by the released rule, the hidden ones too: 72 * 1.25 = 90 is 88, not 3 * 32.
    scaled, released = scale(model(f"mobilenet_v3_{size}"), width=factor), mobilenet_v3(size, factor)
    assert scaled.stages == released.stages
    assert scaled.stem == released.stem
    assert all(row.out_shape[0] % 8 == 0 for row in layer_costs(scaled) if row.path.endswith("depthwise.conv"))
