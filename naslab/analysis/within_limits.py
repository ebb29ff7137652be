"""The trials of a study that are within limits on what they have, and which comes nearest where none is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from naslab.analysis.front import metrics_of
from naslab.analysis.labels import label_of
from naslab.errors import StudyError
from naslab.metrics import shown_as
from naslab.study.outcome import Outcome
from naslab.study.problem import Limit


def within_limits(outcomes: Sequence[Outcome], limits: Sequence[str]) -> list[Outcome]:
    """The complete ones of `outcomes` that meet all `limits`, such as `accuracy>=90`, on anything that trials have.

    What is no number meets none, and neither does what is infinite.
    Raises `StudyError` where there are some and none does, which names the one that comes nearest;
    `UnknownNameError` for a metric that no trial has, `SpecError` for a bound that is none.
    """
    complete = [each for each in outcomes if each.is_complete]
    read = limits_on(complete, limits) if complete else ()
    found = [each for each in complete if all(_holds(limit, each.value(limit.metric)) for limit in read)]
    if complete and not found:
        raise StudyError(f"no trial of the study meets {', '.join(map(str, read))}: {_nearest(complete, read)}")
    return found


def limits_on(outcomes: Sequence[Outcome], limits: Sequence[str]) -> tuple[Limit, ...]:
    """The `limits` as written, each on a metric that some of `outcomes` have.

    Raises `UnknownNameError` for another metric, `SpecError` for a bound that is none.
    """
    known = dict.fromkeys(name for each in outcomes for name in metrics_of(each))
    return tuple(Limit.on_results(limit, known) for limit in limits)


def _nearest(complete: Sequence[Outcome], limits: Sequence[Limit]) -> str:
    """Which of the outcomes breaks the limits by the least, and what all of them have."""
    had = []
    for limit in limits:
        values = [value for each in complete if math.isfinite(value := each.value(limit.metric))]
        had.append(f"{limit.metric} from {min(values):g} to {max(values):g}" if values else f"no {limit.metric}")
    told = f"its trials have {', '.join(had)}"
    measured = [each for each in complete if all(math.isfinite(each.value(limit.metric)) for limit in limits)]
    if not measured:
        return f"{told}, none of them all"
    nearest = min(measured, key=lambda each: sum(float(excess(limit, each.value(limit.metric))) for limit in limits))
    names = dict.fromkeys(limit.metric for limit in limits)
    values_there = ", ".join(shown_as(name).sentence(nearest.value(name)) for name in names)
    return f"{told}; {label_of(nearest)} comes nearest with {values_there}"


def _holds(limit: Limit, value: float) -> bool:
    return math.isfinite(value) and limit.holds(value)


def excess(limit: Limit, value: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """By what share of its bound `limit` is broken by one value or many, 0 where it is met, of their shape.

    >>> from naslab.study.problem import Limit
    >>> excess(Limit.parse("macs<=50M"), np.array([40e6, 75e6])).tolist()
    [0.0, 0.5]
    """
    values = np.asarray(value, dtype=np.float64)
    return np.maximum(0.0, values / limit.most - 1 if limit.most < math.inf else 1 - values / limit.least)
