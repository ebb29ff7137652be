"""Rates of a recipe on the layers of a built network, and nothing left of them afterwards."""

from __future__ import annotations

import msgspec
import pytest
import torch
from networks import conv_net, random_net
from torch import nn

from naslab.arch import ArchSpec, AuxiliaryHead, ConvBlock, Fractal, Head, ResidualBlock, Stage, StochasticDepth
from naslab.arch.build import build
from naslab.arch.modules import Residual
from naslab.study.recipe import Recipe
from naslab.training.regularise import DropBlock, classifier_of, last_blocks, regularised

IMAGES = torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def residual_net(**changes: object) -> ArchSpec:
    return conv_net(stages=(Stage(block=ResidualBlock(), width=8, repeats=3),), **changes)


def outputs(module: nn.Module) -> torch.Tensor:
    torch.manual_seed(0)
    return module.train()(IMAGES)


def test_stochastic_depth_is_that_of_an_architecture_with_the_rate():
    own = build(residual_net(stochastic_depth=StochasticDepth(rate=0.5)), 0)
    module = build(residual_net(), 0)
    with torch.random.fork_rng(), regularised(module, Recipe(stochastic_depth=0.5)):
        rates = [each.drop_rate for each in module.modules() if isinstance(each, Residual)]
        assert rates == pytest.approx([0.5 / 3, 1.0 / 3, 0.5])
        assert torch.equal(outputs(module), outputs(own))


@pytest.mark.parametrize("make", [random_net, residual_net, conv_net])
def test_everything_is_undone_at_the_end(make):
    module = build(make(), 0)
    before, names = repr(module), list(module.state_dict())
    recipe = Recipe(dropout=0.5, stochastic_depth=0.5, drop_connect=0.5, drop_block=0.5)
    with torch.random.fork_rng(), regularised(module, recipe) as regularisation:
        regularisation.before_step(1.0)
        assert list(module.state_dict()) == names
        assert not torch.equal(outputs(module), module(IMAGES))
    assert repr(module) == before
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in module.modules())


def test_evaluation_drops_nothing():
    module = build(random_net(), 0).eval()
    expected = module(IMAGES)
    recipe = Recipe(dropout=0.5, stochastic_depth=0.5, drop_connect=0.5, drop_block=0.5)
    with regularised(module, recipe) as regularisation:
        regularisation.before_step(1.0)
        assert torch.equal(module(IMAGES), expected)


def test_dropout_takes_the_rate_of_the_layers_that_there_are():
    module = build(conv_net(head=Head(dropout=0.3, hidden=(8,))), 0)
    with regularised(module, Recipe(dropout=0.6)):
        assert {each.p for each in module.modules() if isinstance(each, nn.Dropout)} == {0.6}
        assert not any(each._forward_pre_hooks for each in module.modules())
    assert {each.p for each in module.modules() if isinstance(each, nn.Dropout)} == {0.3}


@pytest.mark.parametrize("classifier", ["linear", "conv"])
def test_dropout_is_put_before_the_classifier_of_a_network_without(classifier):
    module = build(conv_net(head=Head(classifier=classifier)), 0)
    last = classifier_of(module)
    assert last is not None
    seen = []
    last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.random.fork_rng(), regularised(module, Recipe(dropout=0.75)):
        outputs(module)  # hooks run in order: the spy saw the input before it was dropped
        spied = seen.pop()
        last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        outputs(module)
    dropped = (seen[-1] == 0) & (spied != 0)
    share = float(dropped.sum() / (spied != 0).sum())
    assert 0.6 < share < 0.9  # 0.75 of more than 1,000 values; false alarm below 1e-9
    assert torch.allclose(seen[-1][seen[-1] != 0], 4 * spied[seen[-1] != 0])


def test_drop_connect_drops_weights_one_mask_a_step():
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 10, bias=False))
    nn.init.ones_(module[1].weight)
    same = torch.ones(3, 1, 8, 8)
    with torch.random.fork_rng(), regularised(module, Recipe(drop_connect=0.5)):
        torch.manual_seed(0)
        first, second = module(same), module(same)
    assert torch.equal(first[0], first[1])  # one mask for the batch
    assert not torch.equal(first, second)
    kept = first[0] / 2  # ones scaled by 1 / (1 - 0.5)
    assert 25 <= float(kept.detach().mean()) <= 39  # 32 +- 1.26; false alarm below 1e-7
    assert torch.equal(kept, kept.round())


def test_drop_block_drops_squares_and_grows():
    drop = DropBlock(0.4, 3)
    block = nn.Identity().train()
    maps = torch.ones(200, 4, 9, 9)
    assert drop(block, (), maps) is maps
    with torch.random.fork_rng():
        torch.manual_seed(0)
        shares = []
        for share in (0.25, 0.5, 1.0):
            drop.at(share)
            shares.append(float((drop(block, (), maps) == 0).float().mean()))
        dropped = drop(block, (), maps) == 0
    assert drop.rate == 0.4
    assert shares == sorted(shares)
    assert 0.2 < shares[-1] < 0.45  # squares overlap
    whole = dropped.float().unfold(2, 3, 1).unfold(3, 3, 1).amin((4, 5))  # the 3 x 3 windows dropped as a whole
    covered = torch.nn.functional.max_pool2d(torch.nn.functional.pad(whole, (2, 2, 2, 2)), 3, 1)
    assert torch.equal(covered > 0, dropped)


def test_drop_block_fits_small_and_even_maps():
    drop = DropBlock(0.5, 7)
    drop.at(1.0)
    with torch.random.fork_rng():
        for side in (1, 2, 4, 6, 8):
            assert drop(nn.Identity().train(), (), torch.ones(2, 1, side, side + 1)).shape == (2, 1, side, side + 1)
    assert drop(nn.Identity().train(), (), torch.ones(2, 5)).shape == (2, 5)


def test_drop_block_is_behind_the_blocks_of_the_last_two_stages():
    stages = tuple(Stage(block=ConvBlock(), width=8, repeats=repeats) for repeats in (2, 3, 1))
    module = build(conv_net(stages=stages), 0)
    assert len(last_blocks(module)) == 4
    assert last_blocks(nn.Flatten()) == []


def test_a_graph_that_averages_drops_its_branches():
    arch = conv_net(stages=(Stage(block=Fractal(columns=2), width=8),))
    module = build(arch, 0)
    plain = repr(module)
    with torch.random.fork_rng(), regularised(module, Recipe(stochastic_depth=0.5)):
        assert "drop_rate=0.5" in repr(module)
        assert not torch.equal(outputs(module), module(IMAGES))
    assert repr(module) == plain


def test_auxiliary_heads_keep_their_own_dropout():
    arch = conv_net(auxiliary=(AuxiliaryHead(after=0, head=Head(dropout=0.7)),))
    module = build(arch, 0, auxiliary=True)
    with regularised(module, Recipe(dropout=0.2, drop_connect=0.1)):
        heads = list(module.auxiliary.modules())
        assert [each.p for each in heads if isinstance(each, nn.Dropout)] == [0.7]
        assert not any(each._forward_hooks or each._forward_pre_hooks for each in heads)
        assert classifier_of(module) not in heads


def test_a_rate_is_part_of_the_recipe_alone():
    assert msgspec.json.encode(Recipe(dropout=0.2)) == b'{"dropout":0.2}'
