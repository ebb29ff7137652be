"""Strategies compared on real searches: what counts, and what is refused."""

from __future__ import annotations

import msgspec
import pytest

from naslab.analysis.study import StudyView
from naslab.bench.real_studies import judge_studies
from naslab.errors import StudyError
from naslab.execution.source import make_candidate
from naslab.ledger.record import StudyRecord
from naslab.space import load_space
from naslab.strategies.registry import make_strategy
from naslab.study.outcome import Estimate, Failure, Outcome
from naslab.study.problem import DataChoice, Limit, Objective, Problem
from naslab.study.recipe import Recipe


def study(accuracies: list[float | None], seed: int = 0, most: float = 3e6) -> StudyView:
    """A search whose networks reach these accuracies; `None` diverges."""
    goals = tuple(map(Objective.named, ("accuracy", "macs")))
    limits = (Limit.parse(f"macs<={most:g}"),)
    problem = Problem(load_space("digits_demo"), goals, DataChoice(name="digits"), Recipe(), limits)
    outcomes = []
    proposals = make_strategy("random", problem, seed).ask(len(accuracies))
    for trial, (accuracy, proposal) in enumerate(zip(accuracies, proposals, strict=True)):
        arch = problem.space.decode(proposal.genome)
        candidate = make_candidate(arch, trial, 1, seed, "search", proposal.genome)
        failure = Failure(reason="diverged", message="the loss is not a number")
        estimate = Estimate(failure=failure) if accuracy is None else Estimate(measured={"accuracy": accuracy})
        outcomes.append(Outcome(candidate=candidate, estimate=msgspec.structs.replace(estimate, wall_seconds=2.0)))
    record = StudyRecord(
        name=f"random-{seed}", problem=msgspec.to_builtins(problem), strategy="random", epochs=1, seed=seed, trials=3
    )
    return StudyView(record=record, problem=problem, outcomes=tuple(outcomes))


def test_one_network_dominates_its_box() -> None:
    """At 95 % and m macs: a quarter of the way below 100 from a floor of 80, and 1 - m / limit of the costs."""
    view = study([95.0])
    macs = view.outcomes[0].candidate.cost.macs
    found = judge_studies([view], [1], floor=80.0)
    assert found.hypervolume["1"].mean == pytest.approx(0.75 * (1 - macs / 3e6))
    assert found.accuracy["1"].mean == 95.0
    assert found.train_seconds.mean == 2.0


def test_failures_count_as_trials_and_seeds_make_the_spread() -> None:
    found = judge_studies([study([None, 90.0, 70.0], 0), study([85.0, 94.0, None], 1)], [1, 3], floor=80.0)
    assert (found.seeds, found.trials, found.failed) == (2, 3, 2)
    assert found.accuracy["1"].mean == pytest.approx(42.5)
    assert found.accuracy["3"].mean == pytest.approx(92.0)
    assert found.accuracy["3"].sem == pytest.approx(2.0)
    assert found.hypervolume_curve.mean == sorted(found.hypervolume_curve.mean)
    assert len(found.accuracy_curve.mean) == 3


def test_studies_of_other_problems_or_lengths_are_not_compared() -> None:
    with pytest.raises(StudyError, match=r"share a problem and a number of trials, got \[1, 2\] trials"):
        judge_studies([study([90.0]), study([90.0, 91.0])], [1])
    with pytest.raises(StudyError, match="share a problem"):
        judge_studies([study([90.0]), study([90.0], most=2e6)], [1])
    with pytest.raises(StudyError, match=r"must be 1 to the 1 of the studies, got \[2\]"):
        judge_studies([study([90.0])], [2])
