"""The metrics there are by name: naslab's own, and those declared from outside."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from naslab.errors import SpecError, UnknownNameError, nearest
from naslab.metrics.deployed import AT, metric_at, rows_at
from naslab.metrics.metric import Metric
from naslab.metrics.outside import outside_metric, published_metric
from naslab.metrics.own import (
    DETECTOR_METRICS,
    EXTRAPOLATED_ACCURACY,
    IMAGES,
    MICROCONTROLLER_METRICS,
    OWN_METRICS,
    TASK_METRICS,
)
from naslab.outside import OutsideError, is_outside

if TYPE_CHECKING:
    from naslab.arch.cost import Cost
    from naslab.arch.spec import ArchSpec

_SHOWN = {row.name: row for row in (IMAGES, EXTRAPOLATED_ACCURACY)}
"""Numbers that are no metrics of a network, and so no objectives, but are printed and drawn."""
_OF_TASKS = {row.name: row for row in (*TASK_METRICS, *MICROCONTROLLER_METRICS, *DETECTOR_METRICS)}
"""Metrics of some tasks and devices, where they are asked for; the ledger's view has no columns of them."""
_declared: dict[str, Metric] = {row.name: row for row in OWN_METRICS}
_brought: dict[str, str] = {}
"""By which name from outside a row was declared."""


def declare_metric(row: Metric) -> Metric:
    """Make the metric `row` known to objectives, limits, tables, figures and reports of this process; returns the row.

    Declaring an equal row again changes nothing. Raises `SpecError` where its name, or the key of its standard error or
    interquartile range, is taken by another metric.

    >>> declare_metric(Metric(name="f1", maximise=True, least=0.0, most=1.0)).title
    'f1'
    >>> withdraw_metric("f1")
    """
    if AT in row.name:
        raise SpecError("metric.name", f"must be letters, digits and underscores, got '{row.name}'")
    taken = {key: each for each in (*_known().values(), *_SHOWN.values()) for key in each.keys}
    if _declared.get(row.name) == row:
        return row
    for key in row.keys:
        if key in taken:
            raise SpecError("metric.name", f"'{key}' is taken by the metric {taken[key].name}: choose another")
    _declared[row.name] = row
    return row


def named_metric(text: str, what: str = "metric") -> Metric:
    """The metric of the name `text`, also of one from outside, as `package.module:NAME`, which is declared by this.

    Raises `UnknownNameError` with the nearest names, which calls it a `what`, `OutsideError` for what leads to no row,
    and `SpecError` where its name is taken.

    >>> named_metric("naslab.metrics.own:LATENCY").unit
    'ms'
    """
    if not is_outside(text):
        return find_metric(text, what)
    row = outside_metric(text)
    if _brought.get(row.name) == text:
        _declared.pop(row.name, None)  # its module may have been loaded again
    _brought[declare_metric(row).name] = text
    return row


def withdraw_metric(name: str) -> None:
    """Take back the metric `name`, which was declared from outside. Raises `UnknownNameError` for any other name.

    >>> row = declare_metric(Metric(name="f1", maximise=True))
    >>> withdraw_metric("f1")
    >>> is_declared("f1")
    False
    """
    outside = set(_declared) - {row.name for row in OWN_METRICS}
    if name not in outside:
        raise UnknownNameError("metric from outside", name, outside)
    del _declared[name]


def metrics() -> tuple[Metric, ...]:
    """Every metric that any network may have, naslab's own first; those of a task alone are `TASK_METRICS`.

    >>> [row.name for row in metrics()][:3]
    ['accuracy', 'macs', 'params']
    """
    return tuple(_declared.values())


def names_for(name: str) -> tuple[str, ...]:
    """The metrics to choose from in place of an unknown `name`: those that any network may have where one is near it.

    Elsewhere those of a task alone are among them.

    >>> "macro_f1" in names_for("nonsense"), "macro_f1" in names_for("acuracy")
    (True, False)
    """
    is_near_common_one = nearest(name, _declared).startswith(" (did you mean")
    return tuple(_declared if is_near_common_one else _known())


