"""What is wrong with a paper's parameters or an input is said in the paper's words."""

from __future__ import annotations

import pytest

from naslab.arch import cost
from naslab.arch.build import build
from naslab.errors import SpecError
from naslab.zoo import model
from naslab.zoo.densenet import densenet, densenet_imagenet
from naslab.zoo.fractalnet import fractalnet
from naslab.zoo.nasnet import cell
from naslab.zoo.nfnet import nfnet
from naslab.zoo.shufflenet import shufflenet
from naslab.zoo.shufflenet_v2 import shufflenet_v2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: densenet(growth=12, depth=41), "depth: must be 3n + 4 with n at least 1, got 41"),
        (lambda: densenet(growth=12, depth=40, compression=1.5), "compression: must be above 0 and at most 1, got 1.5"),
        (lambda: densenet(growth=0, depth=40), "growth: must be at least 1, got 0"),
        (lambda: densenet_imagenet(122), "depth: must be one of 121, 169, 201, 161, got 122"),
        (lambda: fractalnet(0), "columns: must be 1 to 8, got 0"),
        (lambda: fractalnet(3, widths=(8,)), "dropout: must be one rate a block, 1, got 5"),
        (lambda: shufflenet(groups=5), "groups: must be one of 1, 2, 3, 4, 8, got 5"),
        (lambda: shufflenet_v2(1.25), "width: must be one of 0.5, 1.0, 1.5, 2.0, got 1.25"),
        (lambda: nfnet(7), "variant: must be 0 to 6, got 7"),
        (
            lambda: cell(("identity", 0, "identity", 2), outputs=(2,)),
            "pairs[0].right.state: pair 0 reads state 2, but only states 0 to 1 come before it",
        ),
    ],
)
def test_parameters(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(SpecError) as error:
        make()
    assert str(error.value) == message


VANISHED = "the input is too small for the strides before it"


@pytest.mark.parametrize(
    ("name", "resolution", "message"),
    [
        ("inception_v3", 60, f"stages[8].branch0.1.conv: a 3 x 3 window does not fit a map of 2 x 2; {VANISHED}"),
        ("densenet121", 8, f"stages[3].pool: a 2 x 2 window does not fit a map of 1 x 1; {VANISHED}"),
        ("fractalnet20", 16, f"stages[9]: a 2 x 2 window does not fit a map of 1 x 1; {VANISHED}"),
        ("nasnet_a_mobile", 2, f"stem[0].conv: a 3 x 3 window does not fit a map of 2 x 2; {VANISHED}"),
    ],
)
def test_the_layer_where_a_small_input_vanished(name: str, resolution: int, message: str) -> None:
    with pytest.raises(SpecError) as error:
        cost(model(name, resolution=resolution))
    assert str(error.value) == message


def test_an_auxiliary_head_says_where_it_does_not_fit() -> None:
    with pytest.raises(SpecError) as error:
        build(model("googlenet", resolution=32), auxiliary=True)
    rule = f"a 5 x 5 window does not fit a map of 2 x 2; {VANISHED}"
    assert str(error.value) == f"auxiliary[0].stages[0]: {rule}"
