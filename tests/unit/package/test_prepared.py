"""Networks that take images as they are: the same logits as the training's own normalisation, the same weights."""

from __future__ import annotations

import types

import pytest
import torch
from networks import cell_net, conv_net

from naslab.arch.build import build
from naslab.package.facts import Facts, Preprocessing
from naslab.package.folder import source_of
from naslab.package.prepared import packaged_module, prepared
from naslab.training.augment import Normaliser
from naslab.training.data import DataSplit

COLOURED = Preprocessing(height=40, width=36, channels=3, mean=(100.1, 110.2, 120.3), deviation=(50.5, 60.25, 70.125))


def pixels(preprocessing=COLOURED, count=3):
    draw = torch.Generator().manual_seed(0)
    size = (count, preprocessing.height, preprocessing.width, preprocessing.channels)
    return torch.randint(0, 256, size, generator=draw, dtype=torch.uint8)


def normaliser(size, preprocessing=COLOURED):
    given = (torch.tensor(preprocessing.mean), torch.tensor(preprocessing.deviation))
    return Normaliser(DataSplit(None, None, 2, *given), size)


@pytest.mark.parametrize("size", [(40, 36), (32, 32), (64, 64), (32, 48)])
def test_it_normalises_to_the_last_bit_as_the_training_does(size):
    layer = prepared(torch.nn.Sequential(), COLOURED, size)
    images = pixels()
    expected = normaliser(size)(images)
    given = images.permute(0, 3, 1, 2)
    assert torch.equal(layer(given), expected)
    assert torch.equal(layer(given.float()), expected)


NETWORKS = {
    "a sequence": conv_net(input=(3, 32, 32)),
    "cells that read the image": cell_net(input=(3, 32, 32)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_keep_their_names_and_logits_their_values(name):
    arch = NETWORKS[name]
    bare = build(arch, seed=1).eval()
    whole = packaged_module(arch, COLOURED).eval()
    whole.load_state_dict(bare.state_dict())
    with torch.inference_mode():
        expected = bare(normaliser((32, 32))(pixels()))
        assert torch.equal(whole(pixels().permute(0, 3, 1, 2)), expected)
        assert not torch.equal(bare(pixels().permute(0, 3, 1, 2).float().clamp(max=1)), expected)


def test_images_of_other_channels_are_refused():
    with pytest.raises(ValueError, match="must have 3 channels, got 1"):
        packaged_module(conv_net(input=(3, 32, 32)), COLOURED)(torch.zeros(1, 1, 40, 36))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("is_bare", [True, False])
def test_the_python_file_makes_the_same_network(name, is_bare):
    arch = NETWORKS[name]
    names = tuple(f'the "{index}"\\' for index in range(arch.num_classes))
    facts = Facts(name=name, arch=arch, preprocessing=COLOURED, class_names=names)
    module = types.ModuleType("taken_home")
    exec(compile(source_of(arch, facts, "A network.", is_bare), "network.py", "exec"), module.__dict__)
    assert names == module.CLASS_NAMES
    made = module.network().eval()
    own = packaged_module(arch, COLOURED, is_bare).eval()
    made.load_state_dict(own.state_dict())
    images = pixels().permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        assert torch.equal(made(images), own(images))
    if not is_bare:
        with pytest.raises(ValueError, match="images must have 3 channels, got 1"):
            made(images[:, :1])


def test_a_network_without_data_stays_bare():
    assert [*dict(packaged_module(conv_net(), None).named_children())] == [*dict(build(conv_net()).named_children())]
