"""Work on many files at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def mapped(work: Callable[[T], R], things: Iterable[T]) -> list[R]:
    """What `work` gives for each of `things`, in order, by as many threads as there are processors.

    >>> mapped(len, ["a", "bc"])
    [1, 2]
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, things))
