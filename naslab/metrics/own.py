"""The metrics that naslab itself measures, one row each."""

from __future__ import annotations

from naslab.metrics.metric import Metric

DESCRIPTION = "the cost model"
EVALUATION = "evaluation on validation images"
TIMING = "timed forward passes"
"""What measures: the `measured_by` of the rows below."""

ACCURACY = Metric(
    name="accuracy",
    maximise=True,
    measured_by=EVALUATION,
    summary="share of the validation images that are classified right",
    unit="%",
    label="validation accuracy",
    words="accuracy {} %",
    brief="{:.2f} %",
    digits=".2f",
    least=0.0,
    most=100.0,
    standard_error="accuracy_sem",
)
"""The main metric of classification: scaling laws, rungs and displays of progress read it."""

MACS = Metric(
    name="macs",
    maximise=False,
    stage="description",
    measured_by=DESCRIPTION,
    read=lambda arch, cost: cost.macs,
    summary="multiply-accumulates of convolution and linear layers",
    unit="multiply-accumulates",
    words="{} macs",
    digits=",.0f",
    is_whole=True,
    is_log=True,
    least=0.0,
)
PARAMS = Metric(
    name="params",
    maximise=False,
    stage="description",
    measured_by=DESCRIPTION,
    read=lambda arch, cost: cost.params,
    summary="trainable parameters",
    unit="trainable parameters",
    words="{} params",
    digits=",.0f",
    is_whole=True,
    is_log=True,
    least=0.0,
)
ACTIVATIONS = Metric(
    name="activations",
    maximise=False,
    stage="description",
    measured_by=DESCRIPTION,
    read=lambda arch, cost: cost.activations,
    summary="output elements of convolutions",
    unit="output elements of convolutions",
    words="{} activations",
    digits=",.0f",
    is_whole=True,
    is_log=True,
    least=0.0,
)
PEAK_ACTIVATION_BYTES = Metric(
    name="peak_activation_bytes",
    maximise=False,
    stage="description",
    measured_by=DESCRIPTION,
    read=lambda arch, cost: cost.peak_activation_bytes,
    summary="bytes of float32 values alive at once in a forward pass of one image",
    unit="bytes",
    per="one image",
    label="peak activation memory",
    words="{} bytes peak activation memory",
    digits=",.0f",
    is_whole=True,
    is_log=True,
    least=0.0,
)
LATENCY = Metric(
    name="latency_ms",
    maximise=False,
    stage="before training",
    measured_by=TIMING,
    summary="median milliseconds of a forward pass of one image",
    unit="ms",
    per="one image",
    label="latency",
    words="latency {} ms",
    brief="{:.2f} ms",
    digits=".3g",
    places=3,
    is_log=True,
    least=0.0,
    interquartile_range="latency_ms_iqr",
)
OWN_METRICS: tuple[Metric, ...] = (ACCURACY, MACS, PARAMS, ACTIVATIONS, PEAK_ACTIVATION_BYTES, LATENCY)
"""The rows in the order of help texts."""

IMAGES = Metric(
    name="images",
    maximise=True,
    summary="training images",
    label="training images",
    words="{} images",
    digits=",.0f",
    is_whole=True,
    is_log=True,
    least=0.0,
)
"""An axis of scaling laws. It belongs to a training, not to a network, and so cannot be an objective."""

EXTRAPOLATED_ACCURACY = Metric(
    name="extrapolated_accuracy",
    maximise=True,
    summary="accuracy at the end of a training, extrapolated from its beginning",
    unit="%",
    label="extrapolated accuracy",
    words="extrapolated accuracy {} %",
    brief="{:.2f} % extrapolated",
    digits=".2f",
    least=0.0,
    most=100.0,
    standard_error="extrapolated_accuracy_sem",
)
"""What the estimator `extrapolated` ranks networks by."""

COST_METRICS: tuple[str, ...] = tuple(row.name for row in OWN_METRICS if row.is_described)
"""Every field of `naslab.arch.cost.Cost`. The models of strategies learn from these, whatever else is declared."""
COUNTED_METRICS: tuple[str, ...] = (MACS.name, PARAMS.name, ACTIVATIONS.name)
"""Costs that are sums over layers: what scaling multiplies, and what laws of error are fitted over."""
SHOWN_METRICS: tuple[Metric, ...] = (ACCURACY, MACS, PARAMS)
"""What tables, and figures under the pointer, show of every network, whatever the objectives are."""
DEFAULT_OBJECTIVES: tuple[str, ...] = (ACCURACY.name, MACS.name)
