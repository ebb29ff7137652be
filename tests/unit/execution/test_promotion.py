"""Who goes on: non-dominated rank, then what each network adds to its front."""

from __future__ import annotations

import random

import msgspec
import numpy as np
import pytest
from fake_estimators import numbered_candidate

from naslab.arch.cost import Cost
from naslab.execution.promotion import best_to_promote, done_with, may_go_on
from naslab.pareto import hypervolume, hypervolume_contributions
from naslab.study.outcome import Estimate, Failure, Outcome
from naslab.study.problem import Limit, Objective
from naslab.study.rungs import Rungs

ACCURACY, MACS = Objective.named("accuracy"), Objective.named("macs")


def outcome(trial: int, accuracy: float, macs: int = 1, params: int = 1, **estimate: object) -> Outcome:
    cost = Cost(params=params, macs=macs, activations=1, peak_activation_bytes=1)
    candidate = msgspec.structs.replace(numbered_candidate(trial), cost=cost)
    return Outcome(candidate=candidate, estimate=Estimate(measured={"accuracy": accuracy}, **estimate))  # type: ignore[arg-type]


def order(outcomes: list[Outcome], *objectives: Objective) -> list[int]:
    return [each.candidate.trial for each in best_to_promote(outcomes, objectives)]


def test_one_objective_is_its_own_order_and_ties_are_by_age() -> None:
    given = [outcome(0, 50.0), outcome(1, 70.0), outcome(2, 60.0), outcome(3, 70.0)]
    assert order(given, ACCURACY) == [1, 3, 2, 0]


def test_the_front_comes_before_what_it_dominates() -> None:
    given = [
        outcome(0, 90.0, 50),
        outcome(1, 89.0, 60),
        outcome(2, 60.0, 10),
        outcome(3, 95.0, 90),
        outcome(4, 94.0, 95),
    ]
    found = order(given, ACCURACY, MACS)
    assert set(found[:3]) == {0, 2, 3}
    assert set(found[3:]) == {1, 4}


def test_what_is_preferred_comes_before_the_rest_of_the_front() -> None:
    given = [outcome(0, 90.0, 50), outcome(1, 89.0, 60), outcome(2, 60.0, 10), outcome(3, 70.0, 20)]
    preferred = [Limit.preferred("accuracy>=85", (ACCURACY, MACS))]
    found = [each.candidate.trial for each in best_to_promote(given, (ACCURACY, MACS), preferred)]
    assert found == [0, 1, 3, 2]


def test_within_a_front_the_one_that_adds_most_volume_comes_first() -> None:
    # losses scaled to the front: (0, 1), (0.1, 0.9), (0.5, 0.2), (1, 0), measured from (1.1, 1.1)
    given = [outcome(0, 0.0, 0), outcome(1, 10.0, 10), outcome(2, 80.0, 50), outcome(3, 100.0, 100)]
    volumes = hypervolume_contributions([(0, 1), (0.1, 0.9), (0.5, 0.2), (1, 0)], (1.1, 1.1))
    assert volumes == pytest.approx([0.1 * 0.1, 0.4 * 0.1, 0.5 * 0.7, 0.1 * 0.2])
    assert order(given, ACCURACY, MACS) == [2, 1, 3, 0]


def test_fronts_behind_the_first_are_in_the_order_of_their_volumes_too() -> None:
    """The front of the test above once more, behind one network that dominates all of it."""
    given = [outcome(0, 0.0, 10), outcome(1, 10.0, 20), outcome(2, 80.0, 60), outcome(3, 100.0, 110)]
    assert order([*given, outcome(4, 100.0, 5)], ACCURACY, MACS) == [4, 2, 1, 3, 0]


def test_equal_networks_are_in_the_order_of_their_age() -> None:
    """Also where a front has no extent in an objective."""
    given = [outcome(trial, 70.0, 30) for trial in (4, 1, 3)]
    assert order(given, ACCURACY, MACS) == [1, 3, 4]
    assert order([*given, outcome(0, 60.0, 40), outcome(2, 60.0, 40)], ACCURACY, MACS) == [1, 3, 4, 0, 2]


def test_the_order_of_the_outcomes_makes_no_difference() -> None:
    source = random.Random(5)
    given = [
        outcome(trial, source.uniform(50, 99), source.randrange(100), source.randrange(100)) for trial in range(40)
    ]
    for objectives in ((ACCURACY,), (ACCURACY, MACS), (ACCURACY, MACS, Objective.named("params"))):
        expected = order(given, *objectives)
        shuffled = given[:]
        source.shuffle(shuffled)
        assert order(shuffled, *objectives) == expected
        assert sorted(expected) == list(range(40))


def test_failures_and_stopped_and_unmeasured_networks_stay() -> None:
    failed = outcome(0, 99.0, failure=Failure("timed_out", "too long"))
    stopped = outcome(1, 99.0, notes={"stopped": {"after_epochs": 2}})
    unmeasured = outcome(2, float("nan"))
    assert not any(may_go_on(each, (ACCURACY,)) for each in (failed, stopped, unmeasured))
    assert order([failed, stopped, unmeasured, outcome(3, 1.0)], ACCURACY) == [3]
    assert order([], ACCURACY) == []


@pytest.mark.parametrize("num_objectives", [1, 2, 3, 4])
def test_contributions_are_what_the_hypervolume_loses(num_objectives: int) -> None:
    rng = np.random.default_rng(num_objectives)
    points = rng.integers(0, 6, (12, num_objectives)).astype(float)  # with equal and dominated points
    bound = np.full(num_objectives, 5.0)
    whole = hypervolume(points, bound)
    expected = [whole - hypervolume(np.delete(points, index, axis=0), bound) for index in range(len(points))]
    assert hypervolume_contributions(points, bound) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("rung", "objectives", "expected"),
    [
        (0, (ACCURACY,), ["before"]),
        (0, (ACCURACY, Objective.named("latency_ms")), ["own", "before"]),
        (1, (ACCURACY, Objective.named("latency_ms")), ["before"]),
    ],
    ids=["may go on", "lacks an objective", "trained to the end"],
)
def test_a_checkpoint_is_kept_as_long_as_a_training_may_go_on_from_it(
    rung: int, objectives: tuple[Objective, ...], expected: list[str]
) -> None:
    rungs, found = Rungs((1, 3)), outcome(0, 50.0, weights_sha256="own")
    candidate = msgspec.structs.replace(found.candidate, fidelity=rungs.fidelity(rung), start_from="before")
    assert done_with(msgspec.structs.replace(found, candidate=candidate), rungs, objectives) == expected
