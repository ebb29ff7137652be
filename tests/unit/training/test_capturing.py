"""Recorded steps: a replay is the step, bit by bit, and what cannot be recorded says why and runs without."""

from __future__ import annotations

from collections import OrderedDict

import msgspec
import pytest
import torch
from networks import conv_net, random_net
from recordings import Recorder, Refuser, Rerunner
from torch import nn
from traced_training import traced_training

from naslab.arch import AuxiliaryHead, NormStyle
from naslab.arch.build import build
from naslab.arch.graphs import Dag, Reading
from naslab.errors import DivergedError
from naslab.study.data_choice import DataChoice
from naslab.study.recipe import Recipe
from naslab.training.augment import Batch
from naslab.training.capturing import (
    PAYS_BACK_AFTER,
    WARM_STEPS,
    Capture,
    CapturedStep,
    pays_to_capture,
    what_forbids_capture,
)
from naslab.training.data import ImageSet, load_dataset
from naslab.training.loop import train

PLAIN = Recipe(batch_size=10, learning_rate=0.05, graphs="on", precision="float32")
RECIPES = {
    "plain": {},
    "plain momentum": {"nesterov": False, "schedule": "cosine", "warmup_epochs": 1.0},
    "adamw": {"optimizer": "adamw", "learning_rate": 1e-3},
    "rmsprop": {"optimizer": "rmsprop", "learning_rate": 1e-3, "ema_decay": 0.9},
    "plateau": {"schedule": "plateau", "patience": 1, "step_factor": 0.5},
    "mixed": {"mixup": 0.2, "cutmix": 0.5, "crop_padding": 1, "cutout": 2, "label_smoothing": 0.1},
    "averaged": {"ema_decay": 0.9},
    "averaged, warm": {"ema_decay": 0.99, "ema_warmup": True},
    "clipped": {"clip_ratio": 0.01, "clip_norm": 0.5, "l1": 1e-4, "l2": 1e-3},
    "dropped": {"dropout": 0.3, "stochastic_depth": 0.3, "drop_connect": 0.2},
    "bfloat16": {"precision": "bfloat16"},
}


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """105 images: with batches of 10 six of an epoch are of ten images and five of nine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        digits = load_dataset(DataChoice(name="digits"))
    return digits._replace(
        train=ImageSet(*(part[:105] for part in digits.train)),
        validation=ImageSet(*(part[:40] for part in digits.validation)),
    )


def trained(few, recipe, capturer=None, *, arch=None, epochs=2, **more):
    """What a training leaves; eager without a capturer."""
    recipe = recipe if capturer is not None else msgspec.structs.replace(recipe, graphs="off")
    return traced_training(arch or random_net(), few, recipe, lambda device: capturer, epochs=epochs, **more)


def assert_same(first, second):
    assert first.curve == second.curve
    assert first.weights.keys() == second.weights.keys()
    assert all(torch.equal(value, second.weights[name]) for name, value in first.weights.items())


@pytest.mark.parametrize("name", RECIPES)
def test_a_recorded_training_is_the_training_bit_by_bit(few, name):
    """With the host's numbers of the recording and its memory: a rate or a share baked in would be found here."""
    recipe = msgspec.structs.replace(PLAIN, **RECIPES[name])
    recorder = Recorder()
    recorded = trained(few, recipe, recorder)
    assert_same(recorded, trained(few, recipe))
    assert recorded.notes == {}
    assert recorder.num_captures == 2  # of batches of ten and of nine
    assert recorder.num_runs == 2 * WARM_STEPS
    assert recorder.num_replays > 10


def test_auxiliary_heads_are_recorded_too(few):
    arch = conv_net(auxiliary=(AuxiliaryHead(after=0),))
    assert_same(trained(few, PLAIN, Recorder(), arch=arch), trained(few, PLAIN, arch=arch))


def test_running_statistics_settle_before_they_are_recorded(few):
    """The momentum of batch norm falls in the first steps, and a recording would keep the one that it saw."""
    arch = conv_net(norm=NormStyle(momentum=0.01))
    recorder = Recorder()
    assert_same(trained(few, PLAIN, recorder, arch=arch, epochs=4), trained(few, PLAIN, arch=arch, epochs=4))
    assert recorder.num_replays > 20


def test_it_goes_on_from_a_checkpoint_bit_by_bit(few):
    recipe = msgspec.structs.replace(PLAIN, ema_decay=0.99, ema_warmup=True, optimizer="adamw", learning_rate=1e-3)
    begun = trained(few, recipe, Recorder(), epochs=1, schedule_epochs=3)
    recorder = Recorder()
    assert_same(trained(few, recipe, epochs=3), trained(few, recipe, recorder, epochs=3, start=begun.checkpoint))
    assert recorder.num_replays > 15


def test_a_device_without_memory_for_a_recording_trains_without_one(few):
    refuser = Refuser()
    seen = trained(few, PLAIN, refuser)
    assert_same(seen, trained(few, PLAIN))
    assert seen.notes == {"not_captured": "CUDA out of memory. Tried to allocate 2.00 GiB."}
    assert (refuser.num_captures, refuser.num_replays) == (1, 0)