def find_metric(name: str, what: str = "metric") -> Metric:
    """The metric called `name`, also one in a target, such as `latency_ms@onnxruntime`, and one that is published.

    Raises `UnknownNameError` with the nearest names, which calls it a `what`, and `OutsideError` for a published one
    that is no row, or cannot be imported.

    >>> find_metric("latency_ms").unit, find_metric("macs").maximise
    ('ms', False)
    """
    row = metric_at(name)
    if row is not None:
        return row
    known = _known()
    if name not in known and _is_published(name):
        known = _known()
    if name not in known:
        raise UnknownNameError(what, name, names_for(name))
    return known[name]


def is_declared(name: str) -> bool:
    """Whether there is a metric called `name`; a published one is declared by being asked for.

    Raises `OutsideError` where that is no row, or cannot be imported.

    >>> is_declared("macs"), is_declared("naswot")
    (True, False)
    """
    return name in _declared or name in _OF_TASKS or metric_at(name) is not None or _is_published(name)


def shown_as(name: str, maximise: bool = False) -> Metric:
    """The metric called `name`, for printing and drawing; for one that nobody declared, a plain row made from the name.

    `maximise` is the direction of such a row.

    >>> shown_as("macs").sentence(1234567), shown_as("f1", maximise=True).sentence(0.81234)
    ('1,234,567 macs', 'f1 0.8123')
    """
    with suppress(OutsideError):  # results are read without the code that measured them
        is_declared(name)
    return _known().get(name) or _SHOWN.get(name) or metric_at(name) or Metric(name=name, maximise=maximise)


def _known() -> dict[str, Metric]:
    return _declared | _OF_TASKS


def _is_published(name: str) -> bool:
    """Whether a distribution publishes a metric of that name, which is then declared."""
    row = published_metric(name)
    return row is not None and declare_metric(row) is row


def is_described(name: str) -> bool:
    """Whether a network's description alone tells the metric called `name`; no for a name of none.

    Raises `OutsideError` as `is_declared` does.

    >>> is_described("macs"), is_described("accuracy")
    (True, False)
    """
    row = _known().get(name) or metric_at(name)
    if row is None and _is_published(name):
        row = _known()[name]
    return row is not None and row.is_described


def described_values(arch: ArchSpec, cost: Cost) -> dict[str, float]:
    """The value of every metric of the stage `description` for the network `arch` and its `cost`, by name.

    >>> from naslab.arch import cost
    >>> from naslab.zoo import model
    >>> described_values(model("lenet5"), cost(model("lenet5")))["params"]
    61706
    """
    return {row.name: row.of(arch, cost) for row in _declared.values() if row.is_described}


def measured_rows(measured: Iterable[str]) -> tuple[Metric, ...]:
    """The metrics among `measured`, keys of `Estimate.measured`, in the order of declaration; those in targets last.

    >>> [row.name for row in measured_rows(["latency_ms", "accuracy_sem", "accuracy", "naswot"])]
    ['accuracy', 'latency_ms']
    """
    names = tuple(measured)
    keys = set(names)
    own = (row for row in _known().values() if row.name in keys and not row.is_described)
    return (*own, *rows_at(names))


def score_rows(measured: Iterable[str]) -> tuple[Metric, ...]:
    """A plain row for each of `measured`, keys of `Estimate.measured`, of no declared metric: scores of estimators.

    >>> [row.name for row in score_rows(["accuracy", "accuracy_sem", "naswot"])]
    ['naswot']
    """
    names = tuple(measured)
    keys = {key for row in (*_known().values(), *rows_at(names)) for key in row.keys}
    rows = [shown_as(name, maximise=True) for name in names if name not in keys]
    beside = {key for row in rows for key in row.keys if key != row.name}
    return tuple(row for row in rows if row.name not in beside)


def in_words(names: Iterable[str], last: str = "or") -> str:
    """One or more `names` in a sentence, with the word `last` before the last of them.

    >>> in_words(("macs", "params", "activations"))
    'macs, params or activations'
    """
    *others, end = names
    return f"{', '.join(others)} {last} {end}" if others else end
