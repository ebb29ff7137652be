"""The metrics of each task over a set of images, by torchmetrics, on the device that the images lie on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

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
)
from naslab.study.task import TASKS, Task
from naslab.training.data import DataSplit, Targets
from naslab.training.datasets.fitting import FEW, require_torchmetrics

BINS = 15
"""Of the expected calibration error, as in Guo et al. 2017 (arXiv 1706.04599)."""


def measurable(data: DataSplit) -> tuple[str, ...]:
    """The metrics of the data's task but for accuracy, which is counted, and what says nothing of so few classes."""
    names = [row.name for row in TASKS[data.task].measured if row is not ACCURACY]
    return tuple(name for name in names if name != TOP5_ACCURACY.name or data.num_classes > FEW)


class Scores:
    """Metrics that are told batch by batch what a network gave: `names` of them, for the task of `data`.

    Raises `DataError` where torchmetrics is not installed.
    """

    def __init__(self, data: DataSplit, names: Sequence[str]) -> None:
        require_torchmetrics(f"measuring {', '.join(names)}")
        self._task: Task = data.task
        self._targets: Targets | None = data.targets
        device = data.validation.labels.device
        self._metrics = {name: _made(name, data).to(device) for name in names}

    def update(self, outputs: Tensor, labels: Tensor) -> None:
        """Take a batch: `outputs`, the logits, of shape (batch, outputs), and its labels, as those of `Images`."""
        if self._targets is not None:
            outputs = outputs * self._targets.deviation + self._targets.mean
        elif self._task == "multilabel":
            outputs, labels = outputs.sigmoid(), labels.to(torch.int64)
        else:
            outputs = outputs.softmax(1)
        for metric in self._metrics.values():
            metric.update(outputs, labels)

    def values(self) -> dict[str, float]:
        """The metrics over all that was taken, by name; not a number where a metric is of nothing."""
        return {name: _scale(name) * float(metric.compute()) for name, metric in self._metrics.items()}


def _scale(name: str) -> float:
    return 100.0 if name in (TOP5_ACCURACY.name, BALANCED_ACCURACY.name) else 1.0


def _made(name: str, data: DataSplit) -> Any:
    import torchmetrics.classification as classes
    import torchmetrics.regression as numbers

    count = data.num_classes
    plain: dict[str, Any] = {"validate_args": False}
    if data.task == "classification":
        return {
            TOP5_ACCURACY.name: lambda: classes.MulticlassAccuracy(count, top_k=FEW, average="micro", **plain),
            BALANCED_ACCURACY.name: lambda: classes.MulticlassAccuracy(count, average="macro", **plain),
            MACRO_F1.name: lambda: classes.MulticlassF1Score(count, average="macro", **plain),
            AUROC.name: lambda: classes.MulticlassAUROC(count, average="macro", **plain),
            EXPECTED_CALIBRATION_ERROR.name: lambda: classes.MulticlassCalibrationError(count, n_bins=BINS, **plain),
        }[name]()
    if data.task == "multilabel":
        return {
            MEAN_AVERAGE_PRECISION.name: lambda: classes.MultilabelAveragePrecision(count, average="macro", **plain),
            MACRO_F1.name: lambda: classes.MultilabelF1Score(count, average="macro", **plain),
            AUROC.name: lambda: classes.MultilabelAUROC(count, average="macro", **plain),
        }[name]()
    return {
        MAE.name: numbers.MeanAbsoluteError,
        RMSE.name: lambda: numbers.MeanSquaredError(squared=False),
        R2.name: lambda: numbers.R2Score(multioutput="uniform_average"),
    }[name]()
