"""Searches for detectors and segmenters: what they are asked for, in the names of their estimator."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from naslab.dense_prediction.tasks import DENSE_TASKS, DenseTask
from naslab.errors import StudyError, shown
from naslab.estimators.named import EstimatorName
from naslab.lab.search_options import SearchOptions
from naslab.metrics import DETECTOR_MACS, DETECTOR_METRICS, MACS, PARAMS
from naslab.study.problem import Problem

WHOLE = dict(zip((MACS.name, PARAMS.name), (row.name for row in DETECTOR_METRICS), strict=True))
"""What counts of a whole detector, by what it is called of a network."""


def detector_estimator(
    task: DenseTask,
    dataset: str | None,
    kind: str | None = None,
    levels: str | None = None,
    channels: int | None = None,
) -> str:
    """The name of the estimator of a search for a `task` on a `dataset`, as `coco:DIR`.

    `kind`, `levels`, as `4,8,16,32`, and the `channels` of heads are those of `naslab train`. Raises `StudyError`
    without a data set, and for one whose folder's name no estimator's may hold.

    >>> detector_estimator("segmentation", "masks:/photos", levels="4,8")
    'segmentation:data=masks:/photos,levels=4-8'
    """
    if dataset is None:
        raise StudyError(f"a search for {task} needs a data set, as --dataset coco:DIR")
    word, colon, place = dataset.partition(":")
    folder = str(Path(place).expanduser().absolute()) if place else ""
    if "," in folder:
        raise StudyError(f"the folder {shown(folder)} has a comma in its name, which no search takes: rename it")
    said = {
        "data": f"{word}{colon}{folder}",
        "kind": kind or "",
        "levels": (levels or "").replace(",", "-").replace(" ", ""),
        "channels": "" if channels is None else str(channels),
    }
    return f"{task}:" + ",".join(f"{name}={value}" for name, value in said.items() if value)


def of_whole_detectors(options: SearchOptions, asked: EstimatorName | None) -> SearchOptions:
    """The options of a search whose estimator is `asked` for, in its names where that is one of detectors.

    There macs and params are those of whole detectors, and the metrics that it measures need no direction. Raises
    `StudyError` beside a data set.
    """
    if asked is None or not asked.row.brings_data:
        return options
    if options.dataset is not None:
        raise StudyError(
            f"'{asked.row.name}' says its data itself, as in {asked.row.name}:data=coco:DIR: leave dataset out"
        )
    objectives = options.objectives
    if objectives is None:
        objectives = (asked.metric, DETECTOR_MACS.name)
    return dataclasses.replace(
        options,
        objectives=tuple(_objective(name, asked) for name in objectives),
        limits=tuple(_limit(text) for text in options.limits),
    )


def _objective(name: str, asked: EstimatorName) -> str:
    main = DENSE_TASKS[asked.row.name].main  # type: ignore[index]
    bare, colon, direction = name.partition(":")
    own = f"{main.removesuffix('ap')}{bare}"
    if bare.startswith("ap") and own in asked.row.metrics:
        bare = own
    if bare == asked.metric and direction in ("", "max"):
        return bare
    if bare in asked.row.metrics and bare not in WHOLE.values() and not colon:
        return f"{bare}:max"
    return WHOLE.get(bare, f"{bare}{colon}{direction}")


def _limit(text: str) -> str:
    found = re.match(r"\s*(\w+)\s*(?=[<>]=)", text)
    if found is None or found[1] not in WHOLE:
        return text
    return WHOLE[found[1]] + text[found.end() :]


def detector_words(problem: Problem) -> str:
    """What is counted in a search of a `problem` for detectors, in a sentence; empty for another one."""
    asked = {goal.metric for goal in problem.objectives} | {limit.metric for limit in problem.measured_limits}
    named = asked & set(WHOLE.values())
    return f"{' and '.join(sorted(named))}: of whole detectors, their heads too" if named else ""
