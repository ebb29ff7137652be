"""Studies compared by name: fronts, and hypervolumes over candidates and over seconds, with bands over seeds.

naslab.compare_studies(["random-0,random-1,random-2", "bayes-0,bayes-1,bayes-2"]).rows()
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from naslab.analysis.reference import asked_reference
from naslab.analysis.study import StudyView, read_study
from naslab.arguments import Kind, many, optional, takes, text
from naslab.errors import StudyError, shown
from naslab.lab.models import LEDGER
from naslab.ledger.ledger import Ledger

if TYPE_CHECKING:
    from naslab.bench.study_groups import StudyComparison, StudyGroup

AnyGroup: TypeAlias = StudyView | str | Sequence[StudyView | str]
"""One study, or several that are seeds of one search: a study, a name, names with commas between them, or a list."""


def _group(value: Any) -> Any:
    """A group as it is given. Raises `ValueError` for anything else."""
    if isinstance(value, str | StudyView):
        if isinstance(value, str) and not value.strip():
            raise ValueError
        return value
    if isinstance(value, bytes | dict) or not isinstance(value, Iterable):
        raise ValueError
    listed = tuple(value)
    if not listed or not all(isinstance(each, str | StudyView) and each for each in listed):
        raise ValueError
    return listed


GROUP = Kind("a study, the name of one, or several that are seeds of one search", _group)


@takes(
    groups=many(GROUP), ledger=LEDGER, reference=optional(text("a value of each objective, as accuracy=90,macs=50M"))
)
def compare_studies(
    groups: Sequence[AnyGroup], ledger: str | Path = "naslab.db", reference: str | None = None
) -> StudyComparison:
    """Compare two or more `groups` of studies of `ledger`; studies within a group are seeds of one search.

    A group is a study, the name of one, or several: a list, or a text as `"a-0,a-1,a-2"` or `"ours=a-0,a-1"`, which
    names it. All hypervolumes are measured from one point: `reference`, as `"accuracy=90,macs=50M"`, by default the
    worst of the studies' own reference points. Raises `StudyError` where their objectives differ or one has no result.

    >>> import naslab
    >>> found = naslab.compare_studies(["random-0,random-1", "bayes-0,bayes-1"])  # doctest: +SKIP
    >>> [(each.label, each.hypervolume.mean) for each in found.groups]  # doctest: +SKIP
    [('random', 0.61), ('bayes', 0.68)]
    """
    from naslab.bench.study_groups import compare_groups

    if len(groups) < 2:
        raise StudyError("two or more studies are compared, or groups of them as A1,A2 B1,B2; got one")
    with Ledger.open(ledger, create=False) as opened:
        found = [_read(opened, each) for each in groups]
    objectives = found[0].views[0].problem.objectives
    return compare_groups(found, None if reference is None else asked_reference(reference, objectives))


def _read(ledger: Ledger, given: AnyGroup) -> StudyGroup:
    from naslab.bench.study_groups import StudyGroup, label_of_group

    label, members = "", [given] if isinstance(given, StudyView | str) else list(given)
    if isinstance(given, str) and given not in (names := ledger.study_names()):
        before, equals, after = given.partition("=")
        label, listed = (before.strip(), after) if equals else ("", given)
        members = [listed] if listed in names else [each.strip() for each in listed.split(",") if each.strip()]
        if not members:
            raise StudyError(f"a group of studies is written A1,A2 or name=A1,A2, got '{given}'")
    named = [each for each in members if isinstance(each, str)]
    if len(named) > len(set(named)):
        twice = Counter(named).most_common(1)[0][0]
        raise StudyError(f"study '{shown(twice)}' stands twice in one group, whose studies are seeds: name others")
    views = tuple(each if isinstance(each, StudyView) else read_study(ledger, each) for each in members)
    return StudyGroup(label or label_of_group([view.record.name for view in views]), views)
