"""Importance of choices, where it is known what matters, and calibration against leaving networks out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import synthetic_study

from naslab.analysis.importance import calibration, importance
from naslab.execution.source import make_candidate
from naslab.figures.importance import importance_figure
from naslab.space import load_space
from naslab.strategies.gaussian_process import Belief, Kernel, Posterior
from naslab.study.outcome import Estimate, Outcome
from naslab.study.problem import Objective

ACCURACY = Objective.named("accuracy")


def outcomes(count: int) -> list[Outcome]:
    """Networks whose accuracy is decided by the first block, a little by the second, and by chance."""
    space = load_space("nas_bench_macro")
    rng = np.random.default_rng(0)
    made = []
    for trial in range(count):
        genome = space.sample(rng)
        first, second = (each.option for each in genome.genes[:2])
        accuracy = 60 + 8 * (first == 1) + 3 * (second == 2) + rng.normal(0, 0.5)
        candidate = make_candidate(space.decode(genome), trial, 1, 0, "search", genome)
        made.append(Outcome(candidate=candidate, estimate=Estimate(measured={"accuracy": accuracy})))
    return made


def test_what_decides_stands_first_and_what_does_not_is_near_zero() -> None:
    found = importance(outcomes(80), ACCURACY, load_space("nas_bench_macro"))
    assert found is not None
    assert [each.hole for each in found.choices[:2]] == ["stages[0].block", "stages[1].block"]
    # Variances 64 * 2/9 and 9 * 2/9 of the sum: 0.88 and 0.12.
    assert found.choices[0].share == pytest.approx(0.88, abs=0.15)
    assert found.choices[1].share == pytest.approx(0.12, abs=0.06)
    assert all(each.share < 0.03 for each in found.choices[2:])
    assert found.calibration.explained > 0.9
    assert found.calibration.coverage[90] > 75
    figure = importance_figure(found)
    assert figure.data[0].x[-1] == pytest.approx(100 * found.choices[0].share)


def test_few_or_equal_networks_say_nothing() -> None:
    space = load_space("nas_bench_macro")
    assert importance(outcomes(11), ACCURACY, space) is None
    equal = [Outcome(candidate=each.candidate, estimate=Estimate(measured={"accuracy": 50.0})) for each in outcomes(20)]
    assert importance(equal, ACCURACY, space) is None


def test_a_network_left_out_is_predicted_by_the_others() -> None:
    rng = np.random.default_rng(1)
    inputs, targets = rng.random((15, 2)), rng.standard_normal(15)
    kernel = Kernel((np.array([0, 1]),), np.array([1.0]), (np.array([3.0, 1.0]),), 0.1)
    errors, inside = [], []
    for left in range(15):
        rest = np.arange(15) != left
        belief = Belief(Posterior(kernel, inputs[rest], inputs[:0]), targets[rest], inputs[:0])
        mean, variance = belief.predict(inputs[left : left + 1])
        errors.append(targets[left] - mean[0])
        inside.append(abs(errors[-1]) <= 1.6448536 * np.sqrt(variance[0] + kernel.noise))
    found = calibration(kernel, inputs, targets)
    assert found.explained == pytest.approx(1 - np.mean(np.square(errors)) / targets.var(), abs=1e-4)
    assert found.coverage[90] == pytest.approx(100 * np.mean(inside))


def test_a_study_has_a_table_of_what_matters() -> None:
    view = synthetic_study.study(60)
    found = importance(view.outcomes, ACCURACY, view.problem.space)
    assert found is not None
    assert found.choices[0].share > 0.1
