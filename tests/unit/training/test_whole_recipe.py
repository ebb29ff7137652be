"""Every part of a recipe in one training: it learns, repeats itself, and goes on from a checkpoint bit by bit."""

from __future__ import annotations

import random

import msgspec
import pytest
import torch
from networks import conv_net

from naslab.arch import ArchSpec, AuxiliaryHead, MBConv, ResidualBlock, Stage
from naslab.arch.build import build
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import Fidelity
from naslab.study.recipe import Recipe
from naslab.training.checkpoint import Checkpoint, Origin
from naslab.training.data import ImageSet, load_dataset
from naslab.training.fidelity import with_heads
from naslab.training.loop import train

COLOURS = Recipe(
    batch_size=40,
    learning_rate=0.05,
    l1=1e-5,
    l2=1e-4,
    dropout=0.2,
    stochastic_depth=0.2,
    drop_connect=0.2,
    drop_block=0.1,
    drop_block_size=3,
    crop_padding=1,
    rand_augment=2,
    rand_augment_magnitude=3,
    brightness=0.2,
    contrast=0.2,
    cutout=2,
    mixup=0.2,
    cutmix=0.5,
    label_smoothing=0.1,
    ema_decay=0.9,
    ema_warmup=True,
    clip_norm=1.0,
    clip_ratio=0.1,
    stop_patience=3,
    schedule="exponential",
    step_factor=0.9,
)
PAPER = Recipe(
    optimizer="rmsprop",
    learning_rate=0.01,
    batch_size=40,
    schedule="exponential",
    step_every=2.4 / 350,
    step_factor=0.97,
    dropout=0.2,
    stochastic_depth=0.2,
    auto_augment="svhn",
    ema_decay=0.9999,
    ema_warmup=True,
)
RECIPES = {"everything": COLOURS, "efficientnet": PAPER}


def net() -> ArchSpec:
    stages = (Stage(block=MBConv(expansion=2), width=8, repeats=2), Stage(block=ResidualBlock(), width=16, stride=2))
    return conv_net(stages=stages, auxiliary=(AuxiliaryHead(after=0),))


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        digits = load_dataset(DataChoice(name="digits"))
    train, validation = digits.train, digits.validation
    return digits._replace(
        train=ImageSet(train.pixels[:120], train.labels[:120]),
        validation=ImageSet(validation.pixels[:60], validation.labels[:60]),
    )


def trained(few, recipe, epochs, start=None, schedule_epochs=None):
    """The curve without its times, the weights, and the checkpoint that is left."""
    arch, kept = net(), []

    def keep(progress, tensors):
        kept.append(Checkpoint(Origin(arch, Fidelity(epochs=epochs), 3), progress, tensors))

    module = with_heads(build(arch, 3), arch, 3)
    curve = train(
        module, few, recipe, epochs, size=(8, 8), seed=3, start=start, keep=keep, schedule_epochs=schedule_epochs
    )
    timeless = [msgspec.structs.replace(epoch, wall_seconds=0.0) for epoch in curve]
    return timeless, {name: value.clone() for name, value in module.state_dict().items()}, kept[0]


def assert_same(first, second):
    assert first[0] == second[0]
    assert first[1].keys() == second[1].keys()
    assert all(torch.equal(value, second[1][name]) for name, value in first[1].items())


@pytest.mark.parametrize("name", RECIPES)
def test_it_repeats_itself_bit_by_bit_whatever_ran_before(few, name):
    first = trained(few, RECIPES[name], 2)
    torch.manual_seed(99)
    random.seed(99)
    train(build(conv_net(), 1), few, Recipe(auto_augment="svhn", dropout=0.5), 1, size=(8, 8))
    torch.randn(7)
    assert_same(first, trained(few, RECIPES[name], 2))


