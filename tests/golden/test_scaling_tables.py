"""Scaled families: widths, repeats and exact figures of every row of `efficientnet_scaling.csv`."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from naslab.arch import ArchSpec, cost
from naslab.zoo import model
from naslab.zoo.efficientnet import efficientnet
from naslab.zoo.efficientnet_v2 import efficientnet_v2
from naslab.zoo.mobilenet_v1 import conv_mobilenet, mobilenet_v1
from naslab.zoo.mobilenet_v2 import mobilenet_v2
from naslab.zoo.regnet import regnet
from naslab.zoo.resnet_rs import resnet_rs

with (Path(__file__).parent / "efficientnet_scaling.csv").open(encoding="utf-8") as file:
    ROWS = list(csv.DictReader(file))


def network(row: dict[str, str]) -> ArchSpec:
    """The network of a row, made by its family's constructor with the paper's parameters."""
    resolution = int(row["resolution"])
    name = row["model"]
    width, depth = float(row["width_coefficient"] or 1), float(row["depth_coefficient"] or 1)
    match row["family"]:
        case "EfficientNet":
            return efficientnet(width, depth, resolution=resolution)
        case "EfficientNetV2":
            size = name.split()[0].lower()
            return efficientnet_v2("b0" if size[0] == "b" else size, width, depth, resolution=resolution)  # type: ignore[arg-type]
        case "MobileNetV1":
            return (conv_mobilenet if "Conv" in name else mobilenet_v1)(width, resolution=resolution)
        case "MobileNetV2":
            return mobilenet_v2(width, resolution=resolution)
        case "ResNet-RS":
            return resnet_rs(int(name.split("-")[2].split("@")[0]), resolution=resolution)
        case "RegNetX" | "RegNetY":
            slope, initial, multiplier, depth, group = re.findall(r"=([\d.]+)", row["extra"])
            se_ratio = 0.25 if row["family"] == "RegNetY" else None
            return regnet(int(depth), int(initial), float(slope), float(multiplier), int(group), se_ratio, False)
    raise ValueError(row["family"])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['family']}-{row['model']}")
def test_figures(row: dict[str, str]) -> None:
    found = cost(network(row))
    assert (found.params, found.macs, found.activations) == tuple(
        int(row[key]) for key in ("params", "macs", "activations")
    )


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if row["stage_channels"] and row["family"] != "MobileNetV1"],
    ids=lambda row: f"{row['family']}-{row['model']}",
)
def test_widths_and_repeats(row: dict[str, str]) -> None:
    arch = network(row)
    assert [stage.width for stage in arch.stages] == list(map(int, row["stage_channels"].split("-")))
    assert [stage.repeats for stage in arch.stages] == list(map(int, row["stage_repeats"].split("-")))
    assert arch.stem[-1].width == int(row["stem_channels"])
    assert arch.head.width in (None, int(row["head_channels"] or 0))


def test_names_are_the_rows_at_their_own_resolution() -> None:
    rows = [row for row in ROWS if row["family"] == "EfficientNet" and row["model"] in {f"B{i}" for i in range(8)}]
    assert len(rows) == 8
    for row in rows:
        assert model(f"efficientnet_{row['model'].lower()}").stages == network(row).stages
