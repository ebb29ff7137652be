"""A search that pauses trainings: how many networks it began, which of them went on, and what is left of its epochs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from naslab.errors import counted
from naslab.study.outcome import Outcome


class PauseCounts(NamedTuple):
    """Networks by how far they were trained: all that were begun, those gone on with, and those trained to the end.

    `num_epochs` were trained in all, by every one of them, those of failures too.
    """

    num_begun: int
    num_continued: int
    num_whole: int
    num_epochs: int

    @property
    def words(self) -> str:
        """All of it in words.

        >>> PauseCounts(9, 4, 2, 31).words
        '9 networks begun, 4 of them continued, 2 trained to the end, in 31 epochs'
        """
        begun, epochs = counted(self.num_begun, "network"), counted(self.num_epochs, "epoch")
        return (
            f"{begun} begun, {self.num_continued} of them continued, {self.num_whole} trained to the end, in {epochs}"
        )


def pause_counts(outcomes: Iterable[Outcome], epochs: int) -> PauseCounts:
    """What the `outcomes` of a search with whole trainings of so many `epochs` amount to, one outcome an epoch."""
    reached: dict[str, int] = {}
    num_epochs = 0
    for outcome in outcomes:
        candidate = outcome.candidate
        if candidate.role == "search" and not outcome.is_infeasible:
            num_epochs += 1
            trained = candidate.fidelity.epochs if outcome.is_complete else candidate.fidelity.epochs - 1
            reached[candidate.arch_id] = max(trained, reached.get(candidate.arch_id, 0))
    far = list(reached.values())
    return PauseCounts(len(far), sum(each > 1 for each in far), sum(each == epochs for each in far), num_epochs)
