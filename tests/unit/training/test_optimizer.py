"""What decays, how gradients are clipped, and how learning rates run."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from networks import conv_net, random_net
from torch import nn

from naslab.arch.build import build
from naslab.arch.modules import StandardizedConv2d
from naslab.errors import SpecError, UnknownNameError
from naslab.study.recipe import RECIPES, Recipe, default_recipe, named_recipe
from naslab.training.augment import Batch
from naslab.training.averaging import make_average, warm_decay
from naslab.training.compiling import PAYS_BACK_AFTER, compiled, pays_to_compile
from naslab.training.norms import WarmNorms
from naslab.training.optimizer import clip_to_weights, decaying_weights, make_optimizer, parameter_groups
from naslab.training.regularise import add_penalty
from naslab.training.rmsprop import RmsProp
from naslab.training.schedule import Plateau, annealing, rate_factor
from naslab.training.step import TrainingStep


def test_only_weights_of_convolutions_and_linear_layers_decay():
    module = nn.Sequential(build(random_net(), 0), StandardizedConv2d(3, 4, 1, bias=True))
    decayed, kept = parameter_groups(module, 0.1)
    expected = {id(each.weight) for each in module.modules() if isinstance(each, nn.Conv2d | nn.Linear)}
    assert {id(parameter) for parameter in decayed["params"]} == expected
    assert len(decayed["params"]) + len(kept["params"]) == len(list(module.parameters()))
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.1, 0.0)


@pytest.mark.parametrize(
    ("name", "kind"), [("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW), ("rmsprop", RmsProp)]
)
def test_the_recipe_names_the_optimiser(name, kind):
    assert type(make_optimizer(build(conv_net(), 0), Recipe(optimizer=name))) is kind


def test_sgd_without_momentum_is_allowed():
    optimizer = make_optimizer(build(conv_net(), 0), Recipe(momentum=0.0))
    assert not any(group["nesterov"] for group in optimizer.param_groups)


@pytest.mark.parametrize(("nesterov", "second"), [(True, 0.1 * (1 + 0.9 * 1.9)), (False, 0.1 * 1.9)])
def test_momentum_is_nesterovs_or_plain(nesterov, second):
    """The second step along a gradient of 1, after a first one: v = 0.9 + 1, and with Nesterov 1 + 0.9 v."""
    module = nn.Linear(1, 1, bias=False)
    optimizer = make_optimizer(module, Recipe(learning_rate=0.1, weight_decay=0.0, nesterov=nesterov))
    for _ in range(2):
        before = module.weight.item()
        module.weight.grad = torch.ones_like(module.weight)
        optimizer.step()
    assert before - module.weight.item() == pytest.approx(second, rel=1e-5)


def test_rmsprop_divides_by_the_root_of_the_mean_square_and_epsilon_together():
    """Three steps against the recursion written out in NumPy, with decay; the mean square begins at 1."""
    module = nn.Linear(3, 1)
    recipe = Recipe(optimizer="rmsprop", learning_rate=0.01, weight_decay=0.1)
    optimizer = make_optimizer(module, recipe)
    weight = module.weight.detach().double().numpy().copy()
    square, velocity = np.ones((1, 3)), np.zeros((1, 3))
    for step in range(3):
        gradient = np.array([[1e-4, 0.3, -(2.0**step)]])
        module.weight.grad = torch.tensor(gradient, dtype=torch.float32)
        module.bias.grad = torch.zeros(1)
        optimizer.step()
        gradient = gradient + 0.1 * weight
        square = 0.9 * square + 0.1 * gradient**2
        velocity = 0.9 * velocity + 0.01 * gradient / np.sqrt(square + 1e-3)
        weight -= velocity
    np.testing.assert_allclose(module.weight.detach().numpy(), weight, rtol=1e-5)
    assert len(optimizer.state) == 2


def test_rmsprop_does_not_go_on_from_the_state_of_pytorchs():
    weight = nn.Parameter(torch.ones(1))
    weight.grad = torch.ones(1)
    other = torch.optim.RMSprop([weight])
    other.step()
    with pytest.raises(ValueError, match="not of this RMSProp"):
        RmsProp([weight], lr=0.1, alpha=0.9, eps=0.1, momentum=0.0).load_state_dict(other.state_dict())


def test_rmsprop_takes_a_closure_and_leaves_what_has_no_gradient():
    weight, idle = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    optimizer = RmsProp([weight, idle], lr=0.1, alpha=0.9, eps=0.1, momentum=0.0)

    def loss():
        (2 * weight).sum().backward()
        return 2.0

    assert optimizer.step(loss) == 2.0
    assert weight.item() == pytest.approx(1 - 0.2 / (0.9 + 0.4 + 0.1) ** 0.5)
    assert idle.item() == 1.0


def test_gradients_are_clipped_unit_by_unit():
    """Brock et al. 2021, equation 3, by hand: units of norm 5 and 1, ratio 0.1; biases are one unit."""
    weight = nn.Parameter(torch.tensor([[3.0, 4.0], [0.6, 0.8]]))
    weight.grad = torch.tensor([[0.0, 2.0], [0.03, 0.04]])
    bias = nn.Parameter(torch.tensor([3.0, 4.0, 0.0]))
    bias.grad = torch.tensor([0.0, 0.0, 2.0])
    clip_to_weights([weight, bias], 0.1)
    assert torch.allclose(weight.grad, torch.tensor([[0.0, 0.5], [0.03, 0.04]]))
    assert torch.allclose(bias.grad, torch.tensor([0.0, 0.0, 0.5]))


def test_gradients_of_the_classifier_are_not_clipped_to_its_weights():
    """Brock et al. 2021, section 4.1."""
    changes = []
    for ratio in (None, 1e-9):
        module = build(conv_net(), 0)
        recipe = Recipe(momentum=0.0, weight_decay=0.0, clip_ratio=ratio, learning_rate=0.1, precision="float32")
        before = {name: value.clone() for name, value in module.state_dict().items()}
        images = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        TrainingStep(module, recipe, make_optimizer(module, recipe), None, (8, 8))(Batch(images, torch.arange(8)))
        changes.append({name: value - before[name] for name, value in module.named_parameters()})
    free, clipped = changes
    last = {name for name in free if name.startswith("head.classifier")}
    assert len(last) == 2
    for name, change in clipped.items():
        if name in last:
            assert torch.equal(change, free[name])
        else:
            assert float(change.detach().abs().max()) < 1e-6 < float(free[name].detach().abs().max())


def test_penalties_are_the_gradient_of_the_elastic_net_on_weights_that_decay():
    """One step of plain SGD against autograd of the written-out loss; norms and biases as without a penalty."""
    recipe = Recipe(momentum=0.0, weight_decay=0.0, l1=0.01, l2=0.3)
    first, second = build(conv_net(), 0), build(conv_net(), 0)
    images = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    first(images).square().mean().backward()
    add_penalty(decaying_weights(first), recipe.l1, recipe.l2)
    weights = [each.weight for each in second.modules() if isinstance(each, nn.Conv2d | nn.Linear)]
    penalty = sum(0.01 * weight.abs().sum() + 0.15 * weight.square().sum() for weight in weights)
    (second(images).square().mean() + penalty).backward()
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert one.grad is not None
        assert torch.allclose(one.grad, other.grad, atol=1e-6)


def test_an_l2_penalty_is_the_weight_decay_of_sgd():
    penalised, decayed = nn.Linear(3, 2), nn.Linear(3, 2)
    decayed.load_state_dict(penalised.state_dict())
    for module, recipe in (
        (penalised, Recipe(l2=0.2, weight_decay=0.0)),
        (decayed, Recipe(weight_decay=0.2)),
    ):
        optimizer = make_optimizer(module, recipe)
        for _ in range(3):
            optimizer.zero_grad()
            module(torch.ones(1, 3)).sum().backward()
            add_penalty(decaying_weights(module), recipe.l1, recipe.l2)
            optimizer.step()
    assert torch.allclose(penalised.weight, decayed.weight, atol=1e-7)


def test_a_warm_average_follows_at_first_and_lags_later():
    module = nn.Linear(1, 1, bias=False)
    averaged = make_average(module, Recipe(ema_decay=0.9999, ema_warmup=True))
    assert averaged is not None
    expected = 0.0
    for step, value in enumerate((2.0, 5.0, -1.0, 3.0)):
        nn.init.constant_(module.weight, value)
        averaged.before_update()
        averaged.update(module)
        decay = (1 + step) / (10 + step)
        expected = value if step == 0 else decay * expected + (1 - decay) * value
        assert averaged.module.weight.item() == pytest.approx(expected)
    assert warm_decay(0.5, 10**6) == 0.5
    assert make_average(module, Recipe()) is None


def test_compiling_pays_on_a_gpu_in_long_trainings_alone(monkeypatch):
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    auto, on = Recipe(compile="auto"), Recipe(compile="on")
    assert [pays_to_compile(auto, gpu, steps) for steps in (10, PAYS_BACK_AFTER)] == [False, True]
    assert not pays_to_compile(auto, cpu, 10**9)
    assert pays_to_compile(on, cpu, 1)
    assert not pays_to_compile(Recipe(), gpu, 10**9)
    monkeypatch.setattr(torch, "compile", lambda module: nn.Sequential(module))
    module = nn.Linear(1, 1)
    assert compiled(module, auto, cpu, 10**9) is module
    assert compiled(module, on, cpu, 1) is not module


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle", "step", "exponential", "constant", "plateau"])
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


def test_one_cycle_is_a_triangle_that_never_touches_the_ground():
    """Nine steps of ten equal parts: up by 0.4 a part to the quarter, down by 0.4 / 3 a part to the end."""
    factors = [rate_factor(Recipe(schedule="one_cycle"), step, 3, 3) for step in range(9)]
    assert factors == pytest.approx([0.4, 0.8, *((10 - part) * 0.4 / 3 for part in range(3, 10))])


def test_a_cosine_falls_from_the_end_of_the_warm_up():
    recipe = Recipe(schedule="cosine", warmup_epochs=0.5)
    factors = [rate_factor(recipe, step, 4, 2) for step in range(8)]
    falling = [(1 + math.cos(math.pi * step / 6)) / 2 for step in range(6)]
    assert factors == pytest.approx([1 / 3, 2 / 3, *falling])


def test_how_far_the_rate_has_fallen_is_that_of_each_epochs_last_step():
    recipe = Recipe(schedule="step", step_at=(0.5, 0.75), step_factor=0.1)
    assert annealing(recipe, 4) == (0.0, 0.0, 0.9, 0.99)
    assert annealing(Recipe(schedule="constant", warmup_epochs=2.0), 4) == (0.0, 0.0, 0.0, 0.0)


def test_steps_fall_at_their_shares():
    recipe = Recipe(schedule="step", step_at=(0.5, 0.75), step_factor=0.1)
    factors = [rate_factor(recipe, step, 8, 1) for step in range(8)]
    assert factors == pytest.approx([1] * 4 + [0.1] * 2 + [0.01] * 2)


def test_an_exponential_schedule_falls_after_every_share_whatever_the_length():
    """EfficientNet's 0.97 every 2.4 of 350 epochs; 0.97^145 in the last step of any training."""
    recipe = named_recipe("paper-efficientnet", "cifar10")
    for epochs, steps in ((350, 10), (70, 50), (7, 500)):
        factors = [rate_factor(recipe, step, steps, epochs) for step in range(steps * 5, steps * epochs)]
        assert factors == sorted(factors, reverse=True)
        assert factors[-1] == pytest.approx(0.97**145)
    whole = [rate_factor(recipe, step, 10, 350) for step in range(3500)]
    assert whole[72] == pytest.approx(0.97**3)  # ... of epoch 7.2, three times 2.4; from there
    assert whole[71] == pytest.approx(0.97**2)
    assert whole[50] == pytest.approx(0.97**2)  # the first step after five epochs of warm-up


