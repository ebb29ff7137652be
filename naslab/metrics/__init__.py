"""What can be aimed at or bounded, one row each.

A `Metric` says everything about a number that networks are judged by: its name, unit and direction, when it is known
and who measures it, and how it is printed and drawn. Objectives, limits, the ledger's view, tables, figures, reports
and help texts read it here; no other file names a metric. What may be written elsewhere:

- attributes of values that are not rows: `cost.macs`, `layer.params`, `epoch.validation_accuracy`;
- a constant of this package (`ACCURACY.name`) where a file is about one metric and not about any: the training that
  measures it, a law of error, a figure of accuracy against macs. `ACCURACY` is the main metric of classification;
- words of prose in messages and docstrings.

`tests/unit/metrics/test_metric_names.py` holds this.

A metric from outside is one call, and nothing else: `declare_metric(Metric(name="f1", maximise=True, most=1.0))`, for
numbers that an estimator puts in `Estimate.measured`; with `stage="description"` and a function `read(arch, cost)` it
is known before training and may be bounded by limits too, and with `stage="before training"` and a function
`measure(network, arch, device)` it is measured on the untrained network, in workers. Such a row is also named
`package.module:NAME` where metrics are, or published by an entry point of `naslab.metrics`. What an estimator measured
and nobody declared can be aimed at with its direction, as `f1:max` (`naslab.study.problem.Objective.named`), and is
shown under its bare name.
"""

from naslab.metrics.deployed import AT, DEPLOYED_METRICS, named_at
from naslab.metrics.metric import Metric, Stage
from naslab.metrics.own import (
    ACCURACY,
    ACTIVATIONS,
    AUROC,
    BALANCED_ACCURACY,
    COST_METRICS,
    COUNTED_METRICS,
    DEFAULT_OBJECTIVES,
    DEPLOYMENT,
    DETECTOR_MACS,
    DETECTOR_METRICS,
    DETECTOR_PARAMS,
    EVALUATION,
    EXPECTED_CALIBRATION_ERROR,
    EXTRAPOLATED_ACCURACY,
    FOREIGN_LAYERS,
    HEADS,
    IMAGES,
    LATENCY,
    MACRO_F1,
    MACS,
    MAE,
    MEAN_AVERAGE_PRECISION,
    MICROCONTROLLER_METRICS,
    OWN_METRICS,
    PARAMS,
    PEAK_ACTIVATION_BYTES,
    R2,
    RMSE,
    SHOWN_METRICS,
    SIZE_BYTES,
    TASK_METRICS,
    TIMING,
    TOP5_ACCURACY,
)
from naslab.metrics.registry import (
    declare_metric,
    described_values,
    find_metric,
    in_words,
    is_declared,
    is_described,
    measured_rows,
    metrics,
    named_metric,
    names_for,
    score_rows,
    shown_as,
    withdraw_metric,
)

__all__ = [
    "ACCURACY",
    "ACTIVATIONS",
    "AT",
    "AUROC",
    "BALANCED_ACCURACY",
    "COST_METRICS",
    "COUNTED_METRICS",
    "DEFAULT_OBJECTIVES",
    "DEPLOYED_METRICS",
    "DEPLOYMENT",
    "DETECTOR_MACS",
    "DETECTOR_METRICS",
    "DETECTOR_PARAMS",
    "EVALUATION",
    "EXPECTED_CALIBRATION_ERROR",
    "EXTRAPOLATED_ACCURACY",
    "FOREIGN_LAYERS",
    "HEADS",
    "IMAGES",
    "LATENCY",
    "MACRO_F1",
    "MACS",
    "MAE",
    "MEAN_AVERAGE_PRECISION",
    "MICROCONTROLLER_METRICS",
    "OWN_METRICS",
    "PARAMS",
    "PEAK_ACTIVATION_BYTES",
    "R2",
    "RMSE",
    "SHOWN_METRICS",
    "SIZE_BYTES",
    "TASK_METRICS",
    "TIMING",
    "TOP5_ACCURACY",
    "Metric",
    "Stage",
    "declare_metric",
    "described_values",
    "find_metric",
    "in_words",
    "is_declared",
    "is_described",
    "measured_rows",
    "metrics",
    "named_at",
    "named_metric",
    "names_for",
    "score_rows",
    "shown_as",
    "withdraw_metric",
]
