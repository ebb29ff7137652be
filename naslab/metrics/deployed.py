"""Metrics of a network in a target: `latency_ms@onnxruntime`, `size_bytes@onnxruntime-int8`, `accuracy@openvino`.

There is one for each target, so that they are made from their names: the row before the `@`, of that target. Where a
file tells the latency of a description (`naslab.latency_models`), it is known before anything is measured.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from msgspec.structs import replace

from naslab.latency_models import reader_of
from naslab.metrics.metric import Metric
from naslab.metrics.own import ACCURACY, DEPLOYMENT, DESCRIPTION, LATENCY, SIZE_BYTES

AT = "@"
DEPLOYED_METRICS: dict[str, Metric] = {row.name: row for row in (LATENCY, SIZE_BYTES, ACCURACY)}
"""What there is a metric of for every target, by name."""


class NamedAt(NamedTuple):
    """A metric's name in its two parts: `latency_ms` of the target `onnxruntime`."""

    metric: str
    target: str


def named_at(name: str) -> NamedAt | None:
    """The two parts of the name of a metric in a target; `None` for any other name.

    >>> named_at("size_bytes@onnxruntime-int8")
    NamedAt(metric='size_bytes', target='onnxruntime-int8')
    """
    metric, at, target = name.partition(AT)
    return NamedAt(metric, target) if at and target and metric in DEPLOYED_METRICS else None


@lru_cache(maxsize=256)
def metric_at(name: str) -> Metric | None:
    """The row of a metric in a target, made from its name; `None` for any other name.

    Whether there is such a target is seen where it is measured.

    >>> row = metric_at("latency_ms@onnxruntime-int8")
    >>> row.title, row.is_limitable
    ('latency in onnxruntime-int8 (ms, one image)', True)
    >>> row.measured(2.5, 0.1)
    {'latency_ms@onnxruntime-int8': 2.5, 'latency_ms_iqr@onnxruntime-int8': 0.1}
    """
    named = named_at(name)
    if named is None:
        return None
    row, target = DEPLOYED_METRICS[named.metric], named.target
    read = reader_of(target) if row is LATENCY else None
    behind = f" in {target.replace('{', '(').replace('}', ')')}"
    return replace(
        row,
        name=name,
        measured_by=DEPLOYMENT if read is None else DESCRIPTION,
        stage=row.stage if read is None else "description",
        read=None if read is None else lambda arch, cost: read(arch),
        label=f"{row.label} in {target}",
        words=row.words + behind,
        brief=row.brief + behind,
        standard_error=_beside(row.standard_error, target),
        interquartile_range=_beside(row.interquartile_range, target),
    )


def rows_at(keys: Iterable[str]) -> list[Metric]:
    """The rows of the metrics in targets among `keys`, in order."""
    return [row for row in map(metric_at, keys) if row is not None]


def _beside(key: str, target: str) -> str:
    return f"{key}{AT}{target}" if key else ""
