"""A memo keeps results, not errors, and forgets when it is full."""

from __future__ import annotations

import pytest

from naslab.arch.memo import Memo


def test_work_is_done_once_until_the_memo_is_full() -> None:
    done: list[int] = []

    def work(number: int) -> int:
        done.append(number)
        return -number

    memo = Memo(work, limit=2)
    assert [memo[number] for number in (1, 2, 1, 2)] == [-1, -2, -1, -2]
    assert done == [1, 2]
    assert (memo[3], len(memo)) == (-3, 1)
    assert (memo[1], done) == (-1, [1, 2, 3, 1])


def test_an_error_is_not_kept() -> None:
    tries: list[int] = []

    def work(number: int) -> float:
        tries.append(number)
        return 1 / number

    memo = Memo(work)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            memo[0]
    assert (tries, len(memo)) == ([0, 0], 0)


def test_a_memo_can_be_emptied() -> None:
    memo = Memo(str)
    assert memo[7] == "7"
    memo.cache_clear()
    assert len(memo) == 0
