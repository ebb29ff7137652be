"""What can go wrong in a training, through the real estimator at a real worker: a reason, and the search goes on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image
from stopped_clock import StoppedClock
from tiny_search import Instant, numbered_study

from naslab.arch import ArchSpec, ConvBlock, Stage, arch_id, cost
from naslab.errors import DataError
from naslab.estimators import training_run
from naslab.estimators.short_training import ShortTraining
from naslab.execution.search import run_candidates
from naslab.execution.source import ListSource
from naslab.execution.worker import Placement, Ready, Refused, Worker, ignore_epoch
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import Candidate, EpochRecord, Estimate, Fidelity
from naslab.study.recipe import Recipe, default_recipe
from naslab.training import loop
from naslab.training.data import DataSplit, load_dataset
from naslab.training.images import ImageSet
from naslab.training.loop import train

DIGITS = DataChoice(name="digits", max_images=100)
GOOD, BAD, LATER = 8, 13, 9
"""The widths of the networks of a study, in the order in which they are trained."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    threads = torch.get_num_threads()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield
    torch.set_num_threads(threads)


def arch_of(width: int, **changes: object) -> ArchSpec:
    parts: dict[str, object] = {
        "input": (1, 8, 8),
        "stages": (Stage(block=ConvBlock(kernel=1), width=width),),
        "num_classes": 10,
    }
    return ArchSpec(**(parts | changes))  # type: ignore[arg-type]


def candidate_of(arch: ArchSpec, number: int, epochs: int = 1) -> Candidate:
    """A candidate whose figures are those of a small network: some here have none that could be counted."""
    own = arch_of(number)
    return Candidate(
        trial=number,
        arch=arch,
        arch_id=arch_id(own),
        cost=cost(own),
        fidelity=Fidelity(epochs),
        seed=0,
        role="baseline",
    )


def worker_of(data: DataChoice = DIGITS, recipe: Recipe | None = None, limit: float | None = None) -> Worker:
    """A real worker at the real estimator, prepared."""
    how = ShortTraining(data=data, recipe=recipe or default_recipe("digits"), time_limit_seconds=limit)
    worker = Worker(how, Placement("worker-0", 0, "cpu", None, 1))
    assert isinstance(worker.prepare(), Ready)
    return worker


def searched(
    folder: Path,
    worker: Worker,
    bad: ArchSpec,
    epochs: int = 1,
    report: Callable[[EpochRecord], None] = ignore_epoch,
) -> Estimate:
    """What the ledger has of a bad network, which was trained between two good ones that succeeded."""
    good = [candidate_of(arch_of(width), width) for width in (GOOD, LATER)]
    candidates = [good[0], candidate_of(bad, BAD, epochs), good[1]]
    executor = Instant(1, lambda candidate: worker.estimate(candidate, report).estimate)
    with numbered_study(folder) as ledger:
        run_candidates("numbered", ledger, executor, ListSource(candidates))
        first, estimate, last = (outcome.estimate for outcome in ledger.outcomes("numbered"))
    assert (first.failure, last.failure) == (None, None)
    return estimate


def reason_of(estimate: Estimate) -> str:
    assert estimate.failure is not None
    assert estimate.measured == {}
    assert estimate.failure.message
    return estimate.failure.reason


