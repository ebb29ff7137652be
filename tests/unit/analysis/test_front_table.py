"""The front table: what is on it, what is left out, and the hypervolume from its reference point."""

from __future__ import annotations

import json
import math

import msgspec
import pytest
import synthetic_study as synthetic
from hypothesis import given, settings
from hypothesis import strategies as st

from naslab.analysis.front import front
from naslab.analysis.reference import reference_of_outcomes, reference_point
from naslab.arch import cost
from naslab.errors import StudyError
from naslab.study.outcome import Failure, Outcome
from naslab.study.problem import Limit, Objective

ACCURACY, MACS = Objective.named("accuracy"), Objective.named("macs")
BOTH = (ACCURACY, MACS)
SMALL, MIDDLE, LARGE = ([(2, 0, 0)] * 3, [(2, 1, 1)] * 3, [(0, 3, 2)] * 3)


def finished(*networks: tuple[list[tuple[int, int, int]], float | None]) -> list[Outcome]:
    return [
        synthetic.outcome(trial, synthetic.network(each), accuracy) for trial, (each, accuracy) in enumerate(networks)
    ]


def test_a_dominated_network_is_not_on_the_front() -> None:
    table = front(finished((SMALL, 80.0), (MIDDLE, 70.0), (LARGE, 90.0)), BOTH)
    assert [point.trial for point in table.front] == [0, 2]
    assert [point.trial for point in table.dominated] == [1]


def test_the_front_is_ordered_by_its_last_objective_best_first() -> None:
    table = front(finished((LARGE, 99.0), (SMALL, 80.0), (MIDDLE, 90.0)), BOTH)
    assert [point.trial for point in table.front] == [1, 2, 0]
    assert [point.trial for point in front(finished((LARGE, 99.0), (SMALL, 80.0)), (MACS, ACCURACY)).front] == [0, 1]


def test_hypervolume_is_the_closed_form_of_two_boxes() -> None:
    small, large = cost(synthetic.network(SMALL)).macs, cost(synthetic.network(LARGE)).macs
    problem = synthetic.problem(limits=())
    outcomes = finished((SMALL, 80.0), (LARGE, 90.0))
    corner = msgspec.structs.replace(reference_point(problem, outcomes), values=(0.0, 2.0 * large))
    table = front(outcomes, BOTH, corner)
    assert table.hypervolume == 80.0 * (large - small) + 90.0 * large
    assert table.hypervolume_share == table.hypervolume / (100.0 * 2.0 * large)


def test_failures_and_missing_measurements_take_no_part() -> None:
    outcomes = finished((SMALL, 80.0), (MIDDLE, None), (LARGE, math.nan))
    table = front(outcomes, BOTH)
    assert [point.trial for point in table.points] == [0]
    assert (table.num_failed, table.num_unmeasured) == (1, 1)


def test_equal_losses_are_all_on_the_front() -> None:
    same = [placed(0, 80.0, 1.0), placed(1, 80.0, 1.0), placed(2, 70.0, 1.0)]
    assert [point.trial for point in front(same, BOTH).front] == [0, 1]


def test_of_one_network_the_highest_fidelity_counts_and_then_the_latest() -> None:
    arch = synthetic.network(SMALL)
    outcomes = [
        synthetic.outcome(0, arch, 95.0, epochs=1),
        synthetic.outcome(1, arch, 90.0, epochs=9),
        synthetic.outcome(2, arch, 91.0, epochs=9),
        synthetic.outcome(3, arch, None, epochs=27),
    ]
    table = front(outcomes, BOTH)
    assert [(point.trial, point.epochs) for point in table.points] == [(2, 9)]


def test_one_objective_leaves_the_best_networks() -> None:
    table = front(finished((SMALL, 80.0), (MIDDLE, 90.0), (LARGE, 90.0)), (ACCURACY,))
    assert [point.trial for point in table.front] == [1, 2]
    assert table.hypervolume == 90.0
    assert table.hypervolume_share == 0.9


def test_an_empty_study_says_what_to_do() -> None:
    with pytest.raises(StudyError, match="no finished trial yet"):
        front([], BOTH)


def test_a_study_of_failures_says_why_they_failed() -> None:
    timed_out = Failure(reason="timed_out", message="took longer than 60 s")
    outcomes = finished((SMALL, None), (MIDDLE, None))
    outcomes.append(synthetic.outcome(2, synthetic.network(LARGE), None, failure=timed_out))
    with pytest.raises(StudyError) as caught:
        front(outcomes, BOTH)
    assert "none of the study's 3 trials is complete (2 diverged, 1 timed_out)" in str(caught.value)
    assert "the loss of trial 0 was not a number" in str(caught.value)


