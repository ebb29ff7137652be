"""Stopping a training once it is clear that it will not reach the front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from naslab.estimators.extrapolation import LEAST_EPOCHS, CurvePosterior, extrapolate
from naslab.metrics import ACCURACY
from naslab.study.outcome import Candidate, EpochRecord
from naslab.study.recipe import Recipe
from naslab.training.schedule import annealing

LEAST_FALL = 0.25
"""The share by which a learning rate that falls must have fallen before a training is stopped. Of 24 networks trained
on the digits by one cycle, 5 ended above the 95 % bound extrapolated at epoch 3 of 9, where the rate had fallen by
0.11, and 1 above that of epoch 4, where it had by 0.26."""
INTERVAL = 0.9
"""The confidence of the interval that a stopped estimate carries."""


class StopRule:
    """Ends a candidate's training when its curve, extrapolated to the end of the schedule, stays below
    the accuracy to beat.

    Called with the curve before each epoch; true when with `confidence` the final accuracy is below the candidate's
    `accuracy_to_beat`. A candidate without one is never stopped, no curve of fewer than three epochs, and none whose
    learning rate has not fallen by a quarter where it will. It looks after every epoch, so over a whole training it
    stops more of those that would have reached it than 1 - `confidence` says.
    """

    def __init__(self, candidate: Candidate, recipe: Recipe, confidence: float | None) -> None:
        fidelity = candidate.fidelity
        self._epochs = fidelity.epochs
        self._end = fidelity.schedule_epochs or fidelity.epochs
        self._accuracy_to_beat = candidate.accuracy_to_beat
        self._confidence = confidence
        self._recipe = recipe
        self.has_stopped = False

    def __call__(self, curve: Sequence[EpochRecord]) -> bool:
        """Whether the training is to stop after the epochs of `curve`."""
        if self._confidence is None or self._accuracy_to_beat is None or not LEAST_EPOCHS <= len(curve) < self._end:
            return False
        falls = annealing(self._recipe, self._end)
        if falls[len(curve) - 1] < LEAST_FALL <= falls[-1]:
            return False
        self.has_stopped = self._at(curve, self._end).probability_below(self._accuracy_to_beat) >= self._confidence
        return self.has_stopped

    def measured(self, curve: Sequence[EpochRecord]) -> dict[str, float]:
        """The accuracy extrapolated to the end of the fidelity; its error is half the width of the central 68 %."""
        posterior = self._at(curve, self._epochs)
        forecast = posterior.forecast(0.68)
        return ACCURACY.measured(forecast.accuracy, (forecast.high - forecast.low) / 2)

    def note(self, curve: Sequence[EpochRecord]) -> dict[str, Any]:
        """Why the training was stopped: what was seen, what was extrapolated, and the accuracy to beat."""
        forecast = self._at(curve, self._end).forecast(INTERVAL)
        return {
            "after_epochs": len(curve),
            "of_epochs": self._end,
            "seen_accuracy": curve[-1].validation_accuracy,
            "extrapolated_accuracy": forecast.accuracy,
            "extrapolated_low": forecast.low,
            "extrapolated_high": forecast.high,
            "interval": INTERVAL,
            "accuracy_to_beat": self._accuracy_to_beat,
            "confidence": self._confidence,
        }

    def _at(self, curve: Sequence[EpochRecord], epoch: int) -> CurvePosterior:
        accuracies = [each.validation_accuracy for each in curve]
        return extrapolate(accuracies, epoch, annealing(self._recipe, self._end))
