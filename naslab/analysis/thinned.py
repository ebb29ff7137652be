"""A study of very many outcomes read in part: what its front, its progress and its corners are made of, and a sample.

What is left out changes neither the front, its hypervolume and reference point nor the curves of progress. A page that
drew a dot for each of a million networks would show no more, and nobody could open it.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select

from naslab.analysis.progress import seconds_until
from naslab.analysis.ranking import score_goal
from naslab.analysis.study import StudyView, problem_of, read_study
from naslab.analysis.whole_study import WholeStudy
from naslab.analysis.within_limits import excess
from naslab.errors import NaslabError
from naslab.ledger.ledger import Ledger
from naslab.ledger.many import count_searched, has_columns, has_more_outcomes, measured_metrics, study_id_of
from naslab.ledger.news import read_outcomes
from naslab.ledger.numbers import NumberTable, read_numbers
from naslab.ledger.queries import same_trial
from naslab.ledger.record import RunRecord
from naslab.ledger.tables import outcomes, trials
from naslab.metrics import is_described, metrics
from naslab.pareto import is_non_dominated
from naslab.study.finished import FinishedTrials
from naslab.study.outcome import Fidelity, Outcome
from naslab.study.problem import Limit, Objective

MOST_READ = 8_000
"""Outcomes of a search that are read and drawn as they are; of more a part is."""
SAMPLE = 4_000
"""Outcomes of such a part that are spread over the search, beside those that the front and the progress need."""
AT_ONCE = 4_096

Losses = NDArray[np.float64]
Places = NDArray[np.intp]


def read_thinned(
    ledger: Ledger,
    name: str,
    objectives: Sequence[Objective] | None = None,
    sample: int | None = None,
    with_progress: bool = True,
    limits: Sequence[str] = (),
) -> StudyView:
    """The study `name` of `ledger` as `read_study` gives it; where it has more than 8,000 outcomes, in part.

    The part is exact for the front in `objectives`, by default the study's own, within `limits` such as `accuracy>=90`,
    and `with_progress` for that of the search; its `whole` counts the rest, of which it has a `sample`, by default of
    4,000. A study with limits on what is measured is read whole, and so is any for objectives and limits on what a
    description tells beyond cost. Raises as `read_study`.
    """
    if not has_more_outcomes(ledger, name, MOST_READ):
        return read_study(ledger, name)
    record = ledger.study(name)
    problem = problem_of(record)
    goals = tuple(problem.objectives if objectives is None else objectives)
    bounds = _bounds(ledger, name, limits)
    used = [*(each.metric for each in goals), *(each.metric for each in bounds)]
    if problem.measured_limits or not all(has_columns(each, is_described(each)) for each in used):
        return read_study(ledger, name)
    score = score_goal(record)
    asked = (*goals, score) if has_columns(score.metric, is_described(score.metric)) else goals
    numbers = read_numbers(ledger, name, list(dict.fromkeys((*used, score.metric))), with_times=with_progress)
    losses = np.stack([goal.loss(1.0) * numbers.values[goal.metric] for goal in goals], axis=1)
    measured = np.asarray(np.isfinite(losses).all(axis=1))
    within = _within(numbers, bounds)
    compared = _compared(numbers, measured & within)
    parts = [
        _spread(np.flatnonzero(within), SAMPLE if sample is None else sample),
        _corners(numbers, [each.metric for each in asked]),
        compared[is_non_dominated(losses[compared])],
    ]
    if not within.any():
        parts += [_corners(numbers, [each.metric for each in bounds]), _nearest(numbers, bounds)]
    if with_progress:
        parts.append(_for_progress(numbers, losses, measured, asked))
    places = np.unique(np.concatenate(parts))
    num_networks = _num_distinct(numbers.network)
    if num_networks < len(numbers.network):
        places = _with_latest(numbers, places, compared)
    chosen = {*numbers.trial[places].tolist(), *_first_failures(ledger, name)}
    found = read_outcomes(ledger, study_id_of(ledger, name), sorted(chosen))
    read = tuple(sorted(found.values(), key=lambda each: (each.finished, each.candidate.trial)))
    runs = tuple(ledger.runs(name))
    order, seconds = _course(numbers, read, runs) if with_progress else ((), ())
    counts = count_searched(ledger, name)
    return StudyView(
        record=record,
        problem=problem,
        outcomes=read,
        family=tuple(ledger.outcomes(name, role="family")),
        baselines=tuple(ledger.outcomes(name, role="baseline")),
        runs=runs,
        num_in_flight=numbers.num_in_flight,
        whole=WholeStudy(
            num_outcomes=counts.finished,
            failed=counts.failed,
            num_compared=len(compared),
            num_networks=num_networks,
            num_lower=_num_distinct(numbers.network[measured & within]) - len(compared),
            num_unmeasured=int((within & ~measured).sum()),
            places=order,
            search_seconds=seconds,
            limits=tuple(limits) if bounds else (),
        ),
    )


def leading(outcomes: Sequence[Outcome], objectives: Sequence[Objective]) -> list[Outcome]:
    """The complete ones of `outcomes`; of more than 8,000 those alone that their front in `objectives` is made of.

    It is that of the highest fidelity. With them are the best and the worst in each objective, so that the reference
    point is that of all.
    """
    goals = [each for each in objectives if has_columns(each.metric, is_described(each.metric))]
    finished = FinishedTrials.of(outcomes)
    if len(finished) <= MOST_READ or len(goals) < len(objectives):
        return [each for each in outcomes if each.is_complete]
    losses = np.stack([each.loss(1.0) * finished.values(each.metric) for each in goals], axis=1)
    measured = np.flatnonzero(finished.is_complete & np.isfinite(losses).all(axis=1))
    if not len(measured):
        return []
    found, fidelity = losses[measured], finished.columns.fidelity[measured]
    highest = max(np.unique(fidelity).tolist(), key=lambda place: finished.columns.fidelities[place])
    compared = measured[fidelity == highest]
    front = compared[is_non_dominated(losses[compared])]
    chosen = np.concatenate((front, measured[found.argmin(0)], measured[found.argmax(0)]))
    kept = np.zeros(len(finished), dtype=np.bool_)
    kept[chosen] = True
    return list(finished.where(kept))


def _course(
    numbers: NumberTable, read: Sequence[Outcome], runs: Sequence[RunRecord]
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Of the outcomes that were `read` the places in the order of finishing, from 1, and the seconds of searching."""
    places = np.searchsorted(numbers.ends, [each.finished for each in read]).tolist()
    seconds = seconds_until(numbers.ends, runs, min(each.finished - each.estimate.wall_seconds for each in read))
    return tuple(place + 1 for place in places), tuple(seconds[place] for place in places)


