"""Batches that fit the memory: halved, with the learning rate, where a training runs out of it. No torch at the top."""

from __future__ import annotations

import ctypes
import errno
import gc
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import msgspec

from naslab.study.recipe import Recipe

T = TypeVar("T")
SMALLEST_BATCH = 8
"""Halving ends here: batch norm of fewer images trains another network."""
SIGNS = (
    "out of memory",
    "can't allocate memory",
    "Cannot allocate memory",
    "not enough memory",
    "bad_alloc",
    "ALLOC_FAILED",  # of cuBLAS and cuDNN, whose workspaces do not go through torch's allocator
    "ALLOCATION_FAILED",
)
"""What a `RuntimeError` says where memory ran out."""


def train_within_memory(
    make: Callable[[], T],
    train: Callable[[T, Recipe], None],
    recipe: Recipe,
    num_images: int,
    begun_at: int | None = None,
) -> tuple[T, Recipe]:
    """What `make` gives, trained by `recipe` on `num_images`, and the recipe that it was trained with in the end.

    Where `train` runs out of memory, the host's or the device's, it starts again from what `make` gives anew, with half
    of the batch and of the learning rate (linear scaling, arXiv 1706.02677). Its error is raised at the smallest batch.
    `begun_at` is the batch size of the checkpoint that a training goes on from: it begins with that one.
    """
    tried = list(smaller_recipes(recipe, num_images))
    first = 0 if begun_at is None else [each.batch_size for each in tried].index(begun_at)
    for each in tried[first:]:
        made = make()
        try:
            train(made, each)
        except Exception as error:
            if not is_out_of_memory(error) or each is tried[-1]:
                raise
        else:
            return made, each
        del made
        free_memory()  # after the handler, whose traceback holds what the training held
    raise AssertionError("the last recipe returns or raises")


def smaller_recipes(recipe: Recipe, num_images: int) -> Iterator[Recipe]:
    """A recipe, then with half of its batch and of its learning rate, and so on down to batches of 8.

    A batch larger than all the images is all of them.

    >>> recipe = Recipe(batch_size=64, learning_rate=0.2)
    >>> [(each.batch_size, each.learning_rate) for each in smaller_recipes(recipe, num_images=32)]
    [(64, 0.2), (16, 0.1), (8, 0.05)]
    """
    yield recipe
    size = min(recipe.batch_size, num_images)
    if size // 2 >= SMALLEST_BATCH:
        half = size // 2
        rate = recipe.learning_rate * half / size
        yield from smaller_recipes(msgspec.structs.replace(recipe, batch_size=half, learning_rate=rate), num_images)


def halving_notes(asked: Recipe, used: Recipe, num_images: int) -> dict[str, Any]:
    """What an estimate notes of a training on `num_images`: nothing, unless its batch was halved.

    >>> halving_notes(Recipe(batch_size=32, learning_rate=0.2), Recipe(batch_size=16, learning_rate=0.1), 1000)
    {'out_of_memory_at_batch_size': [32], 'batch_size': 16, 'learning_rate': 0.1}
    """
    if used.batch_size == asked.batch_size:
        return {}
    tried = [each.batch_size for each in smaller_recipes(asked, num_images) if each.batch_size > used.batch_size]
    return {
        "out_of_memory_at_batch_size": tried,
        "batch_size": used.batch_size,
        "learning_rate": used.learning_rate,
    }


def free_memory() -> None:
    """Free objects that nothing refers to, and return their memory to the system, that of torch on a GPU too."""
    gc.collect()
    return_freed_memory()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def return_freed_memory() -> None:
    """Return to the system the freed memory that the C library keeps, where it can be told to (GNU's)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: Python's, the system's, or torch's on a GPU or the CPU."""
    # By name: a worker must not load torch for estimators that do without.
    if isinstance(error, MemoryError) or any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in SIGNS)
