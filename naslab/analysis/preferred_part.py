"""How much of a front is the part that the search preferred."""

from __future__ import annotations

from collections.abc import Sequence

from naslab.analysis.front import FrontTable
from naslab.errors import counted
from naslab.study.problem import Limit


def num_preferred(table: FrontTable, preferences: Sequence[Limit]) -> int:
    """How many networks of the front in `table` are within all of the `preferences`."""
    return sum(all(each.holds(point.value(each.metric)) for each in preferences) for point in table.front)


def preferred_words(table: FrontTable, preferences: Sequence[Limit]) -> str:
    """The same in a sentence without its full stop; empty without preferences."""
    if not preferences:
        return ""
    size = counted(len(table.front), "network")
    return (
        f"preferred {' and '.join(map(str, preferences))}: {num_preferred(table, preferences)} of {size} of the front"
    )
