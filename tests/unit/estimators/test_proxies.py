"""Each proxy beside a slow reference of its own or a case worked out by hand; and what all of them promise."""

from __future__ import annotations

import math
import pickle
from collections import OrderedDict

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

from naslab.arch import ArchSpec, ConvBlock, Head, MBConv, SqueezeExcite, Stage, StochasticDepth, arch_id, cost
from naslab.arch.build import build
from naslab.errors import SpecError, UnknownNameError
from naslab.estimators.estimator import Workbench
from naslab.estimators.proxies.codes import code_kernel, naswot
from naslab.estimators.proxies.description import described, num_layers
from naslab.estimators.proxies.flow import synflow
from naslab.estimators.proxies.gradients import grad_norm, snip, zico
from naslab.estimators.proxies.jacobian import STABILISER, correlation_score, jacob_cov
from naslab.estimators.proxies.proxy import PROXIES, Probe, Proxy
from naslab.estimators.proxies.readiness import draw_batches, loss_gradients, ready_network
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import Candidate, Estimate, Fidelity
from naslab.training.augment import Batch
from naslab.training.data import load_dataset

PROBE = Probe(data=DataChoice(name="digits", max_images=200), batch_size=16)
CPU = torch.device("cpu")


def candidate_of(width: int = 8, channels: int = 1, **parts: object) -> Candidate:
    stages = (Stage(block=ConvBlock(), width=width), Stage(block=MBConv(), width=2 * width, stride=2))
    arch = ArchSpec(**{"input": (channels, 8, 8), "stages": stages, "num_classes": 10, **parts})
    return Candidate(trial=0, arch=arch, arch_id=arch_id(arch), cost=cost(arch), fidelity=Fidelity(), seed=3)


def batches_of(module_input: tuple[int, ...], count: int = 2, size: int = 6, classes: int = 4) -> list[Batch]:
    generator = torch.Generator().manual_seed(0)
    return [
        Batch(
            torch.randn(size, *module_input, generator=generator),
            torch.randint(classes, (size,), generator=generator),
        )
        for _ in range(count)
    ]


def small_network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(2, 5, 3, padding=1),
            act=nn.ReLU(inplace=True),
            pool=nn.AdaptiveAvgPool2d(1),
            flat=nn.Flatten(),
            linear=nn.Linear(5, 4),
        )
    )


def test_codes_agree_where_both_units_are_on_or_both_off():
    module = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    nn.init.eye_(module[0].weight)
    nn.init.zeros_(module[0].bias)
    images = torch.tensor([[1.0, 1.0, -1.0], [1.0, -1.0, -1.0], [-1.0, -1.0, 1.0]])
    assert code_kernel(module, images).tolist() == [[3, 2, 0], [2, 3, 1], [0, 1, 3]]
    # 3 (9 - 1) - 2 (6 - 0) + 0 = 12
    assert naswot(module, [Batch(images, torch.zeros(3))]) == pytest.approx(math.log(12))


def test_naswot_is_the_determinant_of_counted_agreements():
    module, batches = small_network(), batches_of((2, 4, 4))
    units = module.conv(batches[0].images).flatten(1) > 0
    kernel = [[sum(bool(a) == bool(b) for a, b in zip(one, two, strict=True)) for two in units] for one in units]
    assert naswot(module, batches) == pytest.approx(np.linalg.slogdet(np.array(kernel, float))[1], rel=1e-9)


def test_naswot_takes_the_sign_of_what_goes_into_other_activations():
    torch.manual_seed(0)
    linear = nn.Linear(4, 9)
    batch = batches_of((4,))
    assert naswot(nn.Sequential(linear, nn.SiLU()), batch) == naswot(nn.Sequential(linear, nn.ReLU()), batch)
    assert naswot(nn.Sequential(linear, nn.GELU()), batch) == naswot(nn.Sequential(linear, nn.ReLU()), batch)


def test_naswot_needs_activations():
    with pytest.raises(SpecError, match="activations"):
        naswot(nn.Sequential(nn.Linear(4, 4)), batches_of((4,)))


def test_no_correlation_scores_as_the_eigenvalues_of_the_identity():
    slopes = torch.tensor([[1.0, -1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0, 0.0, 0.0]])
    one = 1 + STABILISER
    assert correlation_score(slopes) == pytest.approx(-2 * (math.log(one) + 1 / one))


