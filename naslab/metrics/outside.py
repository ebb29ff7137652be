"""Metrics of users' own: a row named `package.module:NAME`, or published by an entry point of `naslab.metrics`."""

from __future__ import annotations

import sys
from functools import lru_cache

from naslab.metrics.metric import Metric
from naslab.outside import OutsideError, find_outside, published

WHAT = "metric"


def outside_metric(text: str) -> Metric:
    """The row that `package.module:NAME` leads to. Raises `OutsideError` where it leads nowhere, or to no row."""
    return _row(text, find_outside(text, WHAT, "naslab.metrics"))


def published_metric(name: str) -> Metric | None:
    """The row that an installed distribution publishes as `name`; `None` where none does.

    What is published may also be a function, for `naslab measure`: that is no row. Raises `OutsideError` for anything
    else, for a row of another name, and where it cannot be imported.
    """
    return _published_on(name, tuple(sys.path))


@lru_cache(maxsize=256)
def _published_on(name: str, path: tuple[str, ...]) -> Metric | None:
    """Looked for once for each search path: numbers that nobody declared are asked for again and again."""
    if name not in published("naslab.metrics"):
        return None
    found = find_outside(name, WHAT, "naslab.metrics")
    if callable(found):
        return None
    row = _row(name, found)
    if row.name != name:
        raise OutsideError(WHAT, name, f"is published as '{name}', but its row has the name '{row.name}'")
    return row


def _row(text: str, found: object) -> Metric:
    if not isinstance(found, Metric):
        rule = f"must be a row, as Metric(name='f1', maximise=True), got {type(found).__name__}"
        raise OutsideError(WHAT, text, rule)
    return found
