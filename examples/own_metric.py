"""Your own metric: what a training returns is an objective, a column and an axis; a row says how it is shown.

naslab search digits_demo --estimator own_metric:evaluate --objectives calibration_error:min,macs --trials 20 --epochs 3
"""

import torch
from own_training import evaluate as train
from own_training import images, labels, validation

from naslab.metrics import Metric, declare_metric

declare_metric(
    Metric(name="calibration_error", maximise=False, least=0.0, most=1.0, label="calibration error", digits=".3f")
)


def evaluate(network, trial):
    measured = train(network, trial)
    with torch.no_grad():
        shares = network(images[validation].to(trial.device)).softmax(1).cpu()
    confidence, predicted = shares.max(1)
    is_right = (predicted == labels[validation]).float()
    bins = (confidence * 10).long().clamp(max=9)
    gaps = [(is_right[bins == each] - confidence[bins == each]).sum().abs() for each in range(10)]
    return {**measured, "calibration_error": sum(gaps) / len(is_right), "accuracy": 100 * is_right.mean()}
