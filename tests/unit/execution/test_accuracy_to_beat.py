"""What a candidate must beat: the best measured accuracy at no more cost, as known when it starts."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from fake_estimators import numbered_candidate
from tiny_search import Counting, numbered_problem

from naslab.arch.cost import Cost
from naslab.errors import SpecError
from naslab.execution.search_source import EarlyStoppingSource, require_stoppable
from naslab.execution.source import ListSource, StrategySource
from naslab.study.outcome import Candidate, EpochRecord, Estimate, Failure, Fidelity, Outcome
from naslab.study.problem import Objective

WHOLE = Fidelity(epochs=9)
GOALS = (Objective.named("accuracy"), Objective.named("macs"), Objective.named("params"))


def candidate(trial: int, macs: int, params: int, fidelity: Fidelity = WHOLE) -> Candidate:
    cost = Cost(params=params, macs=macs, activations=1, peak_activation_bytes=1)
    return msgspec.structs.replace(numbered_candidate(trial), cost=cost, fidelity=fidelity)


def outcome(trial: int, accuracy: float, macs: int, params: int, fidelity: Fidelity = WHOLE, **estimate) -> Outcome:
    found = Estimate(measured={"accuracy": accuracy}, **estimate)
    return Outcome(candidate=candidate(trial, macs, params, fidelity), estimate=found)


def source(outcomes: list[Outcome], goals: tuple[Objective, ...] = GOALS) -> EarlyStoppingSource:
    made = EarlyStoppingSource(ListSource([]), goals, WHOLE)
    for each in outcomes:
        made.learn(each)
    return made


def counting() -> EarlyStoppingSource:
    return EarlyStoppingSource(StrategySource(Counting(), numbered_problem(), WHOLE, 0, 5), GOALS, WHOLE)


def test_the_bar_is_the_best_accuracy_of_networks_that_cost_no_more_in_anything() -> None:
    beats = source([outcome(0, 80.0, 10, 10), outcome(1, 85.0, 20, 10), outcome(2, 99.0, 5, 50)])
    assert beats.accuracy_to_beat(candidate(9, 10, 10)) == 80.0
    assert beats.accuracy_to_beat(candidate(9, 30, 10)) == 85.0
    assert beats.accuracy_to_beat(candidate(9, 30, 50)) == 99.0
    assert beats.accuracy_to_beat(candidate(9, 9, 49)) is None


def test_only_whole_measured_trainings_set_an_accuracy_to_beat() -> None:
    beats = source(
        [
            outcome(0, 99.0, 1, 1, Fidelity(epochs=3, schedule_epochs=9)),
            outcome(1, 98.0, 1, 1, notes={"stopped": {}}),
            outcome(2, 97.0, 1, 1, failure=Failure("diverged", "nan")),
            outcome(3, float("nan"), 1, 1),
            outcome(4, 50.0, 1, 1),
        ]
    )
    assert beats.accuracy_to_beat(candidate(9, 9, 9)) == 50.0


def test_accuracy_alone_is_to_be_beaten_by_every_candidate() -> None:
    assert source([outcome(0, 80.0, 10, 10)], GOALS[:1]).accuracy_to_beat(candidate(9, 1, 1)) == 80.0


def test_candidates_carry_the_bar_of_the_moment_they_start_also_in_a_resumed_study() -> None:
    beats = counting()
    first = beats.propose(1, 0)[0]
    assert first.accuracy_to_beat is None
    done = Outcome(candidate=first, estimate=Estimate(measured={"accuracy": 70.0}))
    beats.learn(done)
    second = beats.propose(1, 1)[0]
    assert second.accuracy_to_beat == 70.0
    resumed = counting()
    resumed.resume([done], [second])
    assert resumed.propose(1, 2)[0].accuracy_to_beat == 70.0


@pytest.mark.parametrize(
    ("confidence", "metrics", "message"),
    [
        (0.4, ("accuracy",), "from 0.5 to below 1, got 0.4"),
        (1.0, ("accuracy",), "from 0.5 to below 1, got 1"),
        (0.95, ("macs",), "needs accuracy .* got macs"),
        (0.95, ("f1:max", "macs"), "needs accuracy .* got f1, macs"),
        (0.95, ("accuracy", "latency_ms"), "got accuracy, latency_ms"),
    ],
)
def test_searches_that_cannot_have_beats_are_refused(confidence: float, metrics: tuple[str, ...], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        require_stoppable(confidence, [Objective.named(metric) for metric in metrics])


TWO = (Objective.named("f1:max"), Objective.named("error:min"), Objective.named("macs"))


def pair(trial: int, f1: float, error: float, macs: int, curve: Sequence[tuple[float, float]] = ()) -> Outcome:
    epochs = (EpochRecord(1 + at, 0, 0, 0, 0, {"f1": up, "error": down}) for at, (up, down) in enumerate(curve))
    found = Estimate(measured={"f1": f1, "error": error}, curve=tuple(epochs))
    return Outcome(candidate=candidate(trial, macs, 1), estimate=found)


def test_of_several_objectives_those_are_to_be_beaten_that_nothing_dominates() -> None:
    known = [pair(0, 0.5, 2.0, 10), pair(1, 0.4, 1.0, 10), pair(2, 0.4, 2.5, 5), pair(3, 0.9, 0.1, 50)]
    beats = source(known, TWO)
    assert beats.to_beat(candidate(9, 20, 1)) is None  # four trainings say too little of how objectives range
    beats.learn(pair(4, 0.1, 4.0, 1))
    found = beats.to_beat(candidate(9, 20, 1))
    assert found is not None
    assert sorted(point["f1"] for point in found.points) == [0.4, 0.5]
    assert [point["error"] for point in beats.to_beat(candidate(9, 60, 1)).points] == [0.1]
    assert beats.to_beat(candidate(9, 0, 1)) is None
    assert beats.accuracy_to_beat(candidate(9, 0, 1)) is None


def test_objectives_range_as_finished_trainings_did_with_room_for_better_ones() -> None:
    ends = [pair(trial, 0.8, 0.5, 1, [(0.2, 2.5), (0.4, 1.5)]) for trial in range(5)]
    beats = source(ends, TWO)
    beats.learn(pair(5, 0.6, 0.9, 1, [(0.2, 2.5), (0.1, 1e9)]))  # one that nearly diverged
    ranges = beats.to_beat(candidate(9, 20, 1)).ranges
    assert ranges["f1"] == pytest.approx((0.2, 0.95))
    assert ranges["error"] == pytest.approx((2.5, 0.0))
    declared = source([pair(trial, 0.8, 0.5, 1) for trial in range(5)], (Objective.named("macro_f1"),))
    assert not declared.to_beat(candidate(9, 20, 1))


def test_a_users_training_may_report_any_metric_after_each_epoch() -> None:
    require_stoppable(0.95, TWO, reports_any=True)
    require_stoppable(0.95, (Objective.named("macro_f1"), Objective.named("accuracy")))
    with pytest.raises(SpecError, match="got f1, latency_ms"):
        require_stoppable(0.95, (TWO[0], Objective.named("latency_ms")), reports_any=True)
