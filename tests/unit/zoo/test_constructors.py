"""The families' own constructors: the paper's parameters, other inputs and classes, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from naslab.arch import ArchSpec, Bottleneck, PreactResidual, cost
from naslab.errors import NaslabError
from naslab.zoo import model
from naslab.zoo.efficientnet import efficientnet
from naslab.zoo.efficientnet_v2 import efficientnet_v2
from naslab.zoo.lenet import lenet5
from naslab.zoo.mobilenet_v1 import mobilenet_v1
from naslab.zoo.mobilenet_v2 import mobilenet_v2
from naslab.zoo.mobilenet_v3 import mobilenet_v3
from naslab.zoo.preact_resnet import preact_resnet, preact_resnet_cifar
from naslab.zoo.pyramidnet import pyramidnet
from naslab.zoo.regnet import regnet
from naslab.zoo.resnet import resnet, resnet_cifar
from naslab.zoo.resnet_rs import resnet_rs
from naslab.zoo.resnext import resnext, resnext_cifar
from naslab.zoo.senet import se_resnet
from naslab.zoo.squeezenet import squeezenet
from naslab.zoo.stochastic_depth import stochastic_depth_resnet
from naslab.zoo.vgg import vgg
from naslab.zoo.wide_resnet import wide_resnet


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: resnet(19), "depth: must be one of 18, 34, 50, 101, 152, got 19"),
        (lambda: resnet_cifar(21), "depth: must be 6n + 2 with n at least 1, got 21"),
        (lambda: preact_resnet(34), "depth: must be one of 50, 101, 152, 200, got 34"),
        (
            lambda: preact_resnet_cifar(165),
            "depth: must be 6n + 2 (basic blocks, below 164) or 9n + 2 (bottlenecks), got 165",
        ),
        (lambda: wide_resnet(27, 10), "depth: must be 6n + 4 with n at least 1, got 27"),
        (lambda: pyramidnet(111, 48), "depth: must be 6n + 2 with n at least 1, got 111"),
        (lambda: pyramidnet(110, 0), "alpha: must be at least 1, got 0"),
        (lambda: resnext(34), "depth: must be that of a bottleneck network, at least 50, got 34"),
        (lambda: resnext_cifar(30), "depth: must be 9n + 2 with n at least 1, got 30"),
        (lambda: se_resnet(18), "depth: must be that of a bottleneck network, at least 50, got 18"),
        (lambda: resnet_rs(51), "depth: must be one of 50, 101, 152, 200, 270, 350, 420, got 51"),
        (lambda: regnet(10, 20, 8.0, 2.5, 8), "initial_width: must be a multiple of 8, got 20"),
        (lambda: regnet(10, 24, 8.0, 1.0, 8), "multiplier: must be above 1, got 1.0"),
        (lambda: mobilenet_v1(0), "width: must be above 0, got 0.0"),
        (lambda: vgg("F"), "unknown VGG column 'F' (known: A, A-LRN, B, C, D, E)"),
        (lambda: squeezenet("1.2"), "unknown SqueezeNet version '1.2' (did you mean '1.1' or '1.0'?)"),  # type: ignore[arg-type]
        (lambda: mobilenet_v3("tiny"), "unknown MobileNetV3 size 'tiny' (known: large, small)"),  # type: ignore[arg-type]
        (lambda: efficientnet_v2("q"), "unknown EfficientNetV2 size 'q' (known: b0, l, m, s, xl)"),  # type: ignore[arg-type]
    ],
)
def test_refused_parameters(make: Callable[[], ArchSpec], message: str) -> None:
    with pytest.raises(NaslabError) as error:
        make()
    assert str(error.value) == message


def test_lenet_is_the_network_of_61706_parameters() -> None:
    assert cost(lenet5()).params == cost(model("lenet5")).params == 61_706


@pytest.mark.parametrize(
    "make",
    [
        lambda: resnet(26 + 24, num_classes=7, resolution=(97, 64), in_channels=4),
        lambda: wide_resnet(10, 1.5, dropout=0.3, num_classes=7, resolution=(97, 64), in_channels=4),
        lambda: mobilenet_v2(0.35, num_classes=7, resolution=(97, 64), in_channels=4),
        lambda: mobilenet_v3("small", 0.75, num_classes=7, resolution=(97, 64), in_channels=4),
        lambda: efficientnet(0.5, 0.5, num_classes=7, resolution=(97, 64), in_channels=4),
        lambda: vgg("A", True, num_classes=7, resolution=(97, 64), in_channels=4),
    ],
)
def test_any_input_and_classes(make: Callable[[], ArchSpec]) -> None:
    arch = make()
    assert (arch.input, arch.num_classes) == ((4, 97, 64), 7)
    assert cost(arch).params > 0


def test_dropout_stands_in_every_wide_block() -> None:
    blocks = {stage.block for stage in wide_resnet(16, 4, dropout=0.3).stages}
    assert blocks == {PreactResidual(dropout=0.3)}


def test_both_rules_of_stochastic_depth_cost_the_same() -> None:
    linear, uniform = (stochastic_depth_resnet(20, 0.5, rule) for rule in ("linear", "uniform"))  # type: ignore[arg-type]
    assert linear != uniform
    assert cost(linear) == cost(uniform) == cost(resnet_cifar(20))


def test_resnext_doubles_its_groups() -> None:
    assert {stage.block for stage in resnext(50, 64, 4).stages} == {Bottleneck(ratio=1.0, groups=64)}


def test_pyramids_grow_by_the_number_of_the_block() -> None:
    widths = [stage.width for stage in pyramidnet(20, 10).stages]
    assert widths == [16 + k * 10 // 9 for k in range(1, 10)]
