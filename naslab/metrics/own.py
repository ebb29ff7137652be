"""The metrics that naslab itself measures, one row each."""

from __future__ import annotations

from naslab.arch.int8_memory import OPERATORS, first_foreign_layer, flash_bytes, foreign_layers, sram_bytes
from naslab.metrics.metric import Metric

DESCRIPTION = "the cost model"
EVALUATION = "evaluation on validation images"
TIMING = "timed forward passes"
DEPLOYMENT = "the network in a target"
"""What measures: the `measured_by` of the rows below."""

HEADS = "the heads of a detector"
"""Counts what stands on a network beside it."""

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
SRAM_BYTES = Metric(
    name="sram_bytes",
    maximise=False,
    stage="description",
    measured_by=DESCRIPTION,
    read=lambda arch, cost: sram_bytes(cost),
    summary="bytes of SRAM of a network in 8 bits at its peak, one image",
    unit="bytes",
    per="one image",
    label="peak SRAM in 8 bits",
    words="{} bytes SRAM",
    digits=",.0f",
    is_whole=True,
    is_log=True,
    least=0.0,
)
FLASH_BYTES = Metric(
    name="flash_bytes",
    maximise=False,
    stage="description",
    measured_by=DESCRIPTION,
    read=lambda arch, cost: flash_bytes(arch),
    summary="bytes of flash of a network in 8 bits",
    unit="bytes",
    label="flash in 8 bits",
    words="{} bytes flash",
    digits=",.0f",
    is_whole=True,
    is_log=True,
    least=0.0,
)
FOREIGN_LAYERS: dict[str, Metric] = {
    operators: Metric(
        name=f"foreign_layers_{operators.replace('-', '_')}",
        maximise=False,
        stage="description",
        measured_by=DESCRIPTION,
        read=lambda arch, cost, operators=operators: foreign_layers(arch, operators),  # type: ignore[misc]
        found_in=lambda arch, operators=operators: first_foreign_layer(arch, operators),  # type: ignore[misc]
        summary=f"layers that {about} do not hold",
        label=f"layers outside of {operators}",
        words=f"{{}} layers outside of {operators}",
        digits=",.0f",
        is_whole=True,
        least=0.0,
    )
    for operators, about in OPERATORS.items()
}
"""By named set of operators."""
MICROCONTROLLER_METRICS: tuple[Metric, ...] = (SRAM_BYTES, FLASH_BYTES, *FOREIGN_LAYERS.values())
"""What tells whether a network fits a microcontroller; asked for by name, and not shown of other networks."""

SIZE_BYTES = Metric(
    name="size_bytes",
    maximise=False,
    stage="before training",
    measured_by=DEPLOYMENT,
    summary="bytes of the file that a target runs",
    unit="bytes",
    label="size",
    words="{} bytes",
    digits=",.0f",
    is_whole=True,
    is_log=True,
    least=0.0,
)
"""Of a target alone: it is written `size_bytes@TARGET`."""


def _share(name: str, label: str, summary: str, maximise: bool = True, most: float = 1.0) -> Metric:
    """A row of a number from 0 to 1 that evaluation gives."""
    return Metric(
        name=name,
        maximise=maximise,
        measured_by=EVALUATION,
        summary=summary,
        label=label,
        words=f"{label} {{}}",
        brief=f"{label} {{:.3f}}",
        digits=".4f",
        least=0.0,
        most=most,
    )


def _per_cent(name: str, label: str, summary: str) -> Metric:
    """A row of a share of images in per cent that evaluation gives."""
    return Metric(
        name=name,
        maximise=True,
        measured_by=EVALUATION,
        summary=summary,
        unit="%",
        label=label,
        words=f"{label} {{}} %",
        brief=f"{label} {{:.2f}} %",
        digits=".2f",
        least=0.0,
        most=100.0,
    )


def _error(name: str, label: str, summary: str) -> Metric:
    """A row of an error in the unit of the targets."""
    return Metric(
        name=name,
        maximise=False,
        measured_by=EVALUATION,
        summary=summary,
        label=label,
        words=f"{label} {{}}",
        brief=f"{label} {{:.4g}}",
        least=0.0,
    )


TOP5_ACCURACY = _per_cent("top5", "top-5 accuracy", "share of images whose class is among the five likeliest")
BALANCED_ACCURACY = _per_cent("balanced_accuracy", "balanced accuracy", "mean over the classes of the share of each")
MACRO_F1 = _share("macro_f1", "macro F1", "mean F1 over the classes or labels")
AUROC = _share("auroc", "AUROC", "mean area under the ROC curve over the classes or labels")
EXPECTED_CALIBRATION_ERROR = _share(
    "ece", "expected calibration error", "how far probabilities are from shares that are right, 15 bins", maximise=False
)
MEAN_AVERAGE_PRECISION = _share(
    "mean_average_precision", "mean average precision", "mean over the labels of the area under precision and recall"
)
MAE = _error("mae", "mean absolute error", "mean absolute error in the unit of the targets")
RMSE = _error("rmse", "root mean squared error", "root mean squared error in the unit of the targets")
R2 = Metric(
    name="r2",
    maximise=True,
    measured_by=EVALUATION,
    summary="share of the targets' variance that is explained",
    label="R2",
    words="R2 {}",
    brief="R2 {:.3f}",
    digits=".4f",
    most=1.0,
)
DETECTOR_MACS = Metric(
    name="detector_macs",
    maximise=False,
    stage="before training",
    measured_by=HEADS,
    summary="multiply-accumulates of a whole detector or segmenter, its heads too, one image",
    unit="multiply-accumulates",
    per="one image",
    label="macs of the detector",
    words="{} macs with heads",
    digits=",.0f",
    is_whole=True,
    is_log=True,
    least=0.0,
)
DETECTOR_PARAMS = Metric(
    name="detector_params",
    maximise=False,
    stage="before training",
    measured_by=HEADS,
    summary="weights of a whole detector or segmenter, its heads too",
    unit="weights",
    label="weights of the detector",
    words="{} weights with heads",
    digits=",.0f",
    is_whole=True,
    is_log=True,
    least=0.0,
)
DETECTOR_METRICS: tuple[Metric, ...] = (DETECTOR_MACS, DETECTOR_PARAMS)
"""What a search for detectors and segmenters counts of each whole one."""

TASK_METRICS: tuple[Metric, ...] = (
    *(TOP5_ACCURACY, BALANCED_ACCURACY, MACRO_F1, AUROC, EXPECTED_CALIBRATION_ERROR),
    *(MEAN_AVERAGE_PRECISION, MAE, RMSE, R2),
)
"""What evaluation measures beside accuracy, by the task and where it is asked for (`naslab.study.task`)."""

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
