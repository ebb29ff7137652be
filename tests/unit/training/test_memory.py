"""Predicted memory against what whole training steps allocate on a CPU."""

from __future__ import annotations

import msgspec
import pytest
import torch
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile

from naslab.arch import ArchSpec
from naslab.arch.build import build
from naslab.execution.source import make_candidate
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import Fidelity
from naslab.study.recipe import Recipe
from naslab.training.memory import WorkerMemory, training_memory
from naslab.training.optimizer import make_optimizer
from naslab.zoo import model

pytestmark = pytest.mark.filterwarnings(  # the profiler of torch 2.11 says so at its first use
    "ignore:Warning. Profiler clears events at the end of each cycle:UserWarning"
)
TOO_LITTLE, TOO_MUCH = 0.95, 1.4
"""Predictions lie between these shares of what is measured: a pack must fit, and little room may be wasted."""


def measured_bytes(arch: ArchSpec, recipe: Recipe) -> int:
    """The most memory that a training holds in its second step: weights, optimiser, gradients and maps."""
    module = build(arch, seed=0).to(memory_format=torch.channels_last).train()
    optimizer = make_optimizer(module, recipe)
    images = torch.randn(recipe.batch_size, *arch.input).contiguous(memory_format=torch.channels_last)
    labels = torch.zeros(recipe.batch_size, dtype=torch.int64)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            logits = module(images)
        loss = functional.cross_entropy(logits.float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    step()
    held = sum(each.nbytes for each in [*module.parameters(), *module.buffers(), images])
    held += sum(each.grad.nbytes for each in module.parameters())
    held += sum(each.nbytes for state in optimizer.state.values() for each in state.values() if each is not None)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        step()
    now = most = 0
    for event in seen.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            most = max(most, now)
    return held + most


@pytest.mark.parametrize(
    ("name", "resolution"),
    [
        ("resnet20_cifar", 32),
        ("mobilenet_v2", 32),
        ("mobilenet_v3_small", 64),
        ("efficientnet_b0", 32),
        ("shufflenet_v2_x0_5", 64),
        ("squeezenet1_0", 64),
    ],
)
def test_the_predicted_memory_is_what_a_step_takes_and_not_much_more(name, resolution):
    arch = model(name, num_classes=10, resolution=resolution)
    recipe = Recipe(batch_size=48)
    share = training_memory(arch, recipe).total / measured_bytes(arch, recipe)

    assert TOO_LITTLE < share < TOO_MUCH, f"{share:.2f} of what was measured"


@pytest.mark.parametrize("changes", [{"optimizer": "adamw"}, {"batch_size": 64}])
def test_the_recipe_is_counted_in(changes):
    arch = model("resnet20_cifar")
    recipe = Recipe(**({"batch_size": 48} | changes))
    assert TOO_LITTLE < training_memory(arch, recipe).total / measured_bytes(arch, recipe) < TOO_MUCH


def test_a_gpu_computes_in_half_the_bytes_and_averages_take_a_copy():
    arch = model("resnet20_cifar")
    host, gpu = training_memory(arch, Recipe()), training_memory(arch, Recipe(), "cuda")
    assert host.maps / 2 <= gpu.maps < 0.6 * host.maps
    assert gpu.optimizer == host.optimizer == host.gradients == 4 * 269_722
    assert training_memory(arch, Recipe(ema_decay=0.99)).weights == 2 * host.weights
    assert training_memory(arch, Recipe(ema_decay=0.99, stop_patience=3)).weights == 3 * host.weights


def test_recorded_steps_keep_their_maps_while_a_network_is_evaluated():
    arch = model("resnet20_cifar")
    plain, recorded = training_memory(arch, Recipe(), "cuda"), training_memory(arch, Recipe(graphs="auto"), "cuda")
    assert plain.maps < recorded.maps < 2 * plain.maps
    assert training_memory(arch, Recipe(graphs="auto")) == training_memory(arch, Recipe())


def test_a_worker_holds_its_images_unless_they_are_streamed():
    held = WorkerMemory(Recipe(), DataChoice(name="cifar10", max_images=1000))
    streamed = WorkerMemory(Recipe(), DataChoice(name="cifar10", storage="stream"))
    assert held.idle_bytes("cpu") - streamed.idle_bytes("cpu") == 1000 * 3072
    assert held.idle_bytes("cuda:1") > held.idle_bytes("cpu")


def test_a_lower_resolution_takes_less():
    memory = WorkerMemory(Recipe(), DataChoice(name="cifar10"))
    candidate = make_candidate(model("resnet20_cifar"), 0, 1, 0, "search")
    small = msgspec.structs.replace(candidate, fidelity=Fidelity(resolution=(16, 16)))
    assert memory.candidate_bytes(small, "cuda") < 0.5 * memory.candidate_bytes(candidate, "cuda")
