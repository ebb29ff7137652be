"""Figures of the networks that are no chain, beyond those that hold for the whole zoo."""

from __future__ import annotations

import msgspec
import pytest
import torch
from torchvision import models

from naslab.arch import BranchWidths, Context, Inception, cost, layer_costs, lower
from naslab.arch.build import module_of
from naslab.arch.tally import tally
from naslab.zoo import model, zoo_entry
from naslab.zoo.densenet import densenet
from naslab.zoo.fractalnet import fractalnet
from naslab.zoo.nasnet import nasnet_a

INPUT = (256, 28, 28)


@pytest.mark.parametrize(
    ("cell", "macs", "width"),
    [
        (Inception(naive=True, widths=BranchWidths(one=128, three=192, five=96)), 854_196_224, 672),
        (
            Inception(
                widths=BranchWidths(one=128, three=192, five=96, pool=64, reduce_three=64, reduce_five=64),
            ),
            271_351_808,
            480,
        ),
    ],
    ids=["naive", "reduced"],
)
def test_inception_modules_of_the_lectures(cell: Inception, macs: int, width: int) -> None:
    counted = tally(cell.lower(INPUT, None, 1, Context(norm=None)), INPUT)
    assert (counted.macs, counted.out_shape) == (macs, (width, 28, 28))


# Parameters that the papers or released code state for rows that the reference table holds without figures.
@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("inception_resnet_v2", 55.843464),  # the released network, to the last parameter
        ("densenet169", 14.149480),  # torchvision, to the last parameter
        ("densenet_bc_250_24", 15.3),
        ("densenet_100_12", 7.0),
        ("shufflenet_v2_x2_0", 7.393996),  # torchvision, to the last parameter
        ("nfnet_f2", 193.8),
        ("nfnet_f5", 377.2),
    ],
)
def test_rows_without_figures(name: str, millions: float) -> None:
    digits = len(str(millions).partition(".")[2])
    assert round(cost(model(name)).params / 1e6, digits) == millions


@pytest.mark.parametrize(
    ("name", "resolution", "billions"),
    # Table 1 of arXiv 1802.01548 and tables 2 and 3 of 1707.07012; shufflenet: table 2 of 1707.01083.
    [
        ("nasnet_a_mobile", 224, 0.564),
        ("nasnet_a_large", 331, 23.8),
        ("amoebanet_a_n6_f190", 331, 23.1),
        ("shufflenet_x1_0_g3", 224, 0.137),
        ("nfnet_f1", 224, 17.44),
    ],
)
def test_printed_multiply_accumulates(name: str, resolution: int, billions: float) -> None:
    assert cost(model(name, resolution=resolution)).macs / 1e9 == pytest.approx(billions, rel=0.01)


@pytest.mark.parametrize(("name", "macs"), [("nasnet_a_mobile", 563_638_816), ("nasnet_a_large", 23_783_414_658)])
def test_reductions_of_nasnet_compute_no_row_too_many(name: str, macs: int) -> None:
    """The large network has one reduction of even sides, 42 to 21, and in it five separable convolutions of 336."""
    large = 23_809_955_634  # as counted with a map of 22 x 22 that is cropped
    assert cost(model(name)).macs == macs
    assert large - (22**2 - 21**2) * 336 * (5 * 336 + 25 + 49 + 49 + 25 + 9) == 23_783_414_658


# The table of the released networks, billions at the size that they were tested at.
NFNET_BILLIONS = (12.38, 35.54, 62.59, 114.76, 215.24, 289.76, 377.28)


@pytest.mark.parametrize(("variant", "billions"), list(enumerate(NFNET_BILLIONS)))
def test_nfnet_costs_what_its_release_prints(variant: int, billions: float) -> None:
    entry = zoo_entry(f"nfnet_f{variant}")
    assert entry.published is not None
    assert round(cost(model(entry.name, resolution=entry.published.resolution)).macs / 1e9, 2) == billions


def test_auxiliary_head_of_inception_v3_is_torchvisions() -> None:
    with torch.device("meta"):
        ours = module_of(lower(model("inception_v3"), auxiliary=True))
        theirs = models.inception_v3(init_weights=False)
    heads = [sum(each.numel() for each in part.parameters()) for part in (ours.auxiliary, theirs.AuxLogits)]
    assert heads[0] == heads[1] == 3_326_696
    assert sum(each.numel() for each in ours.parameters()) == 27_161_264


def test_auxiliary_heads_of_googlenet_are_the_papers() -> None:
    """Section 5: 4 x 4 positions of 128 filters on 512 and 528 channels, 1024 hidden units, 1000 classes."""
    with torch.device("meta"):
        network = module_of(lower(model("googlenet"), auxiliary=True))
    for head, channels in zip(network.auxiliary.values(), (512, 528), strict=True):
        expected = (channels + 1) * 128 + (4 * 4 * 128 + 1) * 1024 + 1025 * 1000
        assert sum(each.numel() for each in head.parameters()) == expected


def test_auxiliary_heads_are_no_part_of_the_cost() -> None:
    arch = model("inception_v3")
    assert cost(msgspec.structs.replace(arch, auxiliary=())) == cost(arch)


def test_depths_of_the_fractal_are_the_papers() -> None:
    """f_C has 2^(C-1) layers on its longest path and 2^C - 1 convolutions (section 2)."""
    for columns in (1, 2, 3, 4):
        arch = fractalnet(columns, widths=(8,), dropout=(0.0,))
        rows = [row for row in layer_costs(arch) if row.kind == "Conv"]
        assert len(rows) == 2**columns - 1
        assert len({row.path for row in rows if f"column{columns}_" in row.path}) == 2 ** (columns - 1)


def test_densenet_constructors_take_the_papers_parameters() -> None:
    assert cost(densenet(growth=12, depth=100, compression=0.5)) == cost(model("densenet_bc_100_12"))
    assert cost(densenet(growth=12, depth=40)) == cost(model("densenet_40_12"))


def test_nasnet_skips_a_reduction_at_no_other_cost() -> None:
    """The cell behind a reduction reads one map or its neighbour, of the same shape."""
    near, far = (nasnet_a(6, 4032, stem=96, skips_reduction=skips, resolution=331) for skips in (False, True))
    plain, skipping = cost(near), cost(far)
    assert (plain.params, plain.macs, plain.activations) == (skipping.params, skipping.macs, skipping.activations)