def test_a_plateau_lowers_the_rate_after_its_patience():
    plateau = Plateau(Recipe(schedule="plateau", patience=2, step_factor=0.5))
    factors = []
    for loss in (3.0, 2.0, 2.0, 2.5, 1.0, 1.0, 1.0, math.inf):
        plateau.after_epoch(loss)
        factors.append(plateau.factor)
    assert factors == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_a_plateau_goes_on_from_its_state():
    recipe = Recipe(schedule="plateau", patience=2, step_factor=0.5)
    one, other = Plateau(recipe), Plateau(recipe)
    for loss in (3.0, 2.0, 2.5):
        one.after_epoch(loss)
    other.state = one.state
    assert other.state == (1.0, 2.0, 1)
    other.after_epoch(2.0)
    assert other.factor == 0.5


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


@pytest.mark.parametrize("momentum", [0.1, 0.01, 0.0, 0.9])
@pytest.mark.parametrize("steps", [1, 10, 40, 1000, 5000])
def test_momenta_settle_when_they_say(momentum, steps):
    norm = nn.BatchNorm2d(1, momentum=momentum)
    warm = WarmNorms(norm, steps)
    seen = []
    for step in range(steps):
        warm.before_step(step)
        seen.append(norm.momentum)
    assert len(set(seen[warm.settled_at :])) == 1
    assert warm.settled_at == 0 or seen[warm.settled_at - 1] != seen[warm.settled_at]
    assert WarmNorms(nn.Identity(), steps).settled_at == 0


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
