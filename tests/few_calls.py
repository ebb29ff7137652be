"""Work counted in calls of functions: the same on every machine, however busy it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest


@contextmanager
def few_calls(most: int) -> Iterator[None]:
    """Fail the test at once where the body calls more than `most` functions, those of C counted in."""
    count = 0

    def note(frame: FrameType, event: str, _: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")
        if count > most:
            sys.setprofile(None)
            pytest.fail(f"more than {most} calls")

    plain = sys.getprofile()
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(plain)
