"""The training loop: it learns, repeats itself bit by bit, and stops where it must."""

from __future__ import annotations

import math

import msgspec
import pytest
import torch
from networks import conv_net, random_net
from torch import nn

from naslab.arch import NormStyle
from naslab.arch.build import build
from naslab.errors import DivergedError, TimedOutError
from naslab.study.data_choice import DataChoice
from naslab.study.recipe import Recipe, default_recipe, named_recipe
from naslab.training.augment import Normaliser
from naslab.training.data import DataSplit, ImageSet, load_dataset
from naslab.training.loop import Clock, accuracy_sem, evaluate, train

EVERYTHING = Recipe(
    batch_size=64,
    crop_padding=1,
    horizontal_flip=True,
    cutout=2,
    mixup=0.2,
    cutmix=0.5,
    label_smoothing=0.1,
    ema_decay=0.9,
    clip_norm=1.0,
    clip_ratio=0.1,
)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        return load_dataset(DataChoice(name="digits"))


@pytest.fixture(scope="module")
def few(digits):
    """The digits' first 200 training images."""
    return digits._replace(train=ImageSet(*(part[:200] for part in digits.train)))


def numbers(arch, data, recipe, epochs=2, seed=0):
    """All that a training gives, but for the times."""
    module = build(arch, seed)
    curve = train(module, data, recipe, epochs, size=arch.input[1:], seed=seed)
    timeless = [msgspec.structs.replace(epoch, wall_seconds=0.0) for epoch in curve]
    return timeless, {name: value.clone() for name, value in module.state_dict().items()}


def assert_same(first, second):
    assert first[0] == second[0]
    assert first[1].keys() == second[1].keys()
    assert all(torch.equal(value, second[1][name]) for name, value in first[1].items())


def test_two_epochs_of_the_default_recipe_learn_the_digits(digits):
    curve, _ = numbers(conv_net(), digits, default_recipe("digits"))
    assert curve[-1].validation_accuracy > 87  # 92.6 +- 2.2 over four seeds
    assert [epoch.epoch for epoch in curve] == [1, 2]


@pytest.mark.slow
def test_eight_epochs_learn_them_well(digits):
    for seed in range(2):
        curve, _ = numbers(conv_net(), digits, default_recipe("digits"), epochs=8, seed=seed)
        assert curve[-1].validation_accuracy > 95


@pytest.mark.parametrize("recipe", [Recipe(), EVERYTHING, Recipe(optimizer="adamw", learning_rate=1e-3)])
def test_the_same_seed_gives_the_same_bits_whatever_ran_before(few, recipe):
    first = numbers(random_net(), few, recipe, seed=3)
    torch.manual_seed(99)
    numbers(conv_net(), few, Recipe(optimizer="rmsprop", learning_rate=1e-3), epochs=1, seed=1)
    torch.randn(7)
    assert_same(first, numbers(random_net(), few, recipe, seed=3))


def test_another_seed_gives_another_training(few):
    assert numbers(conv_net(), few, Recipe(), seed=0)[0] != numbers(conv_net(), few, Recipe(), seed=1)[0]


def test_the_global_random_state_is_left_as_it_was(few):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    numbers(random_net(), few, EVERYTHING, epochs=1)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "rmsprop"])
@pytest.mark.parametrize("schedule", ["cosine", "one_cycle", "step", "plateau", "constant"])
def test_every_optimiser_and_schedule_learns(few, optimizer, schedule):
    rate = {"sgd": 0.1, "adamw": 3e-3, "rmsprop": 0.2}[optimizer]
    recipe = Recipe(optimizer=optimizer, schedule=schedule, learning_rate=rate, batch_size=20, warmup_epochs=0.5)
    curve, _ = numbers(conv_net(), few, recipe, epochs=2)
    assert curve[-1].train_loss < curve[0].train_loss < math.log(10)


def test_all_of_a_recipe_at_once_learns(few):
    curve, _ = numbers(conv_net(), few, msgspec.structs.replace(EVERYTHING, batch_size=20), epochs=3)
    assert curve[-1].train_loss < curve[0].train_loss


@pytest.mark.parametrize("count", [2, 3, 33, 65])
@pytest.mark.parametrize("batch_size", [2, 32, 4096])
def test_no_batch_size_breaks_batch_norm(digits, count, batch_size):
    small = digits._replace(train=ImageSet(*(part[:count] for part in digits.train)))
    curve, _ = numbers(conv_net(), small, Recipe(batch_size=batch_size, learning_rate=1e-3), epochs=1)
    assert math.isfinite(curve[0].validation_loss)