def _bounds(ledger: Ledger, name: str, limits: Sequence[str]) -> list[Limit]:
    """The `limits` as written; none where one is wrong, which is refused where the front is made of the outcomes."""
    known = [*measured_metrics(ledger, name), *(row.name for row in metrics() if row.is_described)] if limits else []
    try:
        return [Limit.on_results(each, known) for each in limits]
    except NaslabError:
        return []


def _within(numbers: NumberTable, bounds: Sequence[Limit]) -> NDArray[np.bool_]:
    """Which outcomes meet all `bounds`, shape (outcomes,)."""
    within = np.ones(len(numbers.trial), dtype=np.bool_)
    for each in bounds:
        values = numbers.values[each.metric]
        within &= (values >= each.least) & (values <= each.most)
    return within


def _nearest(numbers: NumberTable, bounds: Sequence[Limit]) -> Places:
    """The place of the outcome that breaks `bounds` by the least, where one has all that they are on."""
    over = np.zeros(len(numbers.trial)) + sum(excess(each, numbers.values[each.metric]) for each in bounds)
    return np.array([np.nanargmin(over)] if np.isfinite(over).any() else [], dtype=np.intp)


def _spread(places: Places, sample: int) -> Places:
    """A `sample` of the `places` of outcomes, at least one of them, spread over the search."""
    return places[np.linspace(0, len(places) - 1, min(max(1, sample), len(places))).astype(np.intp)]


def _corners(numbers: NumberTable, metrics: Sequence[str]) -> Places:
    """The places of the outcomes with the least and the largest value of each of `metrics`."""
    values = [numbers.values[each] for each in metrics]
    found = [place(each) for each in values if np.isfinite(each).any() for place in (np.nanargmin, np.nanargmax)]
    return np.array(found, dtype=np.intp)


def _for_progress(
    numbers: NumberTable, losses: Losses, measured: NDArray[np.bool_], asked: Sequence[Objective]
) -> Places:
    """The places of the first and the last outcome, and of those that were the best when they were finished."""
    order = np.lexsort((numbers.trial, numbers.finished))
    parts: list[Places] = [order[:1], order[-1:]]
    highest = numbers.fidelity == _highest(numbers, np.ones(len(numbers.trial), dtype=bool))
    counted = order[(highest & measured)[order]]
    parts.append(counted[growth(losses[counted])])
    for goal in asked:
        ranked = order[(highest & np.isfinite(numbers.values[goal.metric]))[order]]
        told = goal.loss(1.0) * numbers.values[goal.metric][ranked]
        best = np.minimum.accumulate(told)
        parts.append(ranked[np.concatenate((np.ones(min(1, len(told)), dtype=bool), told[1:] < best[:-1]))])
    return np.concatenate(parts)


