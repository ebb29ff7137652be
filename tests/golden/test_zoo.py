"""Every network of the zoo equals what was published or released of it, to the last parameter."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from naslab.arch import cost, decode_arch, encode, layer_costs
from naslab.arch.files import load_arch, save_arch
from naslab.errors import SpecError, UnknownNameError
from naslab.zoo import model, model_names, zoo_entries

HERE = Path(__file__).parent


def rows_of(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


REFERENCE = rows_of("zoo.csv")


@pytest.mark.parametrize("row", REFERENCE, ids=lambda row: row["name"])
def test_figures_are_the_reference_integers(row: dict[str, str]) -> None:
    found = cost(model(row["name"], int(row["num_classes"]), int(row["resolution"])))
    expected = {key: int(row[key]) for key in ("params", "macs", "activations") if row[key]}
    assert {key: getattr(found, key) for key in expected} == expected
    assert found.params > 0


@pytest.mark.parametrize("row", REFERENCE, ids=lambda row: row["name"])
def test_defaults_are_the_published_input_and_classes(row: dict[str, str]) -> None:
    arch = model(row["name"])
    resolution = int(row["resolution"])
    assert (arch.input, arch.num_classes) == ((3, resolution, resolution), int(row["num_classes"]))


# Millions of parameters that papers and model cards print, for rows of the reference without figures that torchvision
# lacks (what it has is compared to the last parameter, in tests/golden/test_torchvision.py).
PRINTED_MILLIONS = {
    "resnet152_v1": 60.2,
    "resnet44_cifar": 0.66,
    "resnet1202_cifar": 19.4,
    "plain56_cifar": 0.85,
    "preact_resnet152": 60.2,
    "preact_resnet1001_cifar": 10.2,
    "wrn_22_8": 17.2,
    "wrn_16_4": 2.7,
    "resnext29_16x64d": 68.1,
    "pyramidnet110_a84": 3.8,
    "pyramidnet272_a200": 26.0,
    "se_resnet101": 49.3,
    "se_resnext101_32x4d": 49.0,
    "efficientnet_v2_b2": 10.1,
    "resnet_rs_152": 86.6,
    "resnet_rs_270": 129.9,
}


@pytest.mark.parametrize("name", PRINTED_MILLIONS)
def test_rows_without_figures_have_the_printed_size(name: str) -> None:
    # 2 % is half a digit of what is printed, and what the CIFAR papers' shortcuts differ by.
    assert cost(model(name)).params / 1e6 == pytest.approx(PRINTED_MILLIONS[name], rel=0.02)


@pytest.mark.parametrize("name", model_names())
def test_files_hold_a_network_without_loss(name: str, tmp_path: Path) -> None:
    arch = model(name)
    assert decode_arch(encode(arch)) == arch
    if len(arch.stages) < 40:  # PyYAML takes long over hundreds of stages
        save_arch(arch, tmp_path / "arch.yaml")
        assert load_arch(tmp_path / "arch.yaml") == arch


@pytest.mark.parametrize("name", model_names())
def test_other_inputs_and_classes(name: str) -> None:
    wide = cost(model(name, num_classes=7, in_channels=5))
    assert wide.params != cost(model(name)).params


def test_entries_name_papers_and_sources() -> None:
    for entry in zoo_entries().values():
        assert entry.paper.title
        assert 1998 <= entry.paper.year <= 2022
        if entry.published is not None:
            assert 40 < entry.published.top1 < 98
            assert entry.published.source
            assert set(re.findall(r"\d{4}\.\d{5}", entry.published.source)) <= {entry.paper.arxiv}


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown model 'resnet5' \(did you mean .*'resnet50'"):
        model("resnet5")


@pytest.mark.parametrize(
    ("name", "resolution", "message"),
    [
        ("vgg16", 16, "stages[17]: a 2 x 2 window does not fit a map of 1 x 1"),
        ("alexnet_2012", 40, "stages[9]: a 3 x 3 window does not fit a map of 1 x 1"),
        ("lenet5", 12, "stages[2].conv: a 5 x 5 window does not fit a map of 4 x 4"),
        ("squeezenet1_0", 8, "stem[1]: a 3 x 3 window does not fit a map of 1 x 1"),
        ("convnext_tiny", 16, "stages[5].conv: a 2 x 2 window does not fit a map of 1 x 1"),
    ],
)
def test_too_small_an_input_says_where_it_vanished(name: str, resolution: int, message: str) -> None:
    with pytest.raises(SpecError) as error:
        cost(model(name, resolution=resolution))
    assert str(error.value) == f"{message}; the input is too small for the strides before it"


LAYERS = rows_of("per_layer_vgg16_alexnet.csv")
WITHOUT_LAYER = ("INPUT", "TOTAL")


@pytest.mark.parametrize(
    ("table", "name", "resolution"),
    [("VGG-16", "vgg16", 224), ("AlexNet (2 towers, groups=2 in conv2/4/5)", "alexnet_2012", 227)],
)
def test_layer_by_layer(table: str, name: str, resolution: int) -> None:
    published = [row for row in LAYERS if row["model"] == table and row["layer"] not in WITHOUT_LAYER]
    counted = ("Conv", "Pool", "LocalResponseNorm", "Linear")
    found = [row for row in layer_costs(model(name, resolution=resolution)) if row.kind in counted]
    if name == "alexnet_2012":  # the table normalises behind the pooling, the paper before it
        published = [row for row in published if not row["layer"].startswith("NORM")]
        found = [row for row in found if row.kind != "LocalResponseNorm"]
    assert [(row.out_shape, row.params, row.macs) for row in found] == [
        (
            (int(row["output_C"]), int(row["output_H"]), int(row["output_W"])),
            int(row["params_with_bias"]),
            int(row["macs"]),
        )
        for row in published
    ]
