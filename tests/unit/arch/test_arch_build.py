"""The built module is plain torch: it trains, drops bodies as told, prints, exports and compiles."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from naslab.arch import (
    ArchSpec,
    ConvBlock,
    Head,
    Inception,
    MBConv,
    NormStyle,
    PreactResidual,
    ResidualBlock,
    Stage,
    StochasticDepth,
)
from naslab.arch.build import build
from naslab.arch.modules import ChannelLinear, ChannelNorm, Residual, StandardizedConv2d
from naslab.zoo import model

SMALL = {
    "mobilenet_v2": model("mobilenet_v2", 10, 32),
    "convnext": ArchSpec(
        input=(3, 32, 32),
        stem=model("convnext_tiny").stem,
        stages=tuple(model("convnext_tiny").stages[:3]),
        num_classes=10,
        norm=NormStyle(kind="layer"),
        activation="gelu",
    ),
    "resnet20_cifar": model("resnet20_cifar"),
    "squeezenet": model("squeezenet1_1", 10, 48),
    "inception": ArchSpec(
        input=(3, 16, 16), stages=(Stage(block=Inception(), width=32),), num_classes=10, head=Head(hidden=(8,))
    ),
}


@pytest.mark.parametrize("name", SMALL)
def test_a_step_of_training_lowers_the_loss(name: str) -> None:
    arch = SMALL[name]
    module = build(arch, seed=0).train()
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(4, *arch.input, generator=generator)
    labels = torch.arange(4) % arch.num_classes
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        losses = []
        for _ in range(6):
            loss = nn.functional.cross_entropy(module(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert all(map(math.isfinite, losses))
    assert min(losses[-3:]) < losses[0]
    assert all(each.grad is not None for each in module.parameters())


def residual_rates(arch: ArchSpec) -> list[float]:
    return [each.drop_rate for each in build(arch).modules() if isinstance(each, Residual)]


def test_stochastic_depth_by_both_rules() -> None:
    stages = (Stage(block=ResidualBlock(), width=4, repeats=2), Stage(block=PreactResidual(), width=8, repeats=2))
    for rule, rates in (("linear", [0.1, 0.2, 0.3, 0.4]), ("uniform", [0.4] * 4)):
        depth = StochasticDepth(rate=0.4, rule=rule)  # type: ignore[arg-type]
        arch = ArchSpec(input=(3, 8, 8), stages=stages, num_classes=2, stochastic_depth=depth)
        assert residual_rates(arch) == pytest.approx(rates)


def test_a_dropped_body_leaves_the_shortcut() -> None:
    module = Residual(nn.Conv2d(1, 1, 1), nn.Identity(), drop_rate=0.5).train()
    images = torch.ones(4000, 1, 1, 1)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        body = module.body(images[:1]).item()
        out = module(images).flatten()
    dropped, kept = torch.isclose(out, torch.tensor(1.0)), torch.isclose(out, torch.tensor(1 + 2 * body))
    assert bool((dropped | kept).all())
    # 4000 fair draws: outside 0.45..0.55 with a probability below 1e-9.
    assert 0.45 < dropped.float().mean().item() < 0.55
    assert torch.allclose(module.eval()(images).flatten(), torch.tensor(1 + body))


def test_layers_over_channels_are_torch_layers_channels_last() -> None:
    images = torch.randn(2, 6, 3, 5)
    last = images.permute(0, 2, 3, 1)
    norm, linear = ChannelNorm(6), ChannelLinear(6, 4)
    assert torch.allclose(norm(images), nn.functional.layer_norm(last, (6,)).permute(0, 3, 1, 2), atol=1e-6)
    expected = nn.functional.linear(last, linear.weight, linear.bias).permute(0, 3, 1, 2)
    assert torch.allclose(linear(images), expected, atol=1e-6)


def test_standardised_weights_have_no_mean_and_unit_gain() -> None:
    layer = StandardizedConv2d(8, 4, 3)
    nn.init.normal_(layer.weight, mean=3.0, std=2.0)
    eye = torch.eye(8 * 9).reshape(72, 8, 3, 3)
    weights = (layer(eye)[:, :, 0, 0] - layer.bias).detach()
    assert torch.allclose(weights.mean(0), torch.zeros(4), atol=1e-5)
    assert torch.allclose(weights.pow(2).sum(0), torch.ones(4), atol=1e-4)


def test_without_a_seed_the_global_state_is_drawn_from() -> None:
    arch = SMALL["inception"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        one = build(arch).state_dict()
        two = build(arch).state_dict()
    assert not torch.equal(one["stage0.0.one.conv.conv.weight"], two["stage0.0.one.conv.conv.weight"])


def test_it_prints_with_the_names_of_the_plan() -> None:
    arch = ArchSpec(input=(3, 8, 8), stages=(Stage(block=MBConv(), width=4),), num_classes=2)
    text = str(build(arch))
    for name in ("(stage0)", "(expand)", "(depthwise)", "(se): Gate", "(project)", "(classifier): Linear"):
        assert name in text


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenet_v2", "convnext"])
def test_it_exports_to_onnx(name: str, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    arch = SMALL[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        torch.onnx.export(build(arch, seed=0).eval(), (torch.randn(1, *arch.input),), tmp_path / "net.onnx")
    graph = onnx.load(tmp_path / "net.onnx")
    onnx.checker.check_model(graph)
    assert [each.name for each in graph.graph.output]


@pytest.mark.slow
def test_it_compiles() -> None:
    arch = ArchSpec(input=(3, 8, 8), stages=(Stage(block=ConvBlock(), width=4),), num_classes=2)
    module = build(arch, seed=0).eval()
    images = torch.randn(2, *arch.input)
    compiled = torch.compile(module, backend="aot_eager")
    with torch.no_grad():
        assert torch.allclose(compiled(images), module(images), atol=1e-5)