@pytest.mark.parametrize("name", RECIPES)
def test_it_goes_on_from_a_checkpoint_bit_by_bit(few, name):
    whole = trained(few, RECIPES[name], 3)
    begun = trained(few, RECIPES[name], 1, schedule_epochs=3)
    assert_same(whole, trained(few, RECIPES[name], 3, start=begun[2]))


def test_it_learns(few):
    curve, _, _ = trained(few, msgspec.structs.replace(COLOURS, batch_size=20), 4)
    assert curve[-1].train_loss < curve[0].train_loss


@pytest.mark.slow
def test_a_network_is_compiled_once_and_gives_the_same_numbers(few, monkeypatch):
    """Traced without a compiler behind it; running statistics change their momentum in each of the first nine steps."""
    counters = torch._dynamo.utils.counters
    counters.clear()
    traced = torch.compile
    monkeypatch.setattr(torch, "compile", lambda module: traced(module, backend="eager"))
    recipe = Recipe(batch_size=10, stochastic_depth=0.2, drop_connect=0.2, ema_decay=0.9)
    plain = trained(few, recipe, 2)
    assert_same(plain, trained(few, msgspec.structs.replace(recipe, compile="on"), 2))
    assert counters["stats"]["unique_graphs"] == 1
    counters.clear()


@pytest.mark.slow
def test_each_part_changes_the_training(few):
    """A part that is set and does nothing would be found here."""
    plain = Recipe(batch_size=40, learning_rate=0.05, ema_decay=0.9)
    curves = [trained(few, plain, 1)[0]]
    changes = {
        "l1": 0.01,
        "l2": 0.01,
        "dropout": 0.5,
        "stochastic_depth": 0.5,
        "drop_connect": 0.5,
        "drop_block": 0.5,
        "auto_augment": "svhn",
        "rand_augment": 2,
        "brightness": 0.5,
        "contrast": 0.5,
        "ema_warmup": True,
        "schedule": "exponential",
        "cutout": 3,
        "mixup": 0.2,
        "cutmix": 0.5,
        "label_smoothing": 0.2,
        "crop_padding": 1,
        "resized_crop": 0.5,
        "horizontal_flip": True,
        "clip_norm": 0.1,
        "clip_ratio": 0.01,
        "weight_decay": 0.1,
        "nesterov": False,
        "momentum": 0.5,
    }
    for name, value in changes.items():
        curves.append(trained(few, msgspec.structs.replace(plain, **{name: value}), 1)[0])
        assert curves[-1] not in curves[:-1], name


@pytest.mark.parametrize(
    ("base", "changes"),
    [
        ({"rand_augment": 2}, {"rand_augment_magnitude": 20}),
        ({"drop_block": 0.5}, {"drop_block_size": 1}),
        ({"schedule": "step"}, {"step_factor": 0.5}),
        ({"schedule": "cosine"}, {"warmup_epochs": 0.5}),
    ],
)
def test_each_number_of_a_part_changes_it(few, base, changes):
    plain = Recipe(batch_size=40, learning_rate=0.05, **base)
    seen = [trained(few, recipe, 3)[0] for recipe in (plain, msgspec.structs.replace(plain, **changes))]
    assert seen[0] != seen[1]


@pytest.mark.parametrize("part", ["saturation", "hue"])
def test_colours_change_where_there_are_some(few, part):
    pixels = few.train.pixels
    coloured = few._replace(
        train=ImageSet(torch.cat([pixels, 16 - pixels, pixels // 2], 3), few.train.labels),
        validation=ImageSet(few.validation.pixels.expand(-1, -1, -1, 3), few.validation.labels),
        mean=few.mean.expand(3),
        deviation=few.deviation.expand(3),
    )
    arch = conv_net(input=(3, 8, 8))
    losses = [
        train(build(arch, 0), coloured, Recipe(batch_size=40, **changes), 1, size=(8, 8))[0].train_loss
        for changes in ({}, {part: 0.5})
    ]
    assert losses[0] != losses[1]
