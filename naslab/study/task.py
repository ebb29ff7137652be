"""What a network is to tell of an image: one class of several, any of several labels, or numbers. No torch here."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from naslab.metrics import (
    ACCURACY,
    AUROC,
    BALANCED_ACCURACY,
    EXPECTED_CALIBRATION_ERROR,
    MACRO_F1,
    MAE,
    MEAN_AVERAGE_PRECISION,
    R2,
    RMSE,
    TOP5_ACCURACY,
    Metric,
)

Task: TypeAlias = Literal["classification", "multilabel", "regression"]
"""One label an image, several labels an image, or one or more numbers an image."""


MOST_OF_A_CLASS_NAME = 1_000
"""Characters of the name of a class."""


class TaskRow(NamedTuple):
    """A task, in `words`: the `main` metric that a search aims at unless told otherwise, and all that it measures."""

    words: str
    main: Metric
    measured: tuple[Metric, ...]


TASKS: dict[Task, TaskRow] = {
    "classification": TaskRow(
        "one label an image",
        ACCURACY,
        (ACCURACY, TOP5_ACCURACY, BALANCED_ACCURACY, MACRO_F1, AUROC, EXPECTED_CALIBRATION_ERROR),
    ),
    "multilabel": TaskRow("several labels an image", MEAN_AVERAGE_PRECISION, (MEAN_AVERAGE_PRECISION, MACRO_F1, AUROC)),
    "regression": TaskRow("numbers", RMSE, (MAE, RMSE, R2)),
}
"""The tasks by name."""
