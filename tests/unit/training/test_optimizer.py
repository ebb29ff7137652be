"""What decays, how gradients are clipped, and how learning rates run."""

from __future__ import annotations

import math

import pytest
import torch
from networks import conv_net, random_net
from torch import nn

from naslab.arch.build import build
from naslab.arch.modules import StandardizedConv2d
from naslab.errors import SpecError, UnknownNameError
from naslab.training.norms import WarmNorms
from naslab.training.optimizer import clip_to_weights, make_optimizer, parameter_groups
from naslab.training.recipe import RECIPES, Recipe, default_recipe, named_recipe
from naslab.training.schedule import Plateau, rate_factor


def test_only_weights_of_convolutions_and_linear_layers_decay():
    module = nn.Sequential(build(random_net(), 0), StandardizedConv2d(3, 4, 1, bias=True))
    decayed, kept = parameter_groups(module, 0.1)
    expected = {id(each.weight) for each in module.modules() if isinstance(each, nn.Conv2d | nn.Linear)}
    assert {id(parameter) for parameter in decayed["params"]} == expected
    assert len(decayed["params"]) + len(kept["params"]) == len(list(module.parameters()))
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.1, 0.0)


@pytest.mark.parametrize(
    ("name", "kind"), [("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW), ("rmsprop", torch.optim.RMSprop)]
)
def test_the_recipe_names_the_optimiser(name, kind):
    assert type(make_optimizer(build(conv_net(), 0), Recipe(optimizer=name))) is kind


def test_sgd_without_momentum_is_allowed():
    optimizer = make_optimizer(build(conv_net(), 0), Recipe(momentum=0.0))
    assert not any(group["nesterov"] for group in optimizer.param_groups)


def test_gradients_are_clipped_unit_by_unit():
    """Brock et al. 2021, equation 3, by hand: units of norm 5 and 1, ratio 0.1."""
    weight = nn.Parameter(torch.tensor([[3.0, 4.0], [0.6, 0.8]]))
    weight.grad = torch.tensor([[0.0, 2.0], [0.03, 0.04]])
    clip_to_weights([weight], 0.1)
    assert torch.allclose(weight.grad, torch.tensor([[0.0, 0.5], [0.03, 0.04]]))


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle", "step", "constant", "plateau"])
@pytest.mark.parametrize("warmup", [0.0, 0.5, 5.0])
def test_factors_stay_between_zero_and_one(schedule, warmup):
    recipe = Recipe(schedule=schedule, warmup_epochs=warmup)
    factors = [rate_factor(recipe, step, 7, 4) for step in range(28)]
    assert all(0 < factor <= 1 for factor in factors)


def test_warm_up_rises_to_the_schedule():
    recipe = Recipe(schedule="constant", warmup_epochs=1.0)
    assert [rate_factor(recipe, step, 4, 2) for step in range(6)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1])


def test_one_cycle_peaks_after_a_quarter():
    factors = [rate_factor(Recipe(), step, 99, 1) for step in range(99)]
    assert factors.index(max(factors)) == 24
    assert factors[24] == 1
    assert factors[-1] == pytest.approx(0.01 / 0.75)


def test_steps_fall_at_their_shares():
    recipe = Recipe(schedule="step", step_at=(0.5, 0.75), step_factor=0.1)
    factors = [rate_factor(recipe, step, 8, 1) for step in range(8)]
    assert factors == pytest.approx([1] * 4 + [0.1] * 2 + [0.01] * 2)


def test_a_plateau_lowers_the_rate_after_its_patience():
    plateau = Plateau(Recipe(schedule="plateau", patience=2, step_factor=0.5))
    factors = []
    for loss in (3.0, 2.0, 2.0, 2.5, 1.0, 1.0, 1.0, math.inf):
        plateau.after_epoch(loss)
        factors.append(plateau.factor)
    assert factors == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_running_statistics_are_the_mean_of_the_window():
    """Ten steps have a window of one batch, a thousand start with the plain average of the first."""
    norm = nn.BatchNorm2d(1)
    warm = WarmNorms(norm, 10)
    for step in range(10):
        warm.before_step(step)
    assert norm.momentum == 1
    norm = nn.BatchNorm2d(1)
    warm = WarmNorms(norm, 1000)
    for step, value in enumerate((1.0, 2.0, 6.0)):
        warm.before_step(step)
        norm(torch.tensor([value - 1, value + 1]).reshape(2, 1, 1, 1))
    assert norm.running_mean is not None
    assert float(norm.running_mean) == pytest.approx(3.0)
    warm.restore()
    assert norm.momentum == 0.1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("learning_rate", 0.0),
        ("batch_size", 1),
        ("momentum", 1.0),
        ("label_smoothing", -0.1),
        ("step_factor", 1.0),
        ("step_at", (0.7, 0.2)),
        ("ema_decay", 1.0),
        ("clip_norm", 0.0),
        ("mixup", -1.0),
        ("crop_padding", -1),
        ("patience", 0),
    ],
)
def test_a_recipe_names_what_is_wrong_with_it(field, value):
    with pytest.raises(SpecError, match=rf"^{field}: "):
        Recipe(**{field: value})


def test_recipes_are_found_by_name():
    for name in RECIPES:
        for dataset in ("digits", "fashion_mnist", "cifar10", "cifar100", "image_folder:x"):
            named_recipe(name, dataset)
    assert default_recipe("cifar10") == named_recipe("short", "cifar10")
    assert not named_recipe("full", "digits").horizontal_flip  # a mirrored 2 is no digit
    with pytest.raises(UnknownNameError, match=r"unknown recipe 'ful'.*did you mean 'full'"):
        named_recipe("ful", "digits")
