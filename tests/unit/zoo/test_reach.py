"""Depths are those in the networks' names, receptive fields those of published tables."""

from __future__ import annotations

import pytest

from naslab.arch import reach
from naslab.zoo import model, model_names

# Araujo et al. 2019, "Computing Receptive Fields of Convolutional Neural Networks", table 1.
FIELDS = {
    "alexnet": 195,
    "vgg16": 212,
    "mobilenet_v1": 315,
    "resnet50_v1": 483,
    "resnet101_v1": 1027,
    "resnet152_v1": 1507,
    "inception_v3": 1311,
    "inception_resnet_v2": 3039,
}
DEPTHS = {
    "lenet5": 5,
    "alexnet": 8,
    "vgg11": 11,
    "vgg16_c": 16,
    "vgg19": 19,
    "googlenet": 22,
    "resnet18": 18,
    "resnet50": 50,
    "resnet152": 152,
    "resnet110_cifar": 110,
    "plain56_cifar": 56,
    "preact_resnet1001_cifar": 1001,
    "se_resnet101": 101,
    "senet154": 154,
    "pyramidnet272_a200": 272,
    "densenet121": 121,
    "densenet_bc_100_12": 100,
}


@pytest.mark.parametrize("name", FIELDS)
def test_published_receptive_fields(name: str) -> None:
    assert reach(model(name)).field == (FIELDS[name], FIELDS[name])


@pytest.mark.parametrize("name", DEPTHS)
def test_depths_are_those_in_the_names(name: str) -> None:
    assert reach(model(name)).depth == DEPTHS[name]


@pytest.mark.slow
def test_every_network_has_a_reach() -> None:
    for name in model_names():
        found = reach(model(name))
        assert found.depth >= 5
        assert min(found.field) > 1
