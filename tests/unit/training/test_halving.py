"""Batches that are halved where memory runs out."""

from __future__ import annotations

import errno
import platform
import subprocess
import sys

import msgspec
import pytest
import torch
from networks import conv_net

from naslab.execution.local import environment
from naslab.study.data_choice import DataChoice
from naslab.study.recipe import Recipe
from naslab.training import fit as fitting
from naslab.training import halving
from naslab.training.fit import fit_and_test
from naslab.training.halving import halving_notes, is_out_of_memory, smaller_recipes, train_within_memory
from naslab.training.loop import train

MANY = 50_000
FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")


@pytest.fixture
def quick(monkeypatch):
    """Without a look at every object of the test process, which takes a second."""
    monkeypatch.setattr(halving.gc, "collect", lambda: 0)


def needing(most: int, error: Exception = FULL):
    """A training that has no memory for batches above `most`, and the batch sizes that it tried."""
    tried = []

    def fit(module: list[int], recipe: Recipe) -> None:
        tried.append(recipe.batch_size)
        module.append(recipe.batch_size)
        if recipe.batch_size > most:
            raise error

    return fit, tried


def test_it_starts_again_with_half_of_the_batch_and_of_the_rate(quick):
    fit, tried = needing(40)
    made, used = train_within_memory(list, fit, Recipe(batch_size=128, learning_rate=0.4), MANY)
    assert tried == [128, 64, 32]
    assert made == [32]  # made anew for each attempt
    assert (used.batch_size, used.learning_rate) == (32, 0.1)
    assert halving_notes(Recipe(batch_size=128), used, MANY) == {
        "out_of_memory_at_batch_size": [128, 64],
        "batch_size": 32,
        "learning_rate": 0.1,
    }


def test_a_recipe_that_fits_is_left_as_it_is():
    recipe = Recipe(batch_size=100)
    fit, tried = needing(1000)
    assert train_within_memory(list, fit, recipe, MANY) == ([100], recipe)
    assert tried == [100]
    assert halving_notes(recipe, recipe, MANY) == {}


@pytest.mark.parametrize(("start", "sizes"), [(128, [128, 64, 32, 16, 8]), (30, [30, 15]), (17, [17, 8]), (4, [4])])
def test_it_gives_up_at_batches_of_eight(quick, start, sizes):
    fit, tried = needing(0, MemoryError("no room"))
    with pytest.raises(MemoryError, match="no room"):
        train_within_memory(list, fit, Recipe(batch_size=start), MANY)
    assert tried == sizes
    assert [each.batch_size for each in smaller_recipes(Recipe(batch_size=start), MANY)] == sizes


def test_a_batch_larger_than_the_data_is_all_of_them(quick):
    fit, tried = needing(300)
    _, used = train_within_memory(list, fit, Recipe(batch_size=4096, learning_rate=0.4), 1000)
    assert tried == [4096, 500, 250]
    assert (used.batch_size, used.learning_rate) == (250, 0.1)
    assert halving_notes(Recipe(batch_size=4096), used, 1000)["out_of_memory_at_batch_size"] == [4096, 500]


def test_a_training_goes_on_with_the_batch_that_it_was_begun_at(quick):
    fit, tried = needing(20)
    _, used = train_within_memory(list, fit, Recipe(batch_size=128, learning_rate=0.4), MANY, begun_at=32)
    assert tried == [32, 16]
    assert used.learning_rate == pytest.approx(0.05)


def test_any_other_error_is_raised_at_once():
    fit, tried = needing(0, RuntimeError("shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="shapes"):
        train_within_memory(list, fit, Recipe(), MANY)
    assert tried == [128]


def test_what_the_failed_attempt_held_is_free_before_the_next():
    living = set()

    class Held:
        def __init__(self) -> None:
            living.add(id(self))

        def __del__(self) -> None:
            living.discard(id(self))

    def fit(module: list[Held], recipe: Recipe) -> None:
        assert not living
        module.append(Held())
        if recipe.batch_size > 16:
            raise MemoryError

    train_within_memory(list, fit, Recipe(batch_size=64), MANY)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (FULL, True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("not enough memory: you tried to allocate"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("unable to mmap 4096 bytes from file <a.bin>: Cannot allocate memory (12)"), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (RuntimeError("CUDA error: device-side assert"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_errors_that_say_that_memory_ran_out(error, expected):
    assert is_out_of_memory(error) == expected


def test_the_halved_training_is_that_of_the_halved_recipe(monkeypatch):
    """A training that ran out in its second epoch leaves nothing behind: weights, curve and test are those of 32."""
    recipe = Recipe(batch_size=64, learning_rate=0.2, crop_padding=1)
    data = DataChoice(name="digits", max_images=200)

    def short_of_memory(module, split, how, epochs, **rest):
        curve = train(module, split, how, epochs, **rest)
        if how.batch_size > 32:
            raise FULL
        return curve

    monkeypatch.setattr(fitting, "train", short_of_memory)
    halved = fit_and_test(conv_net(), data, recipe, 2)
    alone = fit_and_test(conv_net(), data, Recipe(batch_size=32, learning_rate=0.1, crop_padding=1), 2)
    assert halved.notes == {"out_of_memory_at_batch_size": [64], "batch_size": 32, "learning_rate": 0.1}
    assert alone.notes == {}

    def timeless(result):
        return [msgspec.structs.replace(epoch, wall_seconds=0.0) for epoch in result.curve], result.test_loss

    assert timeless(halved) == timeless(alone)


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="GNU's C library alone can be told")
def test_what_a_worker_keeps_of_freed_memory_is_given_back():
    code = (
        "import os, torch\n"
        "from naslab.training.halving import return_freed_memory\n"
        "def held():\n"
        "    return int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGE_SIZE') // 2**20\n"
        "before = held()\n"
        "torch.ones(100 * 2**18)\n"
        "kept = held()\n"
        "return_freed_memory()\n"
        "print(kept - before, held() - before)\n"
    )
    environ = environment(threads=1)
    said = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True).stdout
    kept, left = map(int, said.split())
    assert kept > 90
    assert left < 20


def test_a_driver_may_ask_without_torch():
    code = "import sys, naslab.training.halving; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
