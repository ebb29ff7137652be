"""Short training: every way that a candidate may fail, and what is measured of one that does not."""

from __future__ import annotations

import msgspec
import pytest
import torch
from stopped_clock import StoppedClock

from naslab.arch import ArchSpec, ConvBlock, Stage, arch_id, cost
from naslab.blobs import BlobStore
from naslab.errors import DataError, DeviceError
from naslab.estimators import training_run
from naslab.estimators.estimator import Workbench
from naslab.estimators.short_training import ShortTraining
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import Candidate, EpochRecord, Fidelity
from naslab.study.recipe import Recipe, default_recipe
from naslab.training import loop
from naslab.training.loop import train

ARCH = ArchSpec(input=(1, 8, 8), stages=(Stage(block=ConvBlock(), width=8),), num_classes=10)
SHORT = ShortTraining(data=DataChoice(name="digits", max_images=200), recipe=default_recipe("digits"))


def candidate_of(arch: ArchSpec = ARCH, epochs: int = 1) -> Candidate:
    return Candidate(
        trial=0, arch=arch, arch_id=arch_id(ARCH), cost=cost(ARCH), fidelity=Fidelity(epochs=epochs), seed=0
    )


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    threads = torch.get_num_threads()
    yield Workbench(device="cpu", threads=1)
    torch.set_num_threads(threads)


def with_(**changes) -> ShortTraining:
    return msgspec.structs.replace(SHORT, **changes)


def test_preparing_sets_the_threads_and_loads_the_data(bench):
    SHORT.prepare(bench)
    assert torch.get_num_threads() == 1
    assert len(bench.cache) == 1


def test_the_accuracy_is_the_last_epochs_with_its_binomial_error(bench):
    estimate = SHORT.estimate(candidate_of(epochs=2), bench)
    accuracy = estimate.measured["accuracy"]
    assert accuracy == estimate.curve[-1].validation_accuracy
    share = (accuracy / 100 * 40 + 1) / 42
    assert estimate.measured["accuracy_sem"] == pytest.approx(100 * (share * (1 - share) / 40) ** 0.5)
    assert estimate.device == "cpu"
    assert estimate.peak_memory_bytes == 0
    assert estimate.notes == {"threads": 1}
    assert set(estimate.measured) == {"accuracy", "accuracy_sem"}


def test_steps_that_should_be_recorded_and_are_not_are_noted(bench):
    recipe = msgspec.structs.replace(SHORT.recipe, graphs="on")
    estimate = with_(recipe=recipe).estimate(candidate_of(), bench)
    assert estimate.notes == {"threads": 1, "not_captured": "a cpu device has no CUDA graphs"}


def test_latency_is_measured_where_asked_for(bench):
    estimate = with_(latency=True).estimate(candidate_of(), bench)
    assert 0 < estimate.measured["latency_ms"] < 1000
    assert estimate.measured["latency_ms_iqr"] >= 0


def test_divergence_is_a_failure_that_keeps_the_curve(bench):
    recipe = Recipe(learning_rate=1e7, batch_size=8, schedule="constant")
    failure = with_(recipe=recipe).estimate(candidate_of(msgspec.structs.replace(ARCH, norm=None)), bench).failure
    assert failure is not None
    assert failure.reason == "diverged"
    assert "in epoch 1" in failure.message


def test_the_time_limit_is_a_failure_that_keeps_the_curve(bench, monkeypatch):
    clock = StoppedClock()
    monkeypatch.setattr(loop, "time", clock)

    def report(epoch: EpochRecord) -> None:
        clock.now += 0.4

    bench.report = report
    estimate = with_(time_limit_seconds=1.0).estimate(candidate_of(epochs=100_000), bench)
    assert estimate.failure is not None
    assert estimate.failure.reason == "timed_out"
    assert len(estimate.curve) == 3
    assert estimate.wall_seconds == pytest.approx(1.2)
    assert estimate.measured == {}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "out_of_memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"), "out_of_memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "out_of_memory"),
        (RuntimeError("shapes cannot be multiplied"), "error"),
        (ZeroDivisionError(), "error"),
    ],
)
def test_whatever_a_candidate_raises_is_a_failure_with_its_reason(bench, monkeypatch, error, reason):
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(training_run, "with_heads", fail)
    failure = SHORT.estimate(candidate_of(), bench).failure
    assert failure is not None
    assert failure.reason == reason
    assert failure.message
    assert ("Traceback" in failure.traceback) == (reason in ("error", "out_of_memory"))


def test_memory_that_is_not_there_is_a_failure(bench, monkeypatch):
    """A real allocation that no machine grants: weights of 2^60 values."""
    monkeypatch.setenv("NASLAB_UNBOUNDED", "1")
    huge = msgspec.structs.replace(ARCH, stages=(Stage(block=ConvBlock(kernel=1), width=2**57),))
    failure = SHORT.estimate(candidate_of(huge), bench).failure
    assert failure is not None
    assert failure.reason == "out_of_memory"


def test_a_network_that_vanishes_is_invalid(bench):
    stages = (Stage(block=ConvBlock(), width=8, stride=8), Stage(block=ConvBlock(kernel=1), width=8, stride=8)) * 2
    small = msgspec.structs.replace(ARCH, input=(3, 8, 8), stages=stages)
    failure = SHORT.estimate(candidate_of(small), bench).failure
    assert failure is not None
    assert failure.reason == "invalid"


def test_an_interrupt_is_not_swallowed(bench, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training_run, "with_heads", interrupt)
    with pytest.raises(KeyboardInterrupt):
        SHORT.estimate(candidate_of(), bench)


