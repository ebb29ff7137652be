"""A training step of every family that is no chain, with all that is only there in training."""

from __future__ import annotations

import copy

import msgspec
import pytest
import torch
from torch import nn
from torch.nn import functional

from naslab.arch import ArchSpec, cost
from naslab.arch.build import build
from naslab.arch.graphs import Dag, PathDraw, Supervised
from naslab.scaling import scale
from naslab.zoo import model
from naslab.zoo.amoebanet import amoebanet_a
from naslab.zoo.densenet import densenet
from naslab.zoo.fractalnet import fractalnet
from naslab.zoo.nasnet import nasnet_a
from naslab.zoo.nfnet import nfnet
from naslab.zoo.shufflenet import shufflenet
from naslab.zoo.shufflenet_v2 import shufflenet_v2

SMALL: dict[str, ArchSpec] = {
    "googlenet": scale(model("googlenet", 5, 96), width=0.25),
    "inception_v3": scale(model("inception_v3", 5, 299), width=0.07),
    "inception_v4": scale(model("inception_v4", 5, 80), width=0.1, depth=0.1),
    "inception_resnet_v2": scale(model("inception_resnet_v2", 5, 80), width=0.1, depth=0.1),
    "densenet": densenet(growth=4, depth=22, compression=0.5, dropout=0.2, num_classes=5),
    "fractalnet": fractalnet(3, widths=(4, 8, 8), dropout=(0.0, 0.1, 0.2), num_classes=5),
    "shufflenet": shufflenet(groups=2, num_classes=5, resolution=64),
    "shufflenet_v2": shufflenet_v2(0.5, num_classes=5, resolution=64),
    "nasnet_a": nasnet_a(1, 96, stem=4, skips_reduction=True, drop_path=0.3, num_classes=5, resolution=67),
    "amoebanet_a": amoebanet_a(1, 4, num_classes=5, resolution=64),
    "nfnet": scale(nfnet(0, num_classes=5, resolution=64), width=0.07),
}


@pytest.mark.parametrize("name", SMALL)
def test_a_training_step(name: str) -> None:
    arch = SMALL[name]
    has_heads = bool(arch.auxiliary)
    network = build(arch, seed=0, auxiliary=True).train()
    keep_all_paths(network)
    images = torch.randn(2, *arch.input, generator=torch.Generator().manual_seed(1))
    outputs = network(images)
    outputs = outputs if has_heads else (outputs,)
    assert len(outputs) == 1 + len(arch.auxiliary)
    labels = torch.tensor([0, 1])
    loss = sum(functional.cross_entropy(logits, labels) for logits in outputs)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-6)
    loss.backward()
    for path, parameter in network.named_parameters():
        assert parameter.grad is not None, path
        assert torch.isfinite(parameter.grad).all(), path
    optimizer.step()
    network.eval()
    assert torch.isfinite(network(images)).all()


def keep_all_paths(network: nn.Module) -> None:
    """Local drop-path only: a single path through the network would leave the others without gradients."""
    for hook in network._forward_pre_hooks.values():
        assert isinstance(hook, PathDraw)
        hook.num_paths = 1
    network._forward_pre_hooks.clear()


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_auxiliary_heads_leave_evaluation_alone(name: str) -> None:
    arch = SMALL[name]
    plain, supervised = build(arch, seed=0).eval(), build(arch, auxiliary=True).eval()
    assert isinstance(supervised, Supervised)
    assert supervised.loss_weights == tuple(each.weight for each in arch.auxiliary)
    state = plain.state_dict()
    left = supervised.load_state_dict(state, strict=False)
    assert not left.unexpected_keys
    assert all(key.startswith("auxiliary.") for key in left.missing_keys)
    images = torch.randn(2, *arch.input)
    assert torch.equal(plain(images), supervised(images))
    assert sum(each.numel() for each in plain.parameters()) == cost(arch).params


def test_the_fractal_keeps_one_path_or_drops_at_each_join() -> None:
    network = build(SMALL["fractalnet"], seed=0).train()
    graphs = [each for each in network.modules() if isinstance(each, Dag)]
    draws = {id(each.paths) for each in graphs}
    assert len(draws) == 1
    (draw,) = network._forward_pre_hooks.values()
    assert draw is graphs[0].paths
    torch.manual_seed(0)
    network(torch.randn(2, 3, 32, 32))
    seen = set()
    for _ in range(60):
        draw(network, ())
        seen.add(graphs[0].paths.path)
    assert seen == {None, 0, 1, 2}
    network.eval()
    draw(network, ())
    assert graphs[0].paths.path is None


def test_a_single_path_of_the_fractal_is_one_column() -> None:
    """Only the kept column's convolutions get gradients."""
    network = build(fractalnet(3, widths=(4,), dropout=(0.0,), num_classes=2), seed=0).train()
    network._forward_pre_hooks.clear()
    graph = next(each for each in network.modules() if isinstance(each, Dag))
    for path, column in ((0, 3), (1, 2), (2, 1)):
        network.zero_grad(set_to_none=True)
        graph.paths.path = path
        network(torch.randn(2, 3, 32, 32)).sum().backward()
        trained = {name for name, part in graph.items() if any(each.grad is not None for each in part.parameters())}
        assert trained == {name for name in graph if name.startswith(f"column{column}_")}


def test_local_drop_path_never_drops_all() -> None:
    graph = next(each for each in build(SMALL["fractalnet"], seed=0).modules() if isinstance(each, Dag))
    graph.train()
    graph.drop_rate = 0.97
    parts = [torch.full((512, 1, 1, 1), float(value)) for value in (1, 2, 4)]
    joined = graph._joined("mean", parts).flatten()
    means = {1.0, 2.0, 4.0, 1.5, 2.5, 3.0, 7 / 3}
    assert all(any(abs(float(value) - mean) < 1e-6 for mean in means) for value in joined)
    assert {1.0, 2.0, 4.0} <= {float(value) for value in joined}


def test_a_copy_draws_its_own_paths() -> None:
    network = build(SMALL["fractalnet"], seed=0).train()
    other = copy.deepcopy(network)
    ours, theirs = (next(each for each in net.modules() if isinstance(each, Dag)).paths for net in (network, other))
    assert ours is not theirs
    assert next(iter(other._forward_pre_hooks.values())) is theirs


def test_nfnet_repeats_know_their_place() -> None:
    """Block i of a stage divides by the deviation of i residual sums, a stage's first by that of the stage before."""
    network = build(msgspec.structs.replace(nfnet(0, num_classes=2, resolution=64), stages=nfnet(0).stages[:3]))
    gains = [part.gain for name, part in network.named_modules() if name.endswith("preact")]
    gelu = 1.7015043497085571
    sums = [0, 1, 1, 2, 1, 2, 3, 4, 5]
    assert gains == pytest.approx([gelu / (1 + 0.04 * count) ** 0.5 for count in sums])


def test_residual_sums_keep_the_variance_they_are_divided_by() -> None:
    """With the learned gain at 1 a standard normal map leaves block i with a variance near 1 + 0.04 i."""
    arch = nfnet(0, num_classes=2)
    stage = msgspec.structs.replace(arch.stages[2], width=512, stride=1)
    network = build(msgspec.structs.replace(arch, input=(512, 8, 8), stem=(), stages=(stage,)), seed=0).eval()
    for name, part in network.named_modules():
        if name.endswith("gain"):
            nn.init.ones_(part.scale)
    x = torch.randn(4, 512, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        out = network.stage0(x)
    assert 1.0 < float(out.var()) < 3.0
