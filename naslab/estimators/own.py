"""Estimators from outside: a user's training function, or an estimator of the user's, as a row like those of naslab."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from naslab.errors import UnknownNameError
from naslab.estimators.options import Options
from naslab.estimators.own_training import SCORE, OwnTraining
from naslab.estimators.rows import ROWS, EstimatorRow, MadeEstimator, Setting
from naslab.metrics import find_metric, is_declared
from naslab.outside import find_outside, is_outside, name_of, require_takes
from naslab.study.problem import Objective

WHAT = "estimator"


def own_row(name: str, given: object | None = None) -> EstimatorRow:
    """The row of the estimator called `name`, as `package.module:name`; it is loaded when it is made, not before.

    `given` is the function or estimator itself, where the caller has it.
    """

    def make(setting: Setting, _: Options) -> MadeEstimator:
        found = find_outside(name, WHAT, "naslab.estimators") if given is None else given
        return MadeEstimator(made_of(found, name, setting))

    return EstimatorRow(name, "a training of your own", "training", Options, make, (SCORE,), times=True, is_own=True)


def own_estimator(text: str) -> Any:
    """What `package.module:name`, or an entry point's name, leads to.

    Raises `UnknownNameError` where it is neither, and `OutsideError` where it leads nowhere.
    """
    found = find_outside(text, WHAT, "naslab.estimators")
    if found is None:
        raise UnknownNameError(WHAT, text, [row.name for row in ROWS])
    return found


def own_name(text: str) -> str:
    """The one form of a name from outside: what it is called where it is defined; no entry point's other name."""
    return text if is_outside(text) else name_of(own_estimator(text))


def made_of(found: Any, name: str, setting: Setting) -> Any:
    """The estimator that `found` is or makes: itself where it has `prepare` and `estimate`, else a training function.

    `name` is what it is called, `setting` the search's. Raises `OutsideError` for anything else.
    """
    estimator = found() if isinstance(found, type) and is_estimator(found) else found
    if is_estimator(estimator):
        return estimator
    require_takes(estimator, WHAT, "network", "trial")
    problem, is_search = setting.problem, setting.learned is not None
    return OwnTraining(
        estimator,
        name,
        _of_training(problem.objectives) if is_search else (Objective.of_score(SCORE),),
        data=problem.data,
        recipe=problem.recipe,
        data_dir=setting.data_dir,
    )


def _of_training(objectives: Sequence[Objective]) -> tuple[Objective, ...]:
    """The objectives but for those that a function of the user's own measures before training."""
    first = {goal.metric for goal in objectives if is_declared(goal.metric) and find_metric(goal.metric).measure}
    return tuple(goal for goal in objectives if goal.metric not in first)


def is_estimator(found: object) -> bool:
    """Whether something has the two methods of an `Estimator`."""
    return all(callable(getattr(found, method, None)) for method in ("prepare", "estimate"))
