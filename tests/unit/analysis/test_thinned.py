"""A study of very many outcomes, read in part, tells what the whole one does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from synthetic_study import study

from naslab.analysis import thinned
from naslab.analysis.front import comparable, front, losses_of
from naslab.analysis.reference import reference_point
from naslab.analysis.study import StudyView, read_study
from naslab.analysis.thinned import growth, leading, read_thinned
from naslab.figures.report import report_body, report_tables
from naslab.ledger import Ledger
from naslab.ledger.many import best_measured, count_searched, has_more_outcomes
from naslab.pareto import is_non_dominated
from naslab.study.outcome import Failure, Fidelity, Outcome
from naslab.study.problem import Objective


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A study of 300 outcomes, some at a lower fidelity, one infeasible, one without a number."""
    made = study(300)
    problem = msgspec.to_builtins(made.problem)
    record = msgspec.structs.replace(made.record, problem=problem, strategy="random")
    done = [changed(each) for each in made.outcomes]
    with Ledger.open(tmp_path / "studies.db") as opened:
        opened.enter_finished(record, made.runs, [*done, *made.family, *made.baselines])
        yield opened


def changed(outcome: Outcome) -> Outcome:
    """Every third at two epochs; trial 40 broke a limit, trial 41 measured nothing."""
    candidate, estimate = outcome.candidate, outcome.estimate
    if candidate.trial % 3 == 0:
        candidate = msgspec.structs.replace(candidate, fidelity=Fidelity(epochs=2))
    if candidate.trial == 40:
        estimate = msgspec.structs.replace(estimate, failure=Failure("infeasible", "too slow"))
    if candidate.trial == 41:
        estimate = msgspec.structs.replace(estimate, measured={})
    return msgspec.structs.replace(outcome, candidate=candidate, estimate=estimate)


@pytest.fixture
def part(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> StudyView:
    monkeypatch.setattr(thinned, "MOST_READ", 100)
    monkeypatch.setattr(thinned, "SAMPLE", 20)
    return read_thinned(ledger, "digits-demo")


def test_a_small_study_is_read_whole(ledger: Ledger) -> None:
    assert read_thinned(ledger, "digits-demo") == read_study(ledger, "digits-demo")


@pytest.mark.slow
def test_front_progress_and_counts_are_those_of_all(ledger: Ledger, part: StudyView) -> None:
    view = read_study(ledger, "digits-demo")
    assert part.whole is not None
    assert 20 <= len(part.outcomes) < 100
    few, every = report_tables(part), report_tables(view)
    assert few.front.front == every.front.front
    assert few.front.hypervolume == every.front.hypervolume
    assert few.front.reference == every.front.reference
    assert len(few.front.points) + few.front.num_left_out == len(every.front.points)
    for name in ("num_failed", "num_unmeasured", "num_lower"):
        assert getattr(few.front, name) == getattr(every.front, name) > 0, name
    counts = {group.reason: group.count for group in every.failures.groups}
    assert {group.reason: group.count for group in few.failures.groups} == counts
    assert few.failures.num_outcomes == 300
    course, whole = few.progress, every.progress
    entries = list(zip(whole.trials, whole.best_accuracy, whole.hypervolume_share, whole.search_seconds, strict=True))
    told = zip(course.trials, course.best_accuracy, course.hypervolume_share, course.search_seconds, strict=True)
    for number, entry in zip(course.numbers, told, strict=True):
        np.testing.assert_equal(entry, entries[number - 1])
    grown = {number for number, grew in enumerate(whole.has_more_hypervolume, start=1) if grew}
    assert grown <= set(course.numbers)


@pytest.mark.slow
def test_the_last_third_is_that_of_all_and_a_part_teaches_no_model(ledger: Ledger, part: StudyView) -> None:
    found = report_tables(part).convergence
    share = report_tables(read_study(ledger, "digits-demo")).progress.hypervolume_share
    assert found is not None
    assert found.last_third == pytest.approx((share[-1] - share[199]) / share[-1])
    assert (found.num_trials, found.again, found.record) == (300, None, ())
    assert "A part of the trials was read: what more trials would gain is not known." in found.words


def test_the_front_is_that_of_all_where_no_progress_is_asked_for(ledger: Ledger, part: StudyView) -> None:
    in_flight = msgspec.structs.replace(part.outcomes[0].candidate, trial=50_000)
    ledger.start("digits-demo", [in_flight])
    view = read_thinned(ledger, "digits-demo", with_progress=False)
    goals = view.problem.objectives
    assert front(view.outcomes, goals).front == front(part.outcomes, goals).front
    assert part.whole is not None
    assert view.whole == msgspec.structs.replace(part.whole, places=(), search_seconds=())
    assert view.num_in_flight == read_thinned(ledger, "digits-demo").num_in_flight == 1
    assert len(view.outcomes) < len(part.outcomes)


def test_the_page_says_what_is_left_out(part: StudyView) -> None:
    tables = report_tables(part)
    assert f"{tables.front.num_left_out:,} were not" in report_body(tables, "studies.db")


@pytest.mark.parametrize("num_objectives", [1, 2, 3])
def test_growth_is_what_none_before_is_as_good_as(num_objectives: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thinned, "AT_ONCE", 60)
    rng = np.random.default_rng(0)
    losses = rng.integers(0, 40, size=(400, num_objectives)).astype(float)
    losses += np.linspace(20, 0, 400)[:, None].round()  # better and better
    slow = [place for place in range(400) if not any(np.all(losses[other] <= losses[place]) for other in range(place))]
    assert growth(losses).tolist() == slow


def test_counts_and_the_best_are_asked_of_the_database(ledger: Ledger) -> None:
    outcomes = ledger.outcomes("digits-demo", "search")
    complete = [each for each in outcomes if each.is_complete]
    counts = count_searched(ledger, "digits-demo")
    assert counts.finished == len(outcomes) == 300
    every = ledger.num_outcomes("digits-demo")
    assert [has_more_outcomes(ledger, "digits-demo", every + more) for more in (-1, 0, 1)] == [True, False, False]
    assert sum(counts.failed.values()) == 300 - len(complete)
    for metric, maximise in (("accuracy", True), ("accuracy", False), ("macs", False)):
        values = [each.value(metric) for each in complete if np.isfinite(each.value(metric))]
        assert best_measured(ledger, "digits-demo", metric, maximise) == (max(values) if maximise else min(values))
    assert best_measured(ledger, "digits-demo", "f1", True) is None


def test_a_display_of_very_many_shows_the_front_of_all(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    view = read_study(ledger, "digits-demo")
    goals = view.problem.objectives
    whole = leading(view.outcomes, goals)
    assert whole == [each for each in view.outcomes if each.is_complete]
    monkeypatch.setattr(thinned, "MOST_READ", 0)
    few = leading(view.outcomes, goals)
    assert 0 < len(few) < len(whole) / 4
    fronts = [losses[is_non_dominated(losses)] for losses in (shown_losses(whole, goals), shown_losses(few, goals))]
    assert sorted(fronts[0].tolist()) == sorted(fronts[1].tolist())
    assert reference_point(view.problem, few) == reference_point(view.problem, whole)
    assert leading([each for each in view.outcomes if not each.is_complete], goals) == []


def shown_losses(outcomes: list[Outcome], goals: Sequence[Objective]) -> np.ndarray:
    losses = losses_of(comparable(outcomes), goals)
    return losses[np.isfinite(losses).all(axis=1)]
