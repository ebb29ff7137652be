"""Extrapolated: a training that ends early on its schedule, and what its curve says that the whole would reach."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from naslab.estimators.estimator import Workbench
from naslab.estimators.short_training import ShortTraining
from naslab.metrics import ACCURACY
from naslab.study.outcome import Candidate, EpochRecord, Estimate

LEAST_EPOCHS = 3
"""Epochs that an accuracy is extrapolated from, at least. The same number as in `naslab.estimators.extrapolation`,
which is not imported here because it loads scipy."""
LEAST_EPOCHS_OF_LOSS = 2
"""Two give a slope."""


class Extrapolated(msgspec.Struct, frozen=True):
    """Trains as `training` does and extrapolates the learning curve to the end of the fidelity's schedule.

    `measured` holds, beside what was seen, from two epochs on `extrapolated_log_likelihood` (minus
    `extrapolated_loss`: the mean over validation images, nats), and from three on `extrapolated_accuracy` (the median,
    per cent) and `extrapolated_accuracy_sem` (half the width of the central 68 %), by
    `naslab.estimators.extrapolation`. A fidelity whose schedule ends with its epochs has nothing to extrapolate,
    nor has a training that its recipe's patience ended before: what they ended with stands.

    >>> from naslab.study.data_choice import DataChoice
    >>> from naslab.study.recipe import default_recipe
    >>> Extrapolated(ShortTraining(data=DataChoice(name="digits"), recipe=default_recipe("digits"))).training.latency
    False
    """

    training: ShortTraining

    def prepare(self, bench: Workbench) -> None:
        """Load the data onto the worker's device and set its threads. Raises `DataError` and `DeviceError`."""
        self.training.prepare(bench)

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        """Train a candidate for its epochs and extrapolate its curve; its failures are values."""
        estimate = self.training.estimate(candidate, bench)
        if estimate.failure is not None:
            return estimate
        fidelity = candidate.fidelity
        end = fidelity.schedule_epochs
        if end is None or len(estimate.curve) < fidelity.epochs:  # ended by the recipe's patience
            extrapolated = self._as_it_ended(estimate)
        else:
            extrapolated = self._ahead(estimate.curve, end)
        return msgspec.structs.replace(estimate, measured={**estimate.measured, **extrapolated})

    def _ahead(self, curve: Sequence[EpochRecord], end: int) -> dict[str, float]:
        extrapolated = {}
        if len(curve) >= LEAST_EPOCHS_OF_LOSS:
            extrapolated["extrapolated_log_likelihood"] = -extrapolated_loss(curve, end)
        if len(curve) >= LEAST_EPOCHS:
            from naslab.estimators.extrapolation import extrapolate
            from naslab.training.schedule import annealing

            accuracies = [epoch.validation_accuracy for epoch in curve]
            forecast = extrapolate(accuracies, end, annealing(self.training.recipe, end)).forecast(0.68)
            extrapolated[f"extrapolated_{ACCURACY.name}"] = forecast.accuracy
            extrapolated[f"extrapolated_{ACCURACY.standard_error}"] = (forecast.high - forecast.low) / 2
        return extrapolated

    def _as_it_ended(self, estimate: Estimate) -> dict[str, float]:
        from naslab.training.early_stopping import kept_epoch

        return {
            f"extrapolated_{ACCURACY.name}": estimate.measured[ACCURACY.name],
            f"extrapolated_{ACCURACY.standard_error}": estimate.measured[ACCURACY.standard_error],
            "extrapolated_log_likelihood": -kept_epoch(estimate.curve, self.training.recipe).validation_loss,
        }


def extrapolated_loss(seen: Sequence[EpochRecord], end: int) -> float:
    """The validation loss at epoch `end`, were it to fall as the training loss did in the logarithm of epochs, nats.

    The training loss is a mean over many images at many weights, and so a steadier slope than the validation loss's.
    NaN below two epochs and where nothing is left to extrapolate.

    >>> losses = [(2.0, 2.1), (1.8, 1.9)]
    >>> curve = [EpochRecord(1 + at, train, held, 30.0, 1.0) for at, (train, held) in enumerate(losses)]
    >>> round(extrapolated_loss(curve, 4), 6)
    1.7
    """
    if not LEAST_EPOCHS_OF_LOSS <= len(seen) < end:
        return math.nan
    places = np.log(np.arange(1, len(seen) + 1))
    slope = float(np.polyfit(places, [each.train_loss for each in seen], 1)[0])
    return seen[-1].validation_loss + slope * math.log(end / len(seen))
