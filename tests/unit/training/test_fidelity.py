"""What a fidelity makes of a network and of its training images."""

from __future__ import annotations

import pytest
import torch
from networks import conv_net

from naslab.arch import cost
from naslab.errors import DataError
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import Fidelity
from naslab.training.data import load_dataset
from naslab.training.fidelity import arch_at, data_at


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        return load_dataset(DataChoice(name="digits"))


def test_the_problems_own_fidelity_changes_nothing(digits):
    assert arch_at(conv_net(), Fidelity(epochs=5)) == conv_net()
    assert data_at(digits, Fidelity(), 0) is digits
    assert data_at(digits, Fidelity(images=10**6), 0) is digits


def test_a_subset_is_seeded_and_in_proportion(digits):
    subset = data_at(digits, Fidelity(images=100), 7)
    assert len(subset.train) == 100
    shares = torch.bincount(digits.train.labels) / len(digits.train) * 100
    assert ((torch.bincount(subset.train.labels) - shares).abs() < 1).all()
    assert subset.validation is digits.validation
    assert torch.equal(data_at(digits, Fidelity(images=100), 7).train.pixels, subset.train.pixels)
    assert not torch.equal(data_at(digits, Fidelity(images=100), 8).train.pixels, subset.train.pixels)


def test_fewer_images_than_classes_are_refused(digits):
    with pytest.raises(DataError, match="one for each of 10 classes, got 9"):
        data_at(digits, Fidelity(images=9), 0)


def test_width_and_resolution_make_a_cheaper_network():
    whole = conv_net()
    small = arch_at(whole, Fidelity(width=0.5, resolution=(6, 6)))
    assert small.input == (1, 6, 6)
    assert cost(small).params < cost(whole).params
    assert cost(small).macs < cost(whole).macs
