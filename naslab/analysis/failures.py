"""What went wrong in a study: its failed trials by reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from naslab.analysis.whole_study import WholeStudy
from naslab.study.outcome import Failure, Outcome


class FailureGroup(msgspec.Struct, frozen=True):
    """The trials that failed for one reason, with the message of the first; `num_left_out` are not among them."""

    reason: str
    trials: tuple[int, ...]
    message: str
    num_left_out: int = 0

    @property
    def count(self) -> int:
        """How many trials failed for that reason."""
        return len(self.trials) + self.num_left_out


class FailureTable(msgspec.Struct, frozen=True):
    """Failed trials by reason, the most frequent first, of `num_outcomes` finished ones."""

    groups: tuple[FailureGroup, ...]
    num_outcomes: int

    @property
    def num_failed(self) -> int:
        """How many trials failed."""
        return sum(group.count for group in self.groups)

    def rows(self) -> list[dict[str, Any]]:
        """The table as JSON values, one a reason."""
        return [
            {"reason": each.reason, "count": each.count, "trials": list(each.trials), "message": each.message}
            for each in self.groups
        ]


def failures(outcomes: Sequence[Outcome], whole: WholeStudy | None = None) -> FailureTable:
    """The failed trials among a study's outcomes, grouped by reason; `whole` counts those that were not read."""
    found: dict[str, list[tuple[int, Failure]]] = defaultdict(list)
    for outcome in sorted(outcomes, key=lambda each: each.candidate.trial):
        if outcome.estimate.failure is not None:
            found[outcome.estimate.failure.reason].append((outcome.candidate.trial, outcome.estimate.failure))
    groups = [
        FailureGroup(
            reason,
            tuple(trial for trial, _ in each),
            each[0][1].message,
            0 if whole is None else whole.failed[reason] - len(each),
        )
        for reason, each in found.items()
    ]
    num_outcomes = len(outcomes) if whole is None else whole.num_outcomes
    return FailureTable(tuple(sorted(groups, key=lambda group: (-group.count, group.reason))), num_outcomes)
