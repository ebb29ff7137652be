"""What the arguments of a search may be that several kinds of values stand for."""

from __future__ import annotations

from typing import Any

from naslab.arguments import Kind, either, instance, many, optional, text, whole
from naslab.estimators.own import is_estimator
from naslab.strategies.own import is_strategy
from naslab.study.rungs import Rungs


def _strategy(value: Any) -> Any:
    is_sampler = any(each.__module__.split(".")[0] == "optuna" for each in type(value).__mro__)
    return value if is_sampler or is_strategy(value) else text().read(value)


def _estimator(value: Any) -> Any:
    return value if callable(value) or is_estimator(value) else text().read(value)


def _rungs(value: Any) -> Any:
    return Rungs.parse(value) if isinstance(value, str) else many(whole(1)).read(value)


STRATEGY = Kind("the name of a strategy, one of your own, or a sampler of Optuna", _strategy)
RUNGS = optional(either(instance(Rungs), Kind("epochs, as (1, 3, 9)", _rungs)))
ESTIMATOR = optional(Kind("the name of an estimator, or a training function of your own", _estimator))