def test_the_cause_of_a_failed_recording_is_noted_not_that_of_leaving_it():
    class Leaver(Rerunner):
        def capture(self, work):
            try:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            except RuntimeError:
                raise RuntimeError("operation failed due to a previous error during capture")  # noqa: B904

    notes = {}
    step = CapturedStep(lambda batch: batch.images.sum(), Capture(Leaver(), notes.__setitem__))
    for _ in range(WARM_STEPS + 2):
        step(example(2))
    assert notes == {"not_captured": "CUDA out of memory."}


def example(count):
    return Batch(torch.full((count, 1, 2, 2), float(count)), torch.zeros(count, dtype=torch.int64))


def test_each_size_of_batch_has_a_recording_of_its_own():
    recorder = Recorder()
    step = CapturedStep(lambda batch: batch.images.sum(), Capture(recorder, lambda name, text: None))
    seen = [float(step(example(count))) for count in (3, 2) * (WARM_STEPS + 2)]
    assert seen == [36.0, 16.0] * (WARM_STEPS + 2)
    assert (recorder.num_captures, recorder.num_runs, recorder.num_replays) == (2, 2 * WARM_STEPS, 4)


def test_what_reads_back_to_the_host_is_refused_and_runs_without():
    """As batch norm without a momentum of its own does: it averages over the count of its batches."""
    module = nn.Sequential(nn.BatchNorm2d(1, momentum=None)).train()
    notes = {}
    step = CapturedStep(lambda batch: module(batch.images).sum(), Capture(Recorder(), notes.__setitem__))
    for _ in range(WARM_STEPS + 2):
        step(example(4))
    assert "not permitted" in notes["not_captured"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"drop_block": 0.2, "drop_block_size": 3}, "drop_block: its rate changes in every step"),
        ({"tune": "gradual:1"}, "gradual:1: what is trained changes between epochs"),
    ],
)
def test_recipes_that_cannot_be_recorded_say_why_and_train_as_without(few, changes, reason):
    recipe = msgspec.structs.replace(PLAIN, **changes)
    recorder = Recorder()
    seen = trained(few, recipe, recorder, epochs=1)
    assert_same(seen, trained(few, recipe, epochs=1))
    assert seen.notes == {"not_captured": reason}
    assert recorder.num_runs == 0


def test_a_recorded_training_that_diverges_stops(few):
    recipe = msgspec.structs.replace(PLAIN, learning_rate=1e4, schedule="constant")
    with pytest.raises(DivergedError):
        trained(few, recipe, Recorder(), arch=conv_net(norm=None))


def test_paths_drawn_on_the_host_cannot_be_recorded():
    layers = OrderedDict(a=nn.Identity(), b=nn.Identity())
    reads = (Reading((0,)), Reading((0, 1), "mean"))
    assert "drawn on the host" in what_forbids_capture(Dag(layers, reads, (2,), drop_rate=0.1), Recipe())
    assert what_forbids_capture(Dag(layers, reads, (2,)), Recipe()) == ""


def test_a_cpu_has_no_graphs_and_says_so_where_they_are_asked_for(few):
    notes = {}
    module = build(conv_net(), 0)
    train(module, few, PLAIN, 1, size=(8, 8), remark=notes.__setitem__)
    assert notes == {"not_captured": "a cpu device has no CUDA graphs"}
    assert all(parameter.grad is None for parameter in module.parameters())


@pytest.mark.parametrize("graphs", ["off", "auto"])
def test_nothing_is_noted_where_nothing_is_asked_for(few, graphs):
    notes = {}
    recipe = msgspec.structs.replace(PLAIN, graphs=graphs)
    train(build(conv_net(), 0), few, recipe, 1, size=(8, 8), remark=notes.__setitem__)
    assert notes == {}


def test_recording_pays_on_a_gpu_in_all_but_the_shortest_trainings():
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    auto = Recipe(graphs="auto")
    assert [pays_to_capture(auto, gpu, steps) for steps in (10, PAYS_BACK_AFTER)] == [False, True]
    assert not pays_to_capture(auto, cpu, 10**9)
    assert pays_to_capture(Recipe(graphs="on"), gpu, 1)
    assert not pays_to_capture(Recipe(), gpu, 10**9)


def test_a_number_of_the_host_that_changes_is_found_by_the_recorder():
    """The substitute itself: it repeats the host's numbers, so that the tests above can fail."""
    factor = 1.0
    step = CapturedStep(lambda batch: batch.images.sum() * factor, Capture(Recorder(), lambda name, text: None))
    seen = []
    for factor in range(WARM_STEPS + 3):  # noqa: B007 - the step reads it
        seen.append(float(step(example(1))))
    assert seen == [4.0 * min(each, WARM_STEPS) for each in range(WARM_STEPS + 3)]