def test_jacobian_covariance_is_that_of_each_image_alone():
    module, batches = small_network(), batches_of((2, 4, 4))
    rows = []
    for image in batches[0].images:
        one = image[None].clone().requires_grad_(True)
        module(one).sum().backward()
        rows.append(one.grad.flatten().numpy().astype(np.float64))
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(np.array(rows))).clip(min=0) + STABILISER
    assert jacob_cov(module, batches) == pytest.approx(-float(np.sum(np.log(eigenvalues) + 1 / eigenvalues)), rel=1e-3)


def test_grad_norm_and_snip_of_one_layer_have_a_closed_form():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(8, 4, bias=False))
    batches = batches_of((2, 2, 2))
    images = batches[0].images.flatten(1).double()
    weight = module[1].weight.detach().double()
    wrong = torch.softmax(images @ weight.T, 1) - torch.eye(4, dtype=torch.float64)[batches[0].labels]
    gradient = wrong.T @ images / len(images)
    assert grad_norm(module, batches) == pytest.approx(float(gradient.norm()), rel=1e-5)
    assert snip(module, batches) == pytest.approx(float((gradient * weight).abs().sum()), rel=1e-5)


def test_grad_norm_adds_layers_not_their_squares():
    module, batches = small_network(), batches_of((2, 4, 4))
    one, two = (float(each.norm()) for each in loss_gradients(module, batches[0]))
    assert grad_norm(module, batches) == pytest.approx(one + two, rel=1e-6)


def test_zico_is_the_log_of_mean_over_deviation_layer_by_layer():
    module, batches = small_network(), batches_of((2, 4, 4), count=3)
    drawn = [[each.numpy().astype(np.float64) for each in loss_gradients(module, batch)] for batch in batches]
    expected = 0.0
    for layer in range(2):
        sizes = np.abs(np.stack([each[layer] for each in drawn]))
        expected += math.log((sizes.mean(0) / sizes.std(0)).sum())
    assert zico(module, batches) == pytest.approx(expected, rel=1e-6)


def test_zico_leaves_out_what_never_changes():
    module, batches = small_network(), batches_of((2, 4, 4), count=1)
    assert zico(module, [batches[0], batches[0]]) == 0.0