def test_a_diverging_loss_stops_the_training(few):
    with pytest.raises(DivergedError, match=r"loss became .* in epoch 1"):
        numbers(conv_net(norm=None), few, Recipe(learning_rate=1e6, batch_size=8, schedule="constant"))


def test_a_nan_stops_the_training(few):
    module = build(conv_net(), 0)
    nn.init.constant_(next(module.parameters()), math.nan)
    with pytest.raises(DivergedError, match="nan"):
        train(module, few, Recipe(), 1, size=(8, 8))


def test_the_deadline_is_kept_between_batches(few):
    clock = Clock.start(0.0)
    with pytest.raises(TimedOutError, match="not done after 0 s"):
        train(build(conv_net(), 0), few, Recipe(batch_size=8), 1000, size=(8, 8), clock=clock)


def test_every_epoch_is_reported_as_it_ends(few):
    seen = []
    curve = train(build(conv_net(), 0), few, Recipe(), 3, size=(8, 8), report=seen.append)
    assert tuple(seen) == curve
    assert [epoch.wall_seconds for epoch in seen] == sorted(epoch.wall_seconds for epoch in seen)


def test_images_of_another_size_are_resized(few):
    curve, _ = numbers(conv_net(input=(1, 10, 6)), few, Recipe(), epochs=1)
    assert math.isfinite(curve[0].validation_loss)


def test_evaluation_counts_what_a_loop_counts(few):
    module = build(random_net(), 0)
    normalise = Normaliser(few, (8, 8))
    seen = evaluate(module, few.validation, normalise, Recipe())
    with torch.no_grad():
        logits = [module.eval()(normalise(pixels[None]))[0] for pixels in few.validation.pixels]
    right = sum(int(each.argmax()) == int(label) for each, label in zip(logits, few.validation.labels, strict=True))
    losses = [-each.log_softmax(0)[label] for each, label in zip(logits, few.validation.labels, strict=True)]
    assert seen.accuracy == 100 * right / len(losses)
    assert seen.loss == pytest.approx(float(torch.stack(losses).mean()), rel=1e-5)


def test_averaged_weights_are_what_is_evaluated_and_kept(few):
    recipe = Recipe(ema_decay=0.999, learning_rate=1e-3)
    module = build(conv_net(), 0)
    start = [parameter.detach().clone() for parameter in module.parameters()]
    curve = train(module, few, recipe, 1, size=(8, 8))
    plain = build(conv_net(), 0)
    train(plain, few, msgspec.structs.replace(recipe, ema_decay=None), 1, size=(8, 8))
    moved = [
        float((after.detach() - before).norm() / (trained.detach() - before).norm())
        for before, after, trained in zip(start, module.parameters(), plain.parameters(), strict=True)
    ]
    assert max(moved) < 0.8  # of two steps the second counts a thousandth
    seen = evaluate(module, few.validation, Normaliser(few, (8, 8)), recipe)
    assert seen.loss == pytest.approx(curve[-1].validation_loss, rel=1e-6)


def test_batch_norm_of_a_small_momentum_is_judged_by_its_own_statistics(digits):
    """EfficientNet's momentum of 0.01 would leave half of the statistics at their starting values after 70 steps."""
    own = conv_net(norm=NormStyle(momentum=0.01))
    module = build(own, 0)
    curve = train(module, digits, default_recipe("digits"), 2, size=(8, 8))
    assert curve[-1].validation_accuracy > 87
    assert {each.momentum for each in module.modules() if isinstance(each, nn.BatchNorm2d)} == {0.01}


def test_bfloat16_is_asked_for_and_used(few):
    seen = set()

    class Spy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(64, 10)

        def forward(self, x):
            logits = self.inner(x.flatten(1))
            seen.add(logits.dtype)
            return logits

    for precision, dtype in (("bfloat16", torch.bfloat16), ("float32", torch.float32), ("auto", torch.float32)):
        seen.clear()
        train(Spy(), few, Recipe(precision=precision, learning_rate=0.01), 1, size=(8, 8))
        assert seen == {dtype}


def test_the_standard_error_is_binomial():
    assert accuracy_sem(50.0, 10000) == pytest.approx(0.5)
    assert accuracy_sem(90.0, 1000) == pytest.approx(100 * math.sqrt(0.09 / 1000), rel=0.01)
    assert accuracy_sem(100.0, 288) > 0


def test_a_split_of_one_class_pair_trains(few):
    """The loss of guessing is what divergence is measured by, also where there is little to guess."""
    two = DataSplit(few.train, few.validation, 2, few.mean, few.deviation)
    (epoch,) = train(build(conv_net(), 0), two, named_recipe("full", "digits"), 1, size=(8, 8))
    assert math.isfinite(epoch.train_loss)
