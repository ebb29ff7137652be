"""Limits on what is measured: looked at before training, told apart, not counted, and foreseen after a while."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from own_searches import own_folder, search

import naslab
from naslab.analysis.facts import facts, foreseen_words
from naslab.arch import cost
from naslab.errors import LimitError, SpecError
from naslab.estimators import limited
from naslab.estimators.estimator import Workbench
from naslab.space import load_space
from naslab.strategies.foreseen_limits import LEAST_NETWORKS, ForeseenLimit
from naslab.strategies.registry import make_strategy
from naslab.study.outcome import Candidate, Estimate, Failure, Outcome
from naslab.study.problem import DataChoice, Limit, Objective, Problem
from naslab.study.recipe import Recipe

TRAINED: list[int] = []


def slow(names: tuple[str, ...], candidate: Candidate, bench: Workbench) -> dict[str, float]:
    """A latency that follows from the description: 1 ms for 10,000 macs."""
    return {name: cost(candidate.arch).macs / 1e4 for name in names}


def evaluate(network: Any, trial: naslab.Trial) -> float:
    TRAINED.append(trial.number)
    return trial.number / 100


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(limited, "measured_before_training", slow)
    TRAINED.clear()
    with own_folder(tmp_path, monkeypatch) as made:
        yield made


def test_what_breaks_a_limit_is_not_trained_and_not_counted(folder: Path) -> None:
    study = search(evaluate, trials=5, limits=("latency_ms<=6", "macs<=1M"))
    broken = [each for each in study.outcomes if each.is_infeasible]
    kept = [each for each in study.outcomes if not each.is_infeasible]
    assert len(kept) == 5
    assert broken
    assert [each.candidate.trial for each in kept] == TRAINED
    assert all(each.value("latency_ms") <= 6 for each in kept)
    assert all(each.value("latency_ms") > 6 for each in broken)
    assert "the limit is latency_ms<=6" in broken[0].estimate.failure.message
    assert naslab.pareto_front(study).num_failed == 0
    assert [str(limit) for limit in study.problem.limits] == ["macs<=1e+06"]


def test_a_study_goes_on_with_the_same_count(folder: Path) -> None:
    search(evaluate, trials=3, limits=("latency_ms<=6",))
    study = search(evaluate, trials=6, limits=("latency_ms<=6",))
    assert sum(not each.is_infeasible for each in study.outcomes) == 6
    assert len({each.candidate.arch_id for each in study.outcomes}) == len(study.outcomes)
    again = search(evaluate, trials=6, limits=("latency_ms<=6",))
    assert len(again.outcomes) == len(study.outcomes)


def test_rungs_pass_over_what_breaks_a_limit(folder: Path) -> None:
    study = search(evaluate, trials=6, limits=("latency_ms<=6",), rungs=(1, 2))
    first = [each for each in study.outcomes if each.candidate.fidelity.epochs == 1 and not each.is_infeasible]
    assert len(first) == 6
    assert sum(each.candidate.fidelity.epochs == 2 for each in study.outcomes) == 2


def test_limits_that_nothing_meets_end_the_search(folder: Path) -> None:
    with pytest.raises(LimitError, match=r"none of the first \d+ networks meets the limits on what is measured"):
        search(evaluate, trials=5, limits=("latency_ms<=0.001",), space=load_space("nas_bench_macro"))
    assert not TRAINED


def test_metrics_of_after_training_limit_the_front_and_not_the_search(folder: Path) -> None:
    with pytest.raises(SpecError, match="limits the front: naslab pareto STUDY --limit 'accuracy>=90'"):
        search(evaluate, limits=("accuracy>=90",))


def outcome_of(problem: Problem, trial: int, genome: Any, bound: float) -> Outcome:
    arch = problem.space.decode(genome)
    value = cost(arch).macs / 1e4
    failure = Failure("infeasible", "") if value > bound else None
    measured = {"latency_ms": value} if failure else {"latency_ms": value, "accuracy": 50.0}
    made = naslab.arch_id(arch)
    candidate = Candidate(
        trial=trial, arch=arch, arch_id=made, cost=cost(arch), fidelity=limited_fidelity(), seed=0, genome=genome
    )
    return Outcome(candidate=candidate, estimate=Estimate(measured=measured, failure=failure))


def limited_fidelity() -> Any:
    from naslab.study.outcome import Fidelity

    return Fidelity(epochs=1)


def test_after_some_tens_most_proposals_meet_the_limit() -> None:
    space = load_space("digits_demo")
    rng = np.random.default_rng(0)
    values = [cost(space.decode(space.sample(rng))).macs / 1e4 for _ in range(200)]
    bound = float(np.quantile(values, 0.2))
    goals = (Objective.named("accuracy"), Objective.named("macs"))
    limits = (Limit.parse(f"latency_ms<={bound:.6f}"),)
    problem = Problem(space, goals, DataChoice(name="digits"), Recipe(), (), limits)
    strategy = make_strategy("random", problem, 0)
    broken = []
    for trial in range(80):
        [proposal] = strategy.ask(1)
        outcome = outcome_of(problem, trial, proposal.genome, bound)
        broken.append(outcome.is_infeasible)
        strategy.tell([outcome])
    assert sum(broken[:LEAST_NETWORKS]) > 10
    assert sum(broken[-40:]) <= 4  # of a strategy that knows nothing, 80 % would break it


def test_what_descriptions_do_not_tell_is_not_foreseen() -> None:
    space, rng = load_space("digits_demo"), np.random.default_rng(0)
    limit = ForeseenLimit(Limit.parse("latency_ms<=1"))
    for _ in range(60):
        arch = space.decode(space.sample(rng))
        limit.learn(arch, cost(arch), float(rng.lognormal(2.0, 1.0)))
    assert not limit.is_used
    assert limit.excess(arch, cost(arch)) == 0.0


def test_the_report_says_the_error_of_the_prediction(folder: Path) -> None:
    study = search(evaluate, trials=30, limits=("latency_ms<=30",), space=load_space("digits_demo"))
    [told] = [each.value for each in facts(study).facts if each.name == "latency_ms"]
    assert "predicted from descriptions with an error of" in told
    assert "(leave one out, " in told
    assert foreseen_words(study) == {"latency_ms": told}