def growth(losses: Losses) -> Places:
    """The places of the points of `losses`, shape (points, objectives), that none before them is as good as.

    They are those that made the front grow at their time.

    >>> growth(np.array([[2.0, 2.0], [3.0, 2.0], [1.0, 3.0], [1.0, 1.0]])).tolist()
    [0, 2, 3]
    """
    if losses.shape[1] <= 2:
        return _growth_of_two(losses[:, 0], losses[:, -1])
    found: list[int] = []
    front = np.empty((0, losses.shape[1]))
    for first in range(0, len(losses), AT_ONCE):
        group = losses[first : first + AT_ONCE]
        covered = np.zeros(len(group), dtype=bool)
        for each in front:
            covered |= np.all(each <= group, axis=1)
        for place in np.flatnonzero(~covered):
            if not np.any(np.all(front <= group[place], axis=1)):
                front = np.concatenate((front[~np.all(front >= group[place], axis=1)], group[place : place + 1]))
                found.append(first + int(place))
    return np.array(found, dtype=np.intp)


def _growth_of_two(first: NDArray[np.float64], second: NDArray[np.float64]) -> Places:
    """`growth` of two losses, of shape (points,) each, by the steps of the front so far.

    Most points are covered by the steps as they stood before their group, which is asked of all of it at once.
    """
    firsts, seconds = [-math.inf], [math.inf]  # steps: the first loss rises, the second falls
    found: list[int] = []
    for begin in range(0, len(first), AT_ONCE):
        one, two = first[begin : begin + AT_ONCE], second[begin : begin + AT_ONCE]
        step = np.searchsorted(firsts, one, side="right") - 1
        for place in np.flatnonzero(two < np.array(seconds)[step]).tolist():
            own, other = float(one[place]), float(two[place])
            at = bisect_right(firsts, own)
            if seconds[at - 1] <= other:
                continue  # another one of the group
            start = end = bisect_left(firsts, own, lo=1)
            while end < len(firsts) and seconds[end] >= other:
                end += 1  # steps that it takes over
            firsts[start:end], seconds[start:end] = [own], [other]
            found.append(begin + place)
    return np.array(found, dtype=np.intp)


def _highest(numbers: NumberTable, among: NDArray[np.bool_]) -> int:
    """The place of the highest fidelity among some outcomes; -1 without any."""
    there = np.flatnonzero(np.bincount(numbers.fidelity[among])).tolist()
    return max(there, key=lambda place: _fidelity(numbers.fidelities[place]), default=-1)


def _num_distinct(numbers: NDArray[np.int64]) -> int:
    """How many different numbers there are: sorted, as `np.unique` takes several times as long for a million."""
    return int(np.count_nonzero(np.diff(np.sort(numbers)))) + min(1, len(numbers))


def _fidelity(stored: str) -> Fidelity:
    return msgspec.json.decode(stored, type=Fidelity) if stored else Fidelity()


def _compared(numbers: NumberTable, measured: NDArray[np.bool_]) -> Places:
    """The places of what a front compares: `measured`, at the highest fidelity of those, of each network the latest."""
    chosen = np.flatnonzero(measured & (numbers.fidelity == _highest(numbers, measured)))
    _, last = np.unique(numbers.network[chosen][::-1], return_index=True)
    return np.sort(chosen[len(chosen) - 1 - last])


def _with_latest(numbers: NumberTable, places: Places, compared: Places) -> Places:
    """The `places`, and those `compared` of their networks: an earlier outcome alone would be taken for the latest."""
    return np.union1d(places, compared[np.isin(numbers.network[compared], numbers.network[places])])


def _first_failures(ledger: Ledger, name: str) -> list[int]:
    """The first trial that failed for each reason."""
    columns = select(func.min(outcomes.c.trial)).join_from(outcomes, trials, same_trial())
    is_failed = (outcomes.c.failure.is_not(None), trials.c.role == "search")
    failed = columns.where(outcomes.c.study_id == study_id_of(ledger, name), *is_failed)
    return [trial for (trial,) in ledger.rows(failed.group_by(outcomes.c.failure))]