def sabotaged(monkeypatch: pytest.MonkeyPatch, act: Callable[[torch.nn.Module, Recipe], None]) -> None:
    """Something happens to the bad network alone as its training begins."""

    def saboteur(module: torch.nn.Module, data: DataSplit, recipe: Recipe, epochs: int, **rest: object) -> object:
        if next(module.parameters()).shape[0] == BAD:
            act(module, recipe)
        return train(module, data, recipe, epochs, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(training_run, "train", saboteur)


def test_a_loss_that_is_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sabotaged(monkeypatch, lambda module, _: torch.nn.init.constant_(next(module.parameters()), math.nan))
    assert reason_of(searched(tmp_path, worker_of(), arch_of(BAD))) == "diverged"


def test_a_loss_that_grows_without_end() -> None:
    recipe = Recipe(learning_rate=1000.0, batch_size=16, schedule="constant")
    deep = arch_of(BAD, stages=(Stage(block=ConvBlock(kernel=3), width=BAD, repeats=3),), norm=None)
    estimate = worker_of(recipe=recipe).estimate(candidate_of(deep, BAD), ignore_epoch).estimate
    assert reason_of(estimate) == "diverged"
    assert estimate.failure is not None
    assert "learning rate 1000" in estimate.failure.message


FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


@pytest.mark.parametrize("error", [FULL, MemoryError()])
def test_memory_that_lasts_for_half_of_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def act(_: torch.nn.Module, recipe: Recipe) -> None:
        if recipe.batch_size > 16:
            raise error

    sabotaged(monkeypatch, act)
    estimate = searched(tmp_path, worker_of(), arch_of(BAD))
    assert estimate.failure is None
    assert estimate.notes["out_of_memory_at_batch_size"] == [32]
    assert (estimate.notes["batch_size"], estimate.notes["learning_rate"]) == (16, 0.125)
    assert [epoch.epoch for epoch in estimate.curve] == [1]


def test_memory_that_no_batch_leaves_enough_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def act(*_: object) -> None:
        raise FULL

    sabotaged(monkeypatch, act)
    estimate = searched(tmp_path, worker_of(), arch_of(BAD))
    assert reason_of(estimate) == "out_of_memory"
    assert estimate.notes["out_of_memory_at_batch_size"] == [32, 16]
    assert estimate.notes["batch_size"] == 8


def test_a_network_that_no_host_has_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NASLAB_UNBOUNDED", "1")
    huge = arch_of(BAD, stages=(Stage(block=ConvBlock(kernel=1), width=2**57),))
    estimate = searched(tmp_path, worker_of(), huge)
    assert reason_of(estimate) == "out_of_memory"
    assert "batch_size" not in estimate.notes  # no batch would have helped


def test_a_network_that_vanishes(tmp_path: Path) -> None:
    flat = arch_of(BAD, stages=(Stage(block=ConvBlock(padding=0), width=BAD, repeats=9),))
    assert reason_of(searched(tmp_path, worker_of(), flat)) == "invalid"


def test_a_training_that_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = StoppedClock()
    monkeypatch.setattr(loop, "time", clock)

    def take_half_a_second(epoch: EpochRecord) -> None:
        clock.now += 0.5

    estimate = searched(tmp_path, worker_of(limit=1.4), arch_of(BAD), 10**6, take_half_a_second)
    assert reason_of(estimate) == "timed_out"
    assert len(estimate.curve) == 3


def test_a_batch_larger_than_the_data(tmp_path: Path) -> None:
    worker = worker_of(DataChoice(name="digits", max_images=20), Recipe(batch_size=4096))
    assert searched(tmp_path, worker, arch_of(BAD)).failure is None


@pytest.mark.parametrize("part", ["train", "validation"])
def test_a_class_that_one_part_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """Nothing fails, and the estimate says so."""

    def without_threes(*args: object) -> DataSplit:
        split = load_dataset(*args)  # type: ignore[arg-type]
        images = getattr(split, part)
        kept = images.labels != 3
        return split._replace(**{part: ImageSet(images.pixels[kept], images.labels[kept])})

    monkeypatch.setattr(training_run, "load_dataset", without_threes)
    estimate = searched(tmp_path, worker_of(), arch_of(BAD))
    assert estimate.failure is None
    assert estimate.notes["missing_classes"] == {part: [3]}
    assert 0 <= estimate.measured["accuracy"] <= 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of twelve images of 12 x 12 pixels."""
    generator = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(12):
            pixels = generator.integers(256, size=(12, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{number:02}.png")
    return tmp_path / "images"


def prepared(data: DataChoice) -> Ready | Refused:
    how = ShortTraining(data=data, recipe=default_recipe(data.name))
    return Worker(how, Placement("worker-0", 0, "cpu", None, 1)).prepare()


@pytest.mark.parametrize("storage", ["memory", "stream"])
def test_an_image_that_was_always_corrupt_ends_the_run_before_its_first_trial(folder: Path, storage: str) -> None:
    """No network could be trained on it: every outcome would be the same failure."""
    (folder / "cats" / "03.png").write_bytes(b"no image")
    data = DataChoice(name=f"image_folder:{folder}@12", storage=storage)  # type: ignore[arg-type]
    answer = prepared(data)
    assert isinstance(answer, Refused)
    assert isinstance(answer.error, DataError)
    assert "03.png" in str(answer.error)
    assert isinstance(prepared(msgspec.structs.replace(data, skip_unreadable=True)), Ready)


def test_a_class_without_images_ends_the_run_before_its_first_trial(folder: Path) -> None:
    for path in (folder / "cats").iterdir():
        path.unlink()
    answer = prepared(DataChoice(name=f"image_folder:{folder}@12"))
    assert isinstance(answer, Refused)
    assert "cats holds 0 images" in str(answer.error)


def test_an_image_that_is_damaged_while_the_search_runs(folder: Path, tmp_path: Path) -> None:
    data = DataChoice(name=f"image_folder:{folder}@12", storage="stream")
    worker = worker_of(data, Recipe(batch_size=4))
    damaged = [folder / name / f"{number:02}.png" for name in ("cats", "dogs") for number in range(12)]
    whole = [path.read_bytes() for path in damaged]

    def estimate(candidate: Candidate) -> Estimate:
        is_bad = candidate.arch_id == arch_id(arch_of(BAD))
        for path, content in zip(damaged, whole, strict=True):
            path.write_bytes(content[:40] if is_bad else content)
        return worker.estimate(candidate, ignore_epoch).estimate

    archs = {number: arch_of(number, input=(3, 12, 12), num_classes=2) for number in (GOOD, BAD, LATER)}
    candidates = [candidate_of(arch, number) for number, arch in archs.items()]
    with numbered_study(tmp_path) as ledger:
        run_candidates("numbered", ledger, Instant(1, estimate), ListSource(candidates))
        first, bad, last = (outcome.estimate for outcome in ledger.outcomes("numbered"))
    assert (first.failure, last.failure) == (None, None)
    assert reason_of(bad) == "invalid"
    assert bad.failure is not None
    assert ".png cannot be read as an image" in bad.failure.message
