"""Progress over candidates and time."""

from __future__ import annotations

import math

import numpy as np
import pytest
import synthetic_study as synthetic

from naslab.analysis.front import front
from naslab.analysis.progress import progress, search_seconds
from naslab.analysis.reference import reference_point
from naslab.errors import StudyError
from naslab.ledger.record import RunRecord
from naslab.study.outcome import Outcome


def at(trial: int, finished: float, accuracy: float | None = 80.0) -> Outcome:
    return synthetic.outcome(trial, synthetic.network([(2, trial % 4, 0)] * 3), accuracy, finished=finished)


def run(started: float) -> RunRecord:
    return RunRecord(command="naslab search", started=started)


def test_the_last_entry_is_what_the_front_says() -> None:
    view = synthetic.study()
    reference = reference_point(view.problem, view.outcomes)
    table, found = (
        progress(view.outcomes, reference, view.runs),
        front(view.outcomes, view.problem.objectives, reference),
    )
    assert len(table.trials) == len(view.outcomes)
    assert table.hypervolume_share[-1] == pytest.approx(found.hypervolume_share, rel=1e-12)  # sums in another order
    assert table.best_accuracy[-1] == max(point.value("accuracy") for point in found.points)


def test_every_entry_agrees_with_a_front_of_what_finished_until_then() -> None:
    view = synthetic.study(count=25)
    reference = reference_point(view.problem, view.outcomes)
    table = progress(view.outcomes, reference)
    for count in range(1, 26):
        found = front(view.outcomes[:count], view.problem.objectives, reference)
        assert table.hypervolume_share[count - 1] == pytest.approx(found.hypervolume_share, rel=1e-12)


def test_nothing_ever_gets_worse_and_growth_is_marked() -> None:
    view = synthetic.study()
    table = progress(view.outcomes, reference_point(view.problem), view.runs)
    shares = table.hypervolume_share
    assert list(shares) == sorted(shares)
    assert table.has_more_hypervolume == tuple(
        now > before for before, now in zip((0.0, *shares), shares, strict=False)
    )
    best = table.best_accuracy
    assert sum(table.has_better_accuracy) == len({value for value in best if not math.isnan(value)})


def test_where_nothing_grew_may_be_left_out() -> None:
    view = synthetic.study(count=60)
    reference = reference_point(view.problem)
    whole, grown = (progress(view.outcomes, reference, view.runs, "macs", only_growth=only) for only in (False, True))
    marks = zip(whole.has_better_accuracy, whole.has_more_hypervolume, strict=True)
    kept = [place for place, grew in enumerate(marks) if any(grew) or place in (0, len(whole.trials) - 1)]
    assert len(kept) < len(whole.trials)
    assert any(whole.has_better_accuracy[place] and not whole.has_more_hypervolume[place] for place in kept)
    assert grown.numbers == tuple(place + 1 for place in kept)
    for name in ("trials", "search_seconds", "best_accuracy", "hypervolume_share", "has_better_accuracy"):
        np.testing.assert_equal(getattr(grown, name), [getattr(whole, name)[place] for place in kept])


def test_before_the_first_result_there_is_no_best_accuracy() -> None:
    view = synthetic.study()
    table = progress([at(0, 1.0, None), at(1, 2.0, 70.0)], reference_point(view.problem))
    assert math.isnan(table.best_accuracy[0])
    assert table.best_accuracy[1] == 70.0
    assert table.has_better_accuracy == (False, True)
    assert table.rows()[0]["best_accuracy"] is None


def test_entries_are_in_the_order_of_finishing() -> None:
    table = progress([at(1, 20.0), at(0, 30.0), at(2, 10.0)], reference_point(synthetic.problem()))
    assert table.trials == (2, 1, 0)


def test_pauses_between_runs_do_not_count() -> None:
    outcomes = [at(0, 110.0), at(1, 120.0), at(2, 1005.0), at(3, 1030.0)]
    assert search_seconds(outcomes, [run(100.0), run(1000.0)]) == (10.0, 20.0, 25.0, 50.0)


def test_a_run_without_results_adds_nothing() -> None:
    outcomes = [at(0, 110.0), at(1, 1005.0)]
    assert search_seconds(outcomes, [run(100.0), run(500.0), run(1000.0)]) == (10.0, 15.0)


def test_without_runs_time_counts_from_the_first_start() -> None:
    outcomes = [at(0, 110.0), at(1, 120.0)]
    assert search_seconds(outcomes, []) == (1.5, 11.5)
    assert search_seconds(outcomes, [run(115.0)]) == (1.5, 6.5)
    assert search_seconds([], []) == ()


def test_an_empty_study_says_so() -> None:
    with pytest.raises(StudyError, match="no finished trial yet"):
        progress([], reference_point(synthetic.problem()))
