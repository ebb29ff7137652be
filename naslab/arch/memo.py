"""Memo: results kept by their argument, in a bare dictionary."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

LIMIT = 1 << 12


class Memo(dict[K, V], Generic[K, V]):
    """A function of one argument that keeps its results: `memo[key]`.

    `work` makes the result of a key. An `lru_cache` of many entries also notes the order of their use, which touches
    the memory of three other entries each time; where a candidate takes twenty of them, that is a tenth of its time. A
    memo forgets everything instead when it holds `limit` results. An error of `work` passes and is not kept.

    >>> squares = Memo(lambda number: number * number)
    >>> squares[7], squares[7], len(squares)
    (49, 49, 1)
    """

    def __init__(self, work: Callable[[K], V], limit: int = LIMIT) -> None:
        super().__init__()
        self._work = work
        self._limit = limit

    def __missing__(self, key: K) -> V:
        value = self._work(key)
        if len(self) >= self._limit:
            self.clear()
        self[key] = value
        return value

    def cache_clear(self) -> None:
        """Forget everything; the name is that of `functools.lru_cache`."""
        self.clear()
