"""Python's search for garbage, switched off while much is read and nothing is thrown away."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Within the block Python looks for no garbage: each look would go through all values that are being read.

    >>> with uncollected():
    ...     gc.isenabled()
    False
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def spare_last_look() -> None:
    """For a program that ends now: Python does not look for garbage once more in all that is there.

    It took 0.14 s of the 1.2 that a list of studies took. Where torch is loaded nothing is spared: libraries in C++
    behind it name on stderr what is left of theirs as Python ends.

    >>> spare_last_look()
    """
    if "torch" not in sys.modules:
        gc.freeze()
