"""How many networks of a study are compared with each other, counted as outcomes come."""

from __future__ import annotations

import math
from collections.abc import Sequence

from naslab.study.outcome import Fidelity, Outcome
from naslab.study.problem import Objective


class ComparedNetworks:
    """Networks with every one of the `objectives`, each at the highest fidelity that it reached.

    Counts are those of `naslab.analysis.front.front` over the same outcomes, without looking at all of them again.
    """

    def __init__(self, objectives: Sequence[Objective]) -> None:
        self._objectives = tuple(objectives)
        self._reached: dict[str, Fidelity] = {}
        self._top: Fidelity | None = None
        self.num_compared = 0
        """How many reached the highest fidelity of all."""

    def add(self, outcome: Outcome) -> None:
        """Count the next outcome."""
        network, reached = outcome.candidate.arch_id, outcome.candidate.fidelity
        if not outcome.is_complete or not all(math.isfinite(outcome.value(each.metric)) for each in self._objectives):
            return
        before = self._reached.get(network)
        if before is not None and before >= reached:
            return
        self._reached[network] = reached
        if self._top is None or reached > self._top:
            self._top, self.num_compared = reached, 0
        self.num_compared += reached == self._top

    @property
    def num_lower(self) -> int:
        """How many stayed at a lower one."""
        return len(self._reached) - self.num_compared
