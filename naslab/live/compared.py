"""How many networks of a study are compared with each other, counted as outcomes come."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from naslab.study.outcome import Fidelity, Outcome
from naslab.study.problem import Objective


class ComparedNetworks:
    """Networks with every one of the `objectives`, each at the highest fidelity that it reached.

    Counts are those of `naslab.analysis.front.front` over the same outcomes, without looking at all of them again.
    """

    def __init__(self, objectives: Sequence[Objective]) -> None:
        self._objectives = tuple(objectives)
        self._highest: dict[str, Fidelity] = {}
        self._counts: Counter[Fidelity] = Counter()

    def add(self, outcome: Outcome) -> None:
        """Count the next outcome."""
        candidate = outcome.candidate
        if not outcome.is_complete or not all(math.isfinite(outcome.value(each.metric)) for each in self._objectives):
            return
        before = self._highest.get(candidate.arch_id)
        if before is not None and before >= candidate.fidelity:
            return
        if before is not None:
            self._counts[before] -= 1
        self._highest[candidate.arch_id] = candidate.fidelity
        self._counts[candidate.fidelity] += 1

    @property
    def num_compared(self) -> int:
        """How many reached the highest fidelity of all."""
        return self._counts[max(self._counts)] if self._counts else 0

    @property
    def num_lower(self) -> int:
        """How many stayed at a lower one."""
        return len(self._highest) - self.num_compared
