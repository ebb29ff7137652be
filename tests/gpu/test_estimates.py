"""Estimates on a GPU: precision, memory, running out of it, and what runs beside them."""

from __future__ import annotations

import msgspec
import pytest
import torch
from one_gpu import DEVICE
from torch import nn

from naslab.arch import ArchSpec
from naslab.arch.build import build
from naslab.estimators.estimator import Workbench
from naslab.estimators.short_training import ShortTraining
from naslab.execution.executor import Finished
from naslab.execution.local import LocalExecutor
from naslab.execution.source import make_candidate
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import Candidate, Estimate
from naslab.study.recipe import Recipe
from naslab.training.loop import train
from naslab.training.memory import WorkerMemory, training_memory
from naslab.zoo import model

DIGITS = DataChoice(name="digits")
RECIPE = Recipe(batch_size=64, learning_rate=0.05, dropout=0.2)


def network(resolution: int = 16) -> ArchSpec:
    """ResNet-20 for the digits, which are resized."""
    return msgspec.structs.replace(model("resnet20_cifar"), input=(1, resolution, resolution))


def estimator(**changes) -> ShortTraining:
    return ShortTraining(data=DIGITS, recipe=msgspec.structs.replace(RECIPE, **changes))


def candidates(count: int, epochs: int = 2) -> list[Candidate]:
    return [make_candidate(network(), trial, epochs, trial, "search") for trial in range(count)]


def packed(how: ShortTraining, given: list[Candidate], num_workers: int) -> dict[int, Estimate]:
    """The estimates of workers that share the GPU."""
    found, waiting, busy = {}, list(given), 0
    with LocalExecutor(how, num_workers, DEVICE) as executor:
        while waiting or busy:
            while waiting and busy < executor.num_slots:
                executor.submit(waiting.pop(0))
                busy += 1
            for event in executor.wait(1.0):
                if isinstance(event, Finished):
                    busy -= 1
                    found[event.candidate.trial] = event.estimate
    return found


def timeless(estimate: Estimate) -> list[tuple[float, float, float]]:
    return [(each.train_loss, each.validation_loss, each.validation_accuracy) for each in estimate.curve]


@pytest.mark.parametrize("graphs", ["off", "on"])
def test_estimates_repeat_themselves_whatever_ran_before(cache, graphs):
    how, bench = estimator(graphs=graphs), Workbench(device=DEVICE)
    first = how.estimate(candidates(1)[0], bench)
    assert first.failure is None
    assert "not_captured" not in first.notes
    how.estimate(candidates(2)[1], bench)
    assert timeless(how.estimate(candidates(1)[0], bench)) == timeless(first)
    assert first.peak_memory_bytes > 0


@pytest.mark.parametrize("graphs", ["off", "on"])
def test_packed_candidates_learn_what_they_learn_alone(cache, graphs):
    how, bench = estimator(graphs=graphs), Workbench(device=DEVICE)
    given = candidates(4)
    together = packed(how, given, 3)
    assert sorted(together) == [0, 1, 2, 3]
    for candidate in given:
        alone = how.estimate(candidate, bench)
        assert together[candidate.trial].failure is None
        for one, other in zip(timeless(alone), timeless(together[candidate.trial]), strict=True):
            assert one == pytest.approx(other, rel=1e-3)


def test_one_candidates_failure_leaves_the_others_alone(cache):
    """The second one takes colour images, and there are none."""
    first, _, third = candidates(3)
    broken = make_candidate(msgspec.structs.replace(network(), input=(3, 16, 16)), 1, 2, 1, "search")
    together = packed(estimator(graphs="on"), [first, broken, third], 3)
    assert together[1].failure is not None
    assert "3 channels" in together[1].failure.message
    assert together[0].failure is together[2].failure is None


def test_out_of_memory_halves_the_batch_and_is_noted(cache):
    how, bench = estimator(batch_size=1024), Workbench(device=DEVICE)
    large = make_candidate(network(96), 0, 1, 0, "search")
    how.prepare(bench)
    need = training_memory(large.arch, how.recipe, DEVICE).total
    room = torch.cuda.memory_reserved(DEVICE) + 0.4 * need
    torch.cuda.set_per_process_memory_fraction(room / torch.cuda.get_device_properties(DEVICE).total_memory, DEVICE)
    try:
        estimate = how.estimate(large, bench)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, DEVICE)
    assert estimate.failure is None
    assert estimate.notes["out_of_memory_at_batch_size"][0] == 1024
    assert estimate.notes["batch_size"] < 1024
    assert estimate.notes["learning_rate"] == pytest.approx(0.05 * estimate.notes["batch_size"] / 1024)


def test_networks_compute_in_bfloat16_and_channels_last(digits):
    seen = set()
    module = build(network(), 0)

    def look(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        if layer.training:
            is_last = all(
                each.is_contiguous(memory_format=torch.channels_last) for each in (inputs[0], layer.weight, output)
            )
            seen.add((output.dtype, is_last))

    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(look)
    recipe = msgspec.structs.replace(RECIPE, crop_padding=1, horizontal_flip=True, mixup=0.2, cutmix=0.5)
    train(module, digits, recipe, 1, size=(16, 16))
    assert seen == {(torch.bfloat16, True)}
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}


@pytest.mark.parametrize("graphs", ["off", "on"])
def test_the_predicted_memory_is_enough_and_not_far_more(cache, graphs):
    """What the device gave to the process, its context aside, against the prediction that packs are made by."""
    how, bench = estimator(batch_size=512, graphs=graphs), Workbench(device=DEVICE)
    candidate = make_candidate(network(64), 0, 1, 0, "search")
    how.prepare(bench)
    torch.cuda.empty_cache()
    held = torch.cuda.memory_reserved(DEVICE)
    torch.cuda.reset_peak_memory_stats(DEVICE)
    assert how.estimate(candidate, bench).failure is None
    taken = torch.cuda.max_memory_reserved(DEVICE) - held
    predicted = WorkerMemory(how.recipe, DIGITS).candidate_bytes(candidate, DEVICE)
    assert 0.9 * taken < predicted < 3 * taken
