"""Steps recorded as CUDA graphs against the same steps run as they are."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
import torch
from one_gpu import DEVICE
from torch import nn
from traced_training import traced_training

from naslab.arch import ArchSpec, AuxiliaryHead, ConvBlock, Head, MBConv, ResidualBlock, Stage, StochasticDepth
from naslab.study.recipe import Recipe
from naslab.training.augment import Batch
from naslab.training.capturing import Advance, Capture, CapturedStep, Capturer, cuda_capturer
from naslab.training.halving import free_memory

NETWORK = ArchSpec(
    input=(1, 8, 8),
    stem=(Stage(block=ConvBlock(), width=16),),
    stages=(Stage(block=MBConv(expansion=2), width=16, repeats=2), Stage(block=ResidualBlock(), width=32, stride=2)),
    head=Head(dropout=0.3),
    stochastic_depth=StochasticDepth(rate=0.2),
    auxiliary=(AuxiliaryHead(after=0),),
    num_classes=10,
)
PLAIN = Recipe(batch_size=100, learning_rate=0.05, precision="float32", graphs="on")
RECIPES = {
    "plain": {},
    "adamw": {"optimizer": "adamw", "learning_rate": 1e-3},
    "rmsprop": {"optimizer": "rmsprop", "learning_rate": 1e-3},
    "mixed": {"mixup": 0.2, "cutmix": 0.5, "crop_padding": 1, "cutout": 2, "label_smoothing": 0.1},
    "averaged": {"ema_decay": 0.9},
    "averaged, warm": {"ema_decay": 0.99, "ema_warmup": True},
    "clipped": {"clip_ratio": 0.01, "clip_norm": 0.5, "l1": 1e-4, "l2": 1e-3},
    "dropped": {"dropout": 0.5, "stochastic_depth": 0.3, "drop_connect": 0.2},
    "bfloat16": {"precision": "bfloat16"},
}


class Counter:
    """A capturer that counts its recordings and replays."""

    def __init__(self, capturer: Capturer) -> None:
        self._capturer = capturer
        self.num_captures = 0
        self.num_replays = 0

    def run(self, work: Callable[[], None]) -> None:
        self._capturer.run(work)

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        replay = self._capturer.capture(work)
        self.num_captures += 1

        def counted() -> None:
            self.num_replays += 1
            replay()

        return counted


def trained(digits, recipe, *, epochs=3, make_capturer=cuda_capturer, **more):
    """What a training leaves, and the counters of its capturers."""
    counters = []

    def counted(device):
        counters.append(Counter(make_capturer(device)))
        return counters[-1]

    return traced_training(NETWORK, digits, recipe, counted, epochs=epochs, **more), counters


def assert_close(first, second, tolerance):
    for one, other in zip(first.curve, second.curve, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, rel=tolerance)
        assert one.validation_loss == pytest.approx(other.validation_loss, rel=tolerance)
    for name, value in first.weights.items():
        torch.testing.assert_close(value, second.weights[name], rtol=10 * tolerance, atol=tolerance)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recorded_training_is_the_eager_one(digits, name):
    """Random layers draw the same numbers too: a recording goes on with the generator where it stands.

    The learning rate is of single precision in one and of double in the other, so bits may differ.
    """
    recipe = msgspec.structs.replace(PLAIN, **RECIPES[name])
    recorded, (counter,) = trained(digits, recipe)
    eager, _ = trained(digits, msgspec.structs.replace(recipe, graphs="off"))
    assert recorded.notes == eager.notes == {}
    assert counter.num_captures == 2  # batches of 96 and of 95
    assert counter.num_replays > 20
    assert_close(recorded, eager, 0.02 if name == "bfloat16" else 1e-3)


@pytest.mark.parametrize("graphs", ["off", "on"])
@pytest.mark.parametrize("name", ["dropped", "bfloat16"])
def test_a_training_repeats_itself_bit_by_bit(digits, name, graphs):
    recipe = msgspec.structs.replace(PLAIN, **RECIPES[name], graphs=graphs)
    first, second = trained(digits, recipe)[0], trained(digits, recipe)[0]
    assert first.curve == second.curve
    assert all(torch.equal(value, second.weights[key]) for key, value in first.weights.items())


def test_a_recorded_training_goes_on_from_a_checkpoint(digits):
    recipe = msgspec.structs.replace(PLAIN, **RECIPES["averaged, warm"])
    whole, _ = trained(digits, recipe)
    begun, _ = trained(digits, recipe, epochs=1, schedule_epochs=3)
    resumed, (counter,) = trained(digits, recipe, start=begun.checkpoint)
    assert counter.num_captures == 2
    assert_close(whole, resumed, 1e-3)


def test_a_step_that_waits_for_the_device_is_refused_and_everything_goes_on():
    """Dropout draws after the failure, for the generator has left the recording, and so does the next recording."""
    device = torch.device(DEVICE)
    capturer = cuda_capturer(device)
    module = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5)).to(device).train()
    images = torch.ones(4, 8, device=device)
    with pytest.raises(RuntimeError):
        capturer.capture(lambda: float(module(images).sum()))
    assert 0 < int((module(images) == 0).sum()) < 32
    seen = torch.zeros(4, 8, device=device)
    replay = capturer.capture(lambda: seen.copy_(module(images).detach()))
    draws = []
    for _ in range(3):
        replay()
        draws.append(seen.clone())
    assert not torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[1], draws[2])


def test_a_recording_that_fails_half_way_trains_without_one(digits):
    class Breaking:
        """Waits for the device after the step, inside the recording."""

        def __init__(self, device):
            self._capturer = cuda_capturer(device)

        def run(self, work):
            self._capturer.run(work)

        def capture(self, work):
            def broken():
                work()
                torch.ones((), device=DEVICE).item()

            return self._capturer.capture(broken)

    recipe = msgspec.structs.replace(PLAIN, **RECIPES["dropped"])
    broken, _ = trained(digits, recipe, make_capturer=Breaking)
    assert list(broken.notes) == ["not_captured"]
    assert_close(broken, trained(digits, msgspec.structs.replace(recipe, graphs="off"))[0], 1e-3)


def test_a_recording_without_room_trains_without_one(digits):
    class Crowded:
        """Finds no memory in the recording."""

        def __init__(self, device):
            self._capturer = cuda_capturer(device)

        def run(self, work):
            self._capturer.run(work)

        def capture(self, work):
            def greedy():
                work()
                torch.empty(2**50, dtype=torch.uint8, device=DEVICE)

            return self._capturer.capture(greedy)

    crowded, _ = trained(digits, PLAIN, make_capturer=Crowded)
    assert "out of memory" in crowded.notes["not_captured"]
    assert_close(crowded, trained(digits, msgspec.structs.replace(PLAIN, graphs="off"))[0], 1e-3)


def test_the_memory_of_recordings_is_given_back(digits):
    free_memory()
    before = torch.cuda.memory_reserved(DEVICE)
    trained(digits, PLAIN, epochs=1)
    free_memory()
    assert torch.cuda.memory_reserved(DEVICE) <= before + 32 * 2**20


def test_a_size_of_its_own_has_a_recording_of_its_own():
    device = torch.device(DEVICE)
    counter = Counter(cuda_capturer(device))
    total: Advance = lambda batch: batch.images.sum()  # noqa: E731
    step = CapturedStep(total, Capture(counter, lambda name, text: pytest.fail(text)))
    for count in (3, 2) * 6:
        images = torch.full((count, 1, 2, 2), float(count), device=device)
        assert float(step(Batch(images, torch.zeros(count, dtype=torch.int64, device=device)))) == 4.0 * count**2
    assert counter.num_captures == 2


@pytest.mark.slow
def test_a_compiled_network_is_recorded_too(digits):
    compiled, _ = trained(digits, msgspec.structs.replace(PLAIN, compile="on"))
    assert compiled.notes == {}
    assert_close(compiled, trained(digits, msgspec.structs.replace(PLAIN, graphs="off"))[0], 0.02)
