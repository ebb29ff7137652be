"""Networks of studies by name: `STUDY:TRIAL`, `STUDY:best`, `STUDY:best@macs<=5M` and, where several are taken, fronts.

Behind `best@` or `front@` stand limits on anything that trials have, with commas between them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from naslab.analysis.front import comparable, front
from naslab.analysis.study import StudyView, read_study
from naslab.analysis.thinned import read_thinned
from naslab.analysis.within_limits import within_limits
from naslab.errors import SpecError, StudyError, shown
from naslab.ledger.ledger import Ledger
from naslab.ledger.many import last_finished, study_id_of
from naslab.ledger.news import read_outcomes
from naslab.reading import whole_number
from naslab.study.outcome import Outcome

BEST, FRONT = "best", "front"
_CHOSEN = re.compile(rf"(.+):({BEST}|{FRONT})@(.*)", re.DOTALL)


class NamedTrials(NamedTuple):
    """What a text asks for of a `study`: `which` is a trial's number, `best` or `front`, the latter within `limits`."""

    study: str
    which: str
    limits: tuple[str, ...] = ()


def named_trials(text: str) -> NamedTrials | None:
    """What `text` asks for of a study, `None` where it has not the form of a network of one.

    Raises `SpecError` where no limits stand behind the `@`.

    >>> named_trials("mystudy:best@macs<=5M,accuracy>=90")
    NamedTrials(study='mystudy', which='best', limits=('macs<=5M', 'accuracy>=90'))
    >>> named_trials("mystudy:7")
    NamedTrials(study='mystudy', which='7', limits=())
    """
    study, colon, which = text.rpartition(":")
    if not colon:
        return None
    chosen = _CHOSEN.fullmatch(text)
    if chosen is None or which in (BEST, FRONT) or whole_number(which) is not None:
        return NamedTrials(study, which)
    limits = tuple(part.strip() for part in chosen[3].split(",") if part.strip())
    if not limits:
        raise SpecError("limit", f"must stand behind the @, as {chosen[2]}@macs<=5M, got '{shown(text)}'")
    return NamedTrials(chosen[1], chosen[2], limits)


def find_study(study: StudyView | str, ledger: str | Path = "naslab.db") -> StudyView:
    """The study that `study` is, or names in `ledger`; see `naslab.open_study`."""
    if isinstance(study, StudyView):
        return study
    with Ledger.open(ledger, create=False) as opened:
        return read_study(opened, study)


def find_outcome(asked: NamedTrials, ledger: str | Path) -> Outcome:
    """The one outcome that is `asked` for of a study in `ledger`.

    `best` is best in its first objective, of equals in the next, among the networks within the limits at the highest
    fidelity that any of them reached, the highest rung. Raises `StudyError` where there is no such trial, and where
    several are asked for. Of a large study no more is read than that takes; within limits it is read whole.
    """
    with Ledger.open(ledger, create=False) as opened:
        study_id = study_id_of(opened, asked.study)
        if asked.which == BEST and asked.limits:
            return best_outcome(read_study(opened, asked.study), asked.limits)
        if asked.which == BEST:
            return best_outcome(read_thinned(opened, asked.study, sample=0, with_progress=False))
        trial = trial_number(asked)
        found = read_outcomes(opened, study_id, [trial]).get(trial)
        if found is not None:
            return found
        last = last_finished(opened, asked.study)
    there = "it has no finished trials" if last is None else f"its finished trials go up to {last}"
    raise StudyError(f"study '{asked.study}' has no finished trial {trial}; {there}")


def trial_number(asked: NamedTrials) -> int:
    """The number of the trial that is `asked` for. Raises `StudyError` where it is none."""
    if asked.which == FRONT:
        mend = f"name one of them, as '{shown(asked.study)}:{BEST}'; naslab train and naslab measure take all"
        raise StudyError(f"the front of study '{shown(asked.study)}' is several networks: {mend}")
    trial = whole_number(asked.which)
    if trial is None:
        also = f"{BEST} within limits ({BEST}@macs<=5M), or {FRONT}"
        raise StudyError(f"a trial is a number or '{BEST}', got '{shown(asked.which)}'; {also} where several are taken")
    return trial


def best_outcome(view: StudyView, limits: Sequence[str] = ()) -> Outcome:
    """The best network of the search of `view` within `limits`; see `find_outcome`. Raises `StudyError` without one."""
    complete = comparable(within_limits(view.outcomes, limits))
    if not complete:
        raise StudyError(f"study '{view.record.name}' has no finished trial without a failure, so none is best")
    goals = view.problem.objectives
    return min(complete, key=lambda outcome: [goal.loss(outcome.value(goal.metric)) for goal in goals])


def front_outcomes(view: StudyView, limits: Sequence[str] = ()) -> list[Outcome]:
    """The networks of the front of `view` in its own objectives, those within `limits` alone, in the front's order.

    Raises `StudyError` where there is none.
    """
    failed = [each for each in view.outcomes if not each.is_complete]
    kept = [*failed, *within_limits(view.outcomes, limits)]
    by_trial = {each.candidate.trial: each for each in kept}
    return [by_trial[point.trial] for point in front(kept, view.problem.objectives).front]
