"""Against torchvision's own networks: the same counts at any size, and the same logits with the same weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from passed_norms import norms_passed_on
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models
from torchvision.models import regnet

from naslab.arch import cost, lower
from naslab.arch.build import module_of
from naslab.errors import SpecError
from naslab.zoo import model, model_names, zoo_entries
from naslab.zoo.entry import TORCHVISION
from naslab.zoo.torchvision_weights import AUXILIARY, load_torchvision_state, translated_state

# torchvision's GoogLeNet has batch normalisation and 3x3 filters for the paper's 5x5: another network.
SHARED = [name for name in model_names() if name in models.list_models(module=models) and name != "googlenet"]
SMALLEST = {
    min((name for name in SHARED if zoo_entries()[name].family == family), key=lambda name: cost(model(name)).macs)
    for family in {zoo_entries()[name].family for name in SHARED}
}
"""The network of the fewest macs of each family: the slow tests have the others."""
LARGE = {name for name in SHARED if cost(model(name)).params > 30e6} - {
    "alexnet",
    "vgg11",
    "vgg11_bn",
    "wide_resnet50_2",
}
"""Networks of the layers that a smaller one of their family has: their weights are given places and are not run."""


HEAVY = {"vgg11", "wide_resnet50_2"}
"""The smallest of their families, which take seconds to run all the same."""


def cases(names: Iterable[str], quick: set[str] = SMALLEST) -> list[Any]:
    return [pytest.param(each, marks=() if each in quick else pytest.mark.slow) for each in names]


def test_torchvision_has_most_families() -> None:
    assert len(SHARED) > 45


def test_accuracies_said_to_be_torchvisions_are() -> None:
    entries = [each for each in zoo_entries().values() if each.published and each.published.source == TORCHVISION]
    assert len(entries) > 45
    for entry in entries:
        measured = models.get_model_weights(entry.name)["IMAGENET1K_V1"].meta["_metrics"]["ImageNet-1K"]["acc@1"]
        assert (entry.name, entry.published.top1) == (entry.name, measured)


@pytest.mark.parametrize("name", cases(SHARED))
def test_counts(name: str) -> None:
    arch = model(name, num_classes=12, resolution=None if "inception" in name else (225, 192))
    expected = cost(arch)
    with torch.device("meta"):
        network = reference(name, 12)
    activations = 0

    def add(_: nn.Module, __: object, output: Tensor) -> None:
        nonlocal activations
        activations += output.numel()

    for each in network.modules():
        if isinstance(each, nn.Conv2d):
            each.register_forward_hook(add)
    with norms_passed_on(), FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.empty(1, *arch.input, device="meta"))
    assert (counter.get_total_flops() // 2, activations) == (expected.macs, expected.activations)
    heads = sum(each.numel() for name, each in network.named_parameters() if name.startswith("AuxLogits"))
    assert sum(each.numel() for each in network.parameters()) - heads == expected.params


@pytest.mark.parametrize("name", cases((each for each in SHARED if each not in LARGE), SMALLEST - HEAVY))
def test_same_weights_same_logits(name: str) -> None:
    arch = model(name, num_classes=12, resolution=80 if "inception" in name else 64)
    images = torch.randn(4 if "inception" in name else 2, *arch.input, generator=torch.Generator().manual_seed(1))
    theirs = randomised(materialised(lambda: reference(name, 12)), images)
    ours = materialised(lambda: module_of(lower(arch)).eval())
    load_torchvision_state(ours, theirs.state_dict())
    with torch.inference_mode():
        expected, found = theirs(images), ours(images)
    assert 1e-2 < expected.abs().max() < 1e3
    assert (found - expected).abs().max() < 1e-4 * max(1.0, float(expected.abs().max()))


@pytest.mark.parametrize("name", cases(sorted(LARGE)))
def test_every_weight_of_a_large_network_has_its_place(name: str) -> None:
    with torch.device("meta"):
        theirs = reference(name, 12).state_dict()
        ours = module_of(lower(model(name, num_classes=12)))
    placed = translated_state(ours.state_dict(), theirs)
    names = {id(each): their_name for their_name, each in theirs.items()}
    pairs = {mine: names.pop(id(each)) for mine, each in placed.items()}
    assert not [each for each in names.values() if not each.startswith(AUXILIARY)]
    assert not [pair for pair in pairs.items() if "scale" not in pair[1] and len({each[-4:] for each in pair}) > 1]
    ours.load_state_dict(placed)


def test_another_network_is_refused() -> None:
    ours = module_of(lower(model("resnet18")))
    with pytest.raises(SpecError, match=r"^stage0\.0\.residual\.body\.conv1\.conv\.weight: is of shape"):
        load_torchvision_state(ours, models.resnet50().state_dict())


@pytest.fixture(autouse=True)
def _regnet_on_the_meta_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision computes RegNet's widths with tensors, which the meta device has no values for."""
    widths = regnet.BlockParams.from_init_params

    def on_the_cpu(**parameters: Any) -> regnet.BlockParams:
        with torch.device("cpu"):
            return widths(**parameters)

    monkeypatch.setattr(regnet.BlockParams, "from_init_params", on_the_cpu)


def reference(name: str, num_classes: int) -> nn.Module:
    if name == "inception_v3":
        return models.inception_v3(num_classes=num_classes, init_weights=False).eval()
    return models.get_model(name, num_classes=num_classes).eval()


def materialised(make: Callable[[], nn.Module]) -> nn.Module:
    """A module with memory, without the time that initial weights take."""
    with torch.device("meta"):
        module = make()
    return module.to_empty(device="cpu")


def randomised(module: nn.Module, images: Tensor) -> nn.Module:
    """Random weights, and statistics of those images, so that values keep their size from layer to layer."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in module.state_dict().items():
        if tensor.dim() > 1 and not name.endswith("layer_scale"):
            tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5, generator=generator)
        elif name.endswith("num_batches_tracked"):
            tensor.zero_()
        elif name.endswith(("bias", "running_mean")):
            tensor.normal_(0, 0.1, generator=generator)
        else:
            tensor.uniform_(0.5, 1.5, generator=generator)
    norms = [each for each in module.modules() if isinstance(each, nn.BatchNorm2d)]
    for each in norms:
        each.momentum = 1.0
        each.train()
    if norms:
        with torch.inference_mode():
            module(images)
    return module.eval()
