"""Networks that compute as in 8 bits while they train: the values of a slow reference, and what stays as it was."""

from __future__ import annotations

import copy

import pytest
import torch
from networks import conv_net
from torch import nn

from naslab.arch.build import build
from naslab.errors import NaslabError
from naslab.study.data_choice import DataChoice
from naslab.study.recipe import Recipe
from naslab.training import fake_quantising, fit
from naslab.training.fake_quantising import full_precision, quantise_in_training, require_torchao
from naslab.training.weights import load_weights


@pytest.fixture(scope="module", autouse=True)
def torchao() -> None:
    """Loaded by the tests that run, and not by every process that collects them."""
    pytest.importorskip("torchao")


def rounded(weight: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """Weights on the steps of each output channel."""
    scale = scales.reshape(-1, *[1] * (weight.ndim - 1))
    return (weight / scale).round().clamp(-127, 127) * scale


@pytest.mark.parametrize("layer", [nn.Conv2d(3, 4, 3, bias=False), nn.Linear(5, 4)])
def test_weights_are_rounded_per_channel_and_inputs_to_their_range(layer: nn.Module) -> None:
    with torch.no_grad():
        layer.weight[0] = -layer.weight[0].abs() - 0.01  # all of one sign: symmetric all the same
    network = nn.Sequential(copy.deepcopy(layer))
    shape = (2, 3, 4, 4) if isinstance(layer, nn.Conv2d) else (2, 5)
    images = torch.linspace(-1, 1.55, 2 * 48 if len(shape) == 4 else 10).reshape(shape)
    quantise_in_training(network, [images])
    step = 2.55 / 255
    scales = network[0].get_buffer("weight_quantiser.own.scale")
    assert torch.allclose(scales, layer.weight.detach().abs().flatten(1).amax(1) / 127, rtol=1e-5)  # 255 steps
    with torch.no_grad():
        layer.weight.copy_(rounded(layer.weight, scales))
        expected = layer((images / step).round() * step)
    assert torch.allclose(network.eval()(images), expected, atol=1e-4)
    assert torch.equal(network(1e3 * images + 2e3), network(torch.full_like(images, 1.55)))  # cut off at the range


def test_a_network_keeps_its_names_weights_and_gradients() -> None:
    network = build(conv_net(), seed=0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    names = [name for name, _ in network.named_parameters()]
    images = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    quantise_in_training(network, [images])
    assert [name for name, _ in network.named_parameters()] == names
    kept = full_precision(network.state_dict())
    assert all(torch.equal(kept[name], before[name]) for name in before)
    assert kept.keys() == before.keys()
    network.train()
    network(images).square().sum().backward()
    assert all(each.grad is not None for each in network.parameters())
    assert all(isinstance(each, nn.Parameter) for each in network.parameters())


def test_ranges_follow_in_training_mode_alone() -> None:
    network = nn.Sequential(nn.Conv2d(1, 1, 1))
    quantise_in_training(network, [torch.rand(1, 1, 2, 2)])
    for is_training in (False, True):
        before = copy.deepcopy(network.state_dict())
        network.train(is_training)(torch.full((1, 1, 2, 2), 5.0))
        after = network.state_dict()
        moved = [name for name in before if "max_val" in name and not torch.equal(before[name], after[name])]
        assert bool(moved) is is_training


def test_a_layer_that_fails_has_its_weights_afterwards() -> None:
    network = nn.Sequential(nn.Conv2d(1, 1, 1))
    quantise_in_training(network, [torch.rand(1, 1, 2, 2)])
    with pytest.raises(RuntimeError):
        network(torch.rand(1, 3, 2, 2))
    assert isinstance(network[0].weight, nn.Parameter)


def test_trained_weights_are_those_of_the_plain_network(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(fit, "has_torchmetrics", lambda: False)
    path = tmp_path / "w.safetensors"
    recipe = Recipe(batch_size=32, precision="float32", ema_decay=0.9)
    data = DataChoice(name="digits", max_images=200)
    result = fit.fit_and_test(conv_net(), data, recipe, 1, is_quantised=True, save_to=path)
    plain = build(conv_net(), seed=1)
    load_weights(plain, path)
    assert result.curve[-1].validation_accuracy > 0


def test_a_missing_torchao_is_named_with_its_extra(monkeypatch) -> None:
    monkeypatch.setattr(fake_quantising.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NaslabError, match=r"needs torchao: pip install 'naslab\[quantize\]'"):
        require_torchao()