def test_missing_data_and_devices_end_the_run(bench, tmp_path):
    with pytest.raises(DataError):
        with_(data=DataChoice(name="cifar10"), data_dir=str(tmp_path)).prepare(bench)
    with pytest.raises(DeviceError):
        SHORT.prepare(Workbench(device="cuda:99"))


def timeless(estimate):
    curve = tuple(msgspec.structs.replace(epoch, wall_seconds=0.0) for epoch in estimate.curve)
    return curve, estimate.measured


def test_a_promoted_candidate_goes_on_bit_by_bit_and_trains_only_what_is_new(bench, tmp_path):
    how = with_(checkpoints=str(tmp_path / "blobs"))
    rung = msgspec.structs.replace(candidate_of(), fidelity=Fidelity(epochs=1, schedule_epochs=3))
    begun = how.estimate(rung, bench)
    seen = []
    bench.report = seen.append
    promoted = msgspec.structs.replace(candidate_of(epochs=3), start_from=begun.weights_sha256)
    resumed = how.estimate(promoted, bench)
    assert [epoch.epoch for epoch in seen] == [2, 3]
    assert resumed.notes == {"threads": 1, "epochs_before": 1}
    assert timeless(resumed) == timeless(how.estimate(candidate_of(epochs=3), bench))
    assert resumed.weights_sha256 not in ("", begun.weights_sha256)


def test_a_promoted_candidate_goes_on_with_the_batch_that_memory_allowed(bench, tmp_path, monkeypatch):
    """Also where there is room by then: one training has one recipe, and the estimate says which."""

    def halved(batch_size):
        small = msgspec.structs.replace(SHORT.recipe, batch_size=batch_size, learning_rate=batch_size / 128)
        return with_(checkpoints=str(tmp_path / "blobs"), recipe=small)

    def short_of_memory(module, data, recipe, *args, **rest):
        if recipe.batch_size > 8:
            raise MemoryError
        return train(module, data, recipe, *args, **rest)

    rung = msgspec.structs.replace(candidate_of(), fidelity=Fidelity(epochs=1, schedule_epochs=3))
    with monkeypatch.context() as patch:
        patch.setattr(training_run, "train", short_of_memory)
        begun = halved(32).estimate(rung, bench)
    assert begun.notes["batch_size"] == 8
    promoted = msgspec.structs.replace(candidate_of(epochs=3), start_from=begun.weights_sha256)
    resumed = halved(32).estimate(promoted, bench)
    assert resumed.notes == begun.notes | {"epochs_before": 1}
    assert timeless(resumed) == timeless(halved(8).estimate(candidate_of(epochs=3), bench))


def test_a_checkpoint_that_is_of_no_use_costs_the_epochs_not_the_candidate(bench, tmp_path):
    how = with_(checkpoints=str(tmp_path / "blobs"))
    begun = how.estimate(msgspec.structs.replace(candidate_of(), fidelity=Fidelity(1, schedule_epochs=2)), bench)
    straight = timeless(how.estimate(candidate_of(epochs=2), bench))
    promoted = msgspec.structs.replace(candidate_of(epochs=2), start_from=begun.weights_sha256)
    of_another_seed = how.estimate(msgspec.structs.replace(promoted, seed=1), bench)
    assert "is of another network, fidelity or seed" in of_another_seed.notes["from_scratch"]
    without_folder = with_().estimate(promoted, bench)
    assert "no folder of checkpoints" in without_folder.notes["from_scratch"]
    file = BlobStore(tmp_path / "blobs").path(begun.weights_sha256)
    file.write_bytes(file.read_bytes()[:1000])
    cut_short = how.estimate(promoted, bench)
    assert "is damaged" in cut_short.notes["from_scratch"]
    assert timeless(cut_short) == timeless(without_folder) == straight


def test_a_disk_that_takes_no_checkpoint_costs_the_checkpoint_alone(bench, tmp_path):
    (tmp_path / "blobs").write_text("a file where a folder should be", encoding="ascii")
    estimate = with_(checkpoints=str(tmp_path / "blobs")).estimate(candidate_of(), bench)
    assert estimate.failure is None
    assert estimate.weights_sha256 == ""
    assert "cannot be kept" in estimate.notes["no_checkpoint"]


def test_memory_that_a_training_freed_is_returned_after_it_also_where_it_failed(bench, monkeypatch):
    """Candidates of other workers count on it."""
    returned = []
    monkeypatch.setattr(training_run, "return_freed_memory", lambda: returned.append(1))
    assert SHORT.estimate(candidate_of(), bench).failure is None
    hopeless = msgspec.structs.replace(candidate_of(), fidelity=Fidelity(images=5))
    assert SHORT.estimate(hopeless, bench).failure is not None
    assert len(returned) == 2


def test_a_fidelity_trains_a_proxy_network_on_fewer_images(bench, monkeypatch):
    built = []
    monkeypatch.setattr(training_run, "with_heads", lambda module, arch, seed: built.append(arch) or module)
    fidelity = Fidelity(epochs=1, images=40, resolution=(6, 4), width=0.5)
    whole = candidate_of(msgspec.structs.replace(ARCH, stages=(Stage(block=ConvBlock(), width=32),)))
    estimate = SHORT.estimate(msgspec.structs.replace(whole, fidelity=fidelity), bench)
    assert estimate.failure is None
    assert built[0].input == (1, 6, 4)
    assert built[0].stages[0].width == 16


def test_too_few_images_are_invalid(bench):
    starved = msgspec.structs.replace(candidate_of(), fidelity=Fidelity(images=5))
    failure = SHORT.estimate(starved, bench).failure
    assert failure is not None
    assert failure.reason == "invalid"
    assert "one for each of 10 classes" in failure.message