def test_an_objective_that_nothing_measured_is_named() -> None:
    with pytest.raises(StudyError, match="no trial of the study has all of accuracy, latency_ms"):
        front(finished((SMALL, 80.0)), (ACCURACY, Objective.named("latency_ms")))


@pytest.mark.parametrize("objectives", [(), (MACS, MACS)])
def test_objectives_must_differ(objectives: tuple[Objective, ...]) -> None:
    with pytest.raises(StudyError, match="objectives that differ"):
        front(finished((SMALL, 80.0)), objectives)


def test_rows_are_plain_json() -> None:
    outcomes = finished((SMALL, 80.0), (MIDDLE, 70.0), (LARGE, 90.0))
    outcomes[0] = msgspec.structs.replace(
        outcomes[0],
        estimate=msgspec.structs.replace(outcomes[0].estimate, measured={"accuracy": 80.0, "accuracy_sem": math.nan}),
    )
    rows = json.loads(json.dumps(front(outcomes, BOTH).rows(), allow_nan=False))
    assert set(rows) >= {"front", "dominated", "hypervolume", "hypervolume_share", "reference_point", "objectives"}
    assert rows["front"][0]["macs"] == cost(synthetic.network(SMALL)).macs
    assert rows["front"][0]["accuracy_sem"] is None
    assert rows["objectives"][0] == {"metric": "accuracy", "direction": "maximise"}
    assert len(rows["front"][0]["stages"]) == 4


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_the_front_agrees_with_the_definition(pairs: list[tuple[int, int]]) -> None:
    outcomes = [placed(trial, float(accuracy), latency + 1.0) for trial, (accuracy, latency) in enumerate(pairs)]
    goals = (ACCURACY, Objective.named("latency_ms"))
    table = front(outcomes, goals)
    expected = {
        trial
        for trial, (accuracy, latency) in enumerate(pairs)
        if not any(a >= accuracy and b <= latency and (a, b) != (accuracy, latency) for a, b in pairs)
    }
    assert {point.trial for point in table.front} == expected
    assert len(table.points) == len(pairs)


def placed(trial: int, accuracy: float, latency: float) -> Outcome:
    """An outcome of a network of its own with these measurements."""
    made = synthetic.outcome(trial, synthetic.network(SMALL), accuracy, measured={"latency_ms": latency})
    return msgspec.structs.replace(made, candidate=msgspec.structs.replace(made.candidate, arch_id=f"network {trial}"))


def test_a_limit_is_the_reference_point_of_its_cost() -> None:
    corner = reference_point(synthetic.problem())
    assert corner.values == (0.0, 5e6)
    assert corner.rules == ("the least there is", "the hard limit")


def test_without_a_limit_the_reference_point_does_not_move_with_outcomes() -> None:
    problem = synthetic.problem(limits=())
    before = reference_point(problem, finished((SMALL, 80.0)))
    after = reference_point(problem, finished((SMALL, 80.0), (LARGE, 99.0)))
    assert before == after
    assert before.values[1] > cost(synthetic.network(MIDDLE)).macs


def test_a_lower_bound_is_no_reference_point() -> None:
    problem = synthetic.problem(limits=(Limit.parse("macs>=1e5"),))
    assert reference_point(problem) == reference_point(synthetic.problem(limits=()))


def test_a_measured_cost_lies_beyond_the_worst_outcome() -> None:
    outcomes = [placed(0, 80.0, 2.0), placed(1, 90.0, 4.0), synthetic.outcome(2, synthetic.network(SMALL), None)]
    corner = reference_of_outcomes((ACCURACY, Objective.named("latency_ms")), outcomes)
    assert corner.values == (0.0, 4.4)
    assert "moves with the outcomes" in corner.rules[1]
    with pytest.raises(StudyError, match="no outcome measured it"):
        reference_of_outcomes((Objective.named("latency_ms"),), finished((SMALL, 80.0)))


def test_a_metric_that_is_not_declared_here_is_named_as_such() -> None:
    goal = Objective.named("weight_bytes:min")
    with pytest.raises(StudyError, match="weight_bytes: no outcome measured it, and no metric is declared"):
        reference_of_outcomes((goal,), finished((SMALL, 50.0)))
