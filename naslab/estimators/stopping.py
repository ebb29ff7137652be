"""Stopping a training once it is clear that it will not reach the front.

With several measured objectives a network stays off the front where one finished network, which costs no more, is
better in all of them: the probabilities that the ends of its curves are worse in each are bounded together by Boole's
inequality, so that nothing is assumed of how objectives hang together. The curves are those of
`naslab.estimators.extrapolation`; a metric without bounds is scaled by the values that finished trainings had.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from naslab.estimators.extrapolation import LEAST_EPOCHS, extrapolate
from naslab.metrics import ACCURACY, find_metric
from naslab.study.outcome import Candidate, EpochRecord, ToBeat
from naslab.study.recipe import Recipe
from naslab.training.schedule import annealing

LEAST_FALL = 0.25
"""The share by which a learning rate that falls must have fallen before a training is stopped. Of 24 networks trained
on the digits by one cycle, 5 ended above the 95 % bound extrapolated at epoch 3 of 9, where the rate had fallen by
0.11, and 1 above that of epoch 4, where it had by 0.26."""
INTERVAL = 0.9
"""The confidence of the interval that a stopped estimate carries."""


class StopRule:
    """Ends a candidate's training when its curves, extrapolated to the end of the schedule, stay below what is to beat.

    `candidate` is what is trained, `recipe` says how its learning rate falls.

    Called with the curve before each epoch; true when with `confidence` the final accuracy is below the candidate's
    `accuracy_to_beat`, or each of several objectives is worse than that of one network of its `to_beat`. A candidate
    without these is never stopped, no curve of fewer than three epochs or with an epoch that does not say an objective,
    and none whose learning rate has not fallen by a quarter where it will. It looks after every epoch, so over a whole
    training it stops more of those that would have reached it than 1 - `confidence` says. `known` are objectives of the
    candidate that are measured before its training: networks that are worse in one are none to beat.
    """

    def __init__(
        self,
        candidate: Candidate,
        recipe: Recipe,
        confidence: float | None,
        known: Mapping[str, float] = {},
    ) -> None:
        fidelity = candidate.fidelity
        self._epochs = fidelity.epochs
        self._end = fidelity.schedule_epochs or fidelity.epochs
        self._accuracy_to_beat = candidate.accuracy_to_beat
        self._to_beat = _to_beat(candidate, known)
        self._confidence = confidence
        self._recipe = recipe
        self.has_stopped = False

    def __call__(self, curve: Sequence[EpochRecord]) -> bool:
        """Whether the training is to stop after the epochs of `curve`."""
        beat = self._to_beat
        if self._confidence is None or beat is None or not LEAST_EPOCHS <= len(curve) < self._end:
            return False
        if not all(math.isfinite(each.value(metric)) for each in curve for metric in beat.ranges):
            return False
        falls = annealing(self._recipe, self._end)
        if falls[len(curve) - 1] < LEAST_FALL <= falls[-1]:
            return False
        ends = self._ends(curve, self._end)
        self.has_stopped = any(_probability_worse(ends, point) >= self._confidence for point in beat.points)
        return self.has_stopped

    def measured(self, curve: Sequence[EpochRecord]) -> dict[str, float]:
        """The objectives extrapolated to the end of the fidelity; an error is half the width of the central 68 %."""
        found: dict[str, float] = {}
        for metric, end in self._ends(curve, self._epochs).items():
            low, middle, high = end.forecast(0.68)
            found |= ACCURACY.measured(middle, (high - low) / 2) if metric == ACCURACY.name else {metric: middle}
        return found

    def note(self, curve: Sequence[EpochRecord]) -> dict[str, Any]:
        """Why the training was stopped: what was seen, what was extrapolated, and what was to beat."""
        about = {"after_epochs": len(curve), "of_epochs": self._end}
        bounds = {"interval": INTERVAL, "confidence": self._confidence}
        ends = self._ends(curve, self._end)
        if self._accuracy_to_beat is not None:
            low, middle, high = ends[ACCURACY.name].forecast(INTERVAL)
            return {
                **about,
                "seen_accuracy": curve[-1].validation_accuracy,
                "extrapolated_accuracy": middle,
                "extrapolated_low": low,
                "extrapolated_high": high,
                "accuracy_to_beat": self._accuracy_to_beat,
                **bounds,
            }
        assert self._to_beat is not None, "only what has something to beat is stopped"
        told = {}
        for metric, end in ends.items():
            low, middle, high = end.forecast(INTERVAL)
            told[metric] = {"seen": curve[-1].value(metric), "extrapolated": middle, "low": low, "high": high}
        return {
            **about,
            "objectives": told,
            "to_beat": max(self._to_beat.points, key=lambda point: _probability_worse(ends, point)),
            **bounds,
        }

    def _ends(self, curve: Sequence[EpochRecord], epoch: int) -> dict[str, _End]:
        """What each measured objective will be at `epoch`."""
        assert self._to_beat is not None, "only what has something to beat is extrapolated"
        falls = annealing(self._recipe, self._end)
        return {
            metric: _End([each.value(metric) for each in curve], span, epoch, falls)
            for metric, span in self._to_beat.ranges.items()
        }


class _End:
    """What a metric will be at `epoch`, from the values `seen`, as a share of the way from worst to best.

    `span` is that worst and best; where what was seen is worse still, that is the worst: the curves have no room below.
    """

    def __init__(self, seen: Sequence[float], span: tuple[float, float], epoch: int, falls: Sequence[float]) -> None:
        worst, self._best = span
        self._worst = min(worst, *seen) if self._best > worst else max(worst, *seen)
        self._posterior = extrapolate([self._share(each) for each in seen], epoch, falls)

    def probability_worse(self, value: float) -> float:
        """The probability that it will be worse than this one."""
        return self._posterior.probability_below(self._share(value))

    def forecast(self, confidence: float) -> tuple[float, float, float]:
        """The median between the ends of the central interval that holds it with `confidence`, ascending."""
        found = self._posterior.forecast(confidence)
        low, middle, high = sorted(self._value(each) for each in (found.low, found.accuracy, found.high))
        return low, middle, high

    def _share(self, value: float) -> float:
        return 100 * (value - self._worst) / (self._best - self._worst)

    def _value(self, share: float) -> float:
        return self._worst + share / 100 * (self._best - self._worst)


def _probability_worse(ends: Mapping[str, _End], point: Mapping[str, float]) -> float:
    """The least probability that every objective will be worse than that of `point` (Boole's inequality)."""
    return 1 - sum(1 - end.probability_worse(point[metric]) for metric, end in ends.items())


def _to_beat(candidate: Candidate, known: Mapping[str, float]) -> ToBeat | None:
    """What a candidate must beat, its accuracy as one objective of those that there may be.

    Points that are worse in what is `known` of it before training, or say what is not, are left out.
    """
    if candidate.accuracy_to_beat is None:
        beat = candidate.to_beat
        if beat is None:
            return None
        return ToBeat(tuple(each for each in beat.points if _is_no_worse(each, beat, known)), beat.ranges)
    return ToBeat(({ACCURACY.name: candidate.accuracy_to_beat},), {ACCURACY.name: (ACCURACY.least, ACCURACY.most)})


def _is_no_worse(point: Mapping[str, float], beat: ToBeat, known: Mapping[str, float]) -> bool:
    """Whether a point of `beat` is as good in each metric that no training reports as what is `known`."""
    told = [name for name in point if name not in beat.ranges]
    signs = {name: 1 if find_metric(name).maximise else -1 for name in told}
    return all(name in known and signs[name] * point[name] >= signs[name] * known[name] for name in told)