def test_synaptic_flow_of_a_chain_is_its_paths_once_a_layer():
    module = nn.Sequential(nn.Flatten(), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    with torch.no_grad():
        module[1].weight.copy_(torch.tensor([[1.0, -2.0], [-3.0, 4.0]]))
        module[3].weight.copy_(torch.tensor([[-5.0, 6.0]]))
    # 5 (1 + 2) + 6 (3 + 4) = 57 through either layer
    assert synflow(module, [Batch(torch.zeros(3, 2), torch.zeros(3))]) == pytest.approx(math.log(2 * 57))


def test_synaptic_flow_is_the_derivative_in_the_scale_of_each_weight():
    """R(weights) of an image of ones by a forward pass alone: sum of weight x dR / dweight by central differences."""
    torch.manual_seed(0)
    widths = (nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU6(), nn.Conv2d(3, 2, 1), nn.Flatten())
    module = nn.Sequential(*widths, nn.Linear(8, 2)).double()
    layers = (module[0], module[3], module[5])

    def flow(scales: tuple[float, ...]) -> float:
        x = torch.ones(1, 1, 2, 2, dtype=torch.float64)
        x = nn.functional.conv2d(x, scales[0] * layers[0].weight.abs(), padding=1)
        x = nn.functional.conv2d(x, scales[1] * layers[1].weight.abs())
        return float(nn.functional.linear(x.flatten(1), scales[2] * layers[2].weight.abs()).sum())

    step, total = 1e-5, 0.0
    with torch.no_grad():
        for layer in range(3):
            up, down = ([1.0 + sign * step * (layer == index) for index in range(3)] for sign in (1, -1))
            total += (flow(tuple(up)) - flow(tuple(down))) / (2 * step)
    assert synflow(module, [Batch(torch.zeros(1, 1, 2, 2), torch.zeros(1))]) == pytest.approx(math.log(total), rel=1e-6)


def test_synaptic_flow_of_a_deep_network_stays_finite():
    stages = (Stage(block=MBConv(se=SqueezeExcite()), width=16, repeats=60),)
    arch = ArchSpec(input=(3, 8, 8), stages=stages, num_classes=10, activation="silu")
    value = synflow(build(arch, 0), [Batch(torch.zeros(1, 3, 8, 8), torch.zeros(1))])
    assert math.isfinite(value)


def test_descriptions_count():
    candidate = candidate_of()
    assert described("params", candidate.arch, candidate.cost) == cost(candidate.arch).params
    assert described("macs", candidate.arch, candidate.cost) == cost(candidate.arch).macs
    assert described("layers", candidate.arch, candidate.cost) == 2
    assert num_layers(candidate.arch) == 2


def test_a_ready_network_drops_nothing_and_norms_take_the_batch():
    stages = (Stage(block=MBConv(), width=8, repeats=3),)
    arch = ArchSpec(
        input=(1, 8, 8),
        stages=stages,
        num_classes=3,
        head=Head(dropout=0.5),
        stochastic_depth=StochasticDepth(rate=0.5),
    )
    module = ready_network(arch, 0, CPU)
    images = torch.randn(4, 1, 8, 8)
    assert torch.equal(module(images), module(images))
    assert all(each.training == isinstance(each, nn.BatchNorm2d) for each in module.modules())


def test_batches_share_no_image_and_follow_the_seed():
    split = load_dataset(PROBE.data)
    one, two = draw_batches(split, (8, 8), 0, 20, 2)
    again, _ = draw_batches(split, (8, 8), 0, 20, 2)
    other, _ = draw_batches(split, (8, 8), 1, 20, 2)
    assert torch.equal(one.images, again.images)
    assert not torch.equal(one.images, other.images)
    rows = {tuple(image.flatten().tolist()) for batch in (one, two) for image in batch.images}
    assert len(rows) == 40
    assert len(draw_batches(split, (8, 8), 0, 10_000, 2)[0].labels) == len(split.train) // 2


@pytest.fixture(scope="module")
def bench() -> Workbench:
    bench = Workbench(device="cpu", cache={})
    for name in PROXIES:
        Proxy(name=name, probe=PROBE).prepare(bench)
    return bench


@pytest.mark.parametrize("name", PROXIES)
def test_a_proxy_is_a_value_and_the_same_whatever_came_between(name, bench):
    proxy = Proxy(name=name, probe=PROBE)
    assert pickle.loads(pickle.dumps(proxy)) == proxy  # noqa: S301  (its own)
    first = proxy.estimate(candidate_of(), bench)
    assert first.failure is None
    assert set(first.measured) == {name}
    assert math.isfinite(first.measured[name])
    proxy.estimate(candidate_of(width=4), bench)
    torch.manual_seed(7)
    assert proxy.estimate(candidate_of(), bench).measured == first.measured
    assert msgspec.json.decode(msgspec.json.encode(first), type=Estimate) == first


@pytest.mark.parametrize("name", ["naswot", "zico"])
def test_what_does_not_fit_the_images_is_a_failure(name, bench):
    estimate = Proxy(name=name, probe=PROBE).estimate(candidate_of(channels=3), bench)
    assert estimate.failure is not None
    assert estimate.failure.reason == "invalid"
    assert "channels" in estimate.failure.message


def test_images_with_the_same_code_have_no_naswot(bench):
    arch = ArchSpec(input=(1, 8, 8), stages=(Stage(block=ConvBlock(), width=1, stride=8),), num_classes=10)
    candidate = msgspec.structs.replace(candidate_of(), arch=arch)
    estimate = Proxy(name="naswot", probe=PROBE).estimate(candidate, bench)
    assert estimate.failure is not None
    assert estimate.failure.reason == "diverged"
    assert "-inf" in estimate.failure.message


def test_synflow_needs_no_data():
    proxy = Proxy(name="synflow", probe=Probe(data=DataChoice(name="cifar10"), data_dir="/nowhere"))
    bench = Workbench(device="cpu", cache={})
    proxy.prepare(bench)
    assert proxy.estimate(candidate_of(), bench).failure is None


def test_unknown_proxies_and_batches_of_one_are_refused():
    with pytest.raises(UnknownNameError, match="naswot"):
        Proxy(name="naswott", probe=PROBE)
    with pytest.raises(SpecError, match="batch_size"):
        Probe(data=PROBE.data, batch_size=1)
