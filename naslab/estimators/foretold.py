"""Foretold: a training that ends early on its schedule, and what its curve says that the whole would reach."""

from __future__ import annotations

import msgspec

from naslab.estimators.estimator import Workbench
from naslab.estimators.short_training import ShortTraining
from naslab.outcome import Candidate, Estimate

LEAST_EPOCHS = 3
"""As `naslab.estimators.extrapolation` needs, which loads scipy."""


class Foretold(msgspec.Struct, frozen=True):
    """Trains as `training` does and extrapolates the learning curve to the end of the fidelity's schedule.

    `measured` holds, beside what was seen, `foretold_accuracy` (the median, per cent) and `foretold_accuracy_sem` (half
    the width of the central 68 %): what `naslab.estimators.extrapolation` makes of the curve. A fidelity whose schedule
    ends with its epochs has nothing to foretell, and its last accuracy stands.

    >>> from naslab.training.choice import DataChoice
    >>> from naslab.training.recipe import default_recipe
    >>> Foretold(ShortTraining(data=DataChoice(name="digits"), recipe=default_recipe("digits"))).training.latency
    False
    """

    training: ShortTraining

    def prepare(self, bench: Workbench) -> None:
        """Load the data onto the worker's device and set its threads. Raises `DataError` and `DeviceError`."""
        self.training.prepare(bench)

    def estimate(self, candidate: Candidate, bench: Workbench) -> Estimate:
        """Train a candidate for its epochs and look ahead; its failures are values."""
        estimate = self.training.estimate(candidate, bench)
        if estimate.failure is not None:
            return estimate
        return msgspec.structs.replace(estimate, measured={**estimate.measured, **self._foretold(candidate, estimate)})

    def _foretold(self, candidate: Candidate, estimate: Estimate) -> dict[str, float]:
        from naslab.estimators.extrapolation import extrapolate
        from naslab.training.schedule import annealing

        end = candidate.fidelity.schedule_epochs
        if end is None:
            last, error = estimate.measured["accuracy"], estimate.measured["accuracy_sem"]
            return {"foretold_accuracy": last, "foretold_accuracy_sem": error}
        accuracies = [epoch.validation_accuracy for epoch in estimate.curve]
        forecast = extrapolate(accuracies, end, annealing(self.training.recipe, end)).forecast(0.68)
        return {
            "foretold_accuracy": forecast.accuracy,
            "foretold_accuracy_sem": (forecast.high - forecast.low) / 2,
        }
