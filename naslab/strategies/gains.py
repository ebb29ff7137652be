"""What networks are expected to add to what a search has achieved, whatever the surrogate that predicts them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from naslab.pareto import is_non_dominated
from naslab.strategies.acquisition import (
    FreeBoxes,
    Improvement,
    expected_approach,
    expected_gain_along,
    expected_gain_of_boxes,
    expected_hypervolume_improvement,
    expected_improvement,
    free_boxes,
)
from naslab.strategies.surrogate import LossPrediction
from naslab.strategies.warping import Warp

DRAWS = 32
DIRECTIONS, SCREENING_DIRECTIONS, SCREENED = 256, 64, 512
GAINS_AT_ONCE = 256

Matrix = NDArray[np.float64]


class Believed(Protocol):
    """What a surrogate believes to be achieved, which `Gains` measures against.

    >>> from naslab.strategies.warping import Warp
    >>> class TwoNetworks:  # of one loss, as it is
    ...     achieved = warped = np.array([[1.0], [3.0]])
    ...     warps, preferred, is_within = [Warp()], None, True
    ...     def back(self, warped):
    ...         return warped
    ...     def reference(self):
    ...         return np.array([4.0])
    >>> certain = LossPrediction(np.array([[0.5], [2.0]]), np.zeros((2, 1)))
    >>> Gains(TwoNetworks(), np.random.default_rng(0)).of(certain).tolist()
    [0.5, 0.0]
    """

    @property
    def achieved(self) -> Matrix:
        """Scaled losses: shape (networks, objectives)."""
        ...

    @property
    def warped(self) -> Matrix:
        """The same as predictions have them: shape (networks, objectives)."""
        ...

    @property
    def warps(self) -> Sequence[Warp]:
        """Those of the objectives."""
        ...

    @property
    def preferred(self) -> NDArray[np.float64] | None:
        """The scaled losses that are preferred at most, shape (objectives,), NaN where none is; `None` without any."""
        ...

    @property
    def is_within(self) -> bool:
        """Whether something achieved is within what is preferred, as all is without a preference."""
        ...

    def back(self, warped: Matrix) -> Matrix:
        """The scaled losses that `warped` ones stand for, both of shape (n, objectives)."""
        ...

    def reference(self) -> NDArray[np.float64]:
        """The scaled losses from which on a network is worthless: shape (objectives,)."""
        ...


class Gains:
    """Expected gains over what `surrogate` has achieved; more than three objectives by random numbers from `rng`.

    One objective: expected improvement. Two or three: expected hypervolume improvement, exact. More: the same by random
    directions. Where a part of the front is preferred and nothing is within it yet: the expected fall of the distance.
    """

    def __init__(self, surrogate: Believed, rng: np.random.Generator) -> None:
        self.surrogate = surrogate
        num_objectives = surrogate.achieved.shape[1]
        directions = np.abs(rng.standard_normal((DIRECTIONS, num_objectives)))
        self._directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
        self._draws = rng.standard_normal((DRAWS, num_objectives))

    def of(self, prediction: LossPrediction) -> NDArray[np.float64]:
        """The expected gain of networks of these losses: shape (networks,)."""
        achieved, preferred = self.surrogate.achieved, self.surrogate.preferred
        if preferred is not None and not self.surrogate.is_within:
            return expected_approach(*prediction, achieved, preferred, self._draws, self.surrogate.back)
        if achieved.shape[1] == 1:
            best = float(self.surrogate.warped.min())
            return expected_improvement(prediction.mean[:, 0], prediction.deviation[:, 0], best)
        if achieved.shape[1] == 2:
            reference = self.surrogate.reference()
            return expected_hypervolume_improvement(*prediction, achieved, reference, self._improvements)
        if achieved.shape[1] == 3:
            return self._gains_of_three(prediction)
        return self._gains_of_many(prediction)

    def _gains_of_many(self, prediction: LossPrediction) -> NDArray[np.float64]:
        """By directions; of more candidates than `SCREENED` the best where all are better than expected."""
        mean, deviation = prediction
        achieved, reference, back = self.surrogate.achieved, self.surrogate.reference(), self.surrogate.back
        gains, rows = np.zeros(len(mean)), np.arange(len(mean))
        if len(mean) > SCREENED:
            few, none = self._directions[:SCREENING_DIRECTIONS], np.zeros((1, mean.shape[1]))
            hoped = expected_gain_along(mean - deviation, none, achieved, reference, few, none, back)
            rows = np.argsort(-hoped, kind="stable")[:SCREENED]
        gains[rows] = expected_gain_along(
            mean[rows], deviation[rows], achieved, reference, self._directions, self._draws, back
        )
        return gains

    @property
    def _improvements(self) -> list[Improvement]:
        return [warp.improvement for warp in self.surrogate.warps]

    @cached_property
    def _free(self) -> FreeBoxes:
        return free_boxes(self.surrogate.achieved, self.surrogate.reference())

    def _gains_of_three(self, prediction: LossPrediction) -> NDArray[np.float64]:
        """In parts: what is worked out for all candidates and boxes at once is too large for the caches."""
        return np.concatenate(
            [
                expected_gain_of_boxes(
                    prediction.mean[part], prediction.deviation[part], self._free, self._improvements
                )
                for part in np.array_split(np.arange(len(prediction.mean)), 1 + len(prediction.mean) // GAINS_AT_ONCE)
            ]
        )

    def chance(self, prediction: LossPrediction) -> NDArray[np.float64]:
        """How likely networks of these losses gain anything: shape (networks,), by the same draws for all."""
        mean, deviation = prediction
        drawn = mean[None] + deviation[None] * self._draws[:, None]
        losses = self.surrogate.back(drawn.reshape(-1, mean.shape[1]))
        achieved = self.surrogate.achieved
        front = achieved[is_non_dominated(achieved)]
        gains = ~np.any(np.all(front[None] <= losses[:, None], axis=2), axis=1)
        if losses.shape[1] > 1:
            gains &= np.all(losses < self.surrogate.reference(), axis=1)
        return np.asarray(gains.reshape(drawn.shape[:2]).mean(axis=0))
