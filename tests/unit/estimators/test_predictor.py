"""The accuracy predictor: what it learns from known results, and what it refuses."""

from __future__ import annotations

import pickle
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naslab.analysis.rank_agreement import kendall_tau
from naslab.errors import SpecError
from naslab.estimators.ensemble import candidate_of
from naslab.estimators.estimator import Workbench
from naslab.estimators.predictor import AccuracyPredictor, KnownResult, within_bounds
from naslab.estimators.proxies.proxy import Probe
from naslab.lab.problems import make_problem
from naslab.space import Genome
from naslab.study.data_choice import DataChoice

PROBLEM = make_problem("digits_demo", None, ("accuracy",), (), None)


def accuracy_of(genome: Genome) -> float:
    """A made-up accuracy: each option counts, more for the first choices."""
    return 60 + sum(3 * gene.option / (1 + index) for index, gene in enumerate(genome.genes))


def genomes(count: int, seed: int) -> list[Genome]:
    source = np.random.default_rng(seed)
    return [PROBLEM.space.sample(source) for _ in range(count)]


@pytest.fixture(scope="module")
def predictor() -> AccuracyPredictor:
    source = np.random.default_rng(5)
    known = [KnownResult(each, accuracy_of(each) + 0.1 * source.standard_normal()) for each in genomes(60, 0)]
    return AccuracyPredictor(problem=PROBLEM, known=tuple(known))


@pytest.fixture(scope="module")
def bench(predictor) -> Workbench:
    bench = Workbench(device="cpu", cache={})
    predictor.prepare(bench)
    return bench


def test_networks_not_learned_from_are_ranked_and_doubt_is_honest(predictor, bench):
    others = [each for each in genomes(60, 1) if each not in {known.genome for known in predictor.known}]
    measured = [predictor.estimate(candidate_of(PROBLEM.space, each, 0), bench).measured for each in others]
    predicted = np.array([each["accuracy"] for each in measured])
    doubt = np.array([each["accuracy_sem"] for each in measured])
    true = np.array([accuracy_of(each) for each in others])
    assert kendall_tau(predicted, true) > 0.8
    assert np.mean(np.abs(predicted - true) < 3 * doubt) > 0.8
    assert (doubt > 0).all()


def test_it_is_a_value_and_answers_the_same_on_every_bench(predictor, bench):
    candidate = candidate_of(PROBLEM.space, genomes(1, 9)[0], 0)
    again = pickle.loads(pickle.dumps(predictor))  # noqa: S301  (its own)
    assert again == predictor
    other = Workbench(device="cpu", cache={})
    assert again.estimate(candidate, other).measured == predictor.estimate(candidate, bench).measured


def test_a_network_from_elsewhere_is_a_failure(predictor, bench):
    candidate = msgspec.structs.replace(candidate_of(PROBLEM.space, genomes(1, 9)[0], 0), genome=Genome())
    failure = predictor.estimate(candidate, bench).failure
    assert failure is not None
    assert failure.reason == "invalid"
    assert "space" in failure.message


def test_proxies_are_a_part_of_what_it_sees():
    known = tuple(KnownResult(each, accuracy_of(each)) for each in genomes(12, 0))
    probe = Probe(data=DataChoice(name="digits", max_images=200), batch_size=8)
    with_proxies = AccuracyPredictor(problem=PROBLEM, known=known, proxies=("naswot", "layers"), probe=probe)
    bench = Workbench(device="cpu", cache={})
    with_proxies.prepare(bench)
    candidate = candidate_of(PROBLEM.space, genomes(1, 9)[0], 0)
    plain = AccuracyPredictor(problem=PROBLEM, known=known).estimate(candidate, bench)
    assert with_proxies.estimate(candidate, bench).measured != plain.measured


def test_too_little_to_learn_from_is_refused():
    known = tuple(KnownResult(each, accuracy_of(each)) for each in genomes(12, 0))
    with pytest.raises(SpecError, match="at least 10"):
        AccuracyPredictor(problem=PROBLEM, known=known[:9])
    with pytest.raises(SpecError, match="all equal"):
        AccuracyPredictor(problem=PROBLEM, known=tuple(msgspec.structs.replace(each, accuracy=5.0) for each in known))
    with pytest.raises(SpecError, match="images"):
        AccuracyPredictor(problem=PROBLEM, known=known, proxies=("naswot",))


@settings(deadline=None)  # the first one loads scipy.stats
@given(st.floats(-50, 150), st.floats(0.01, 40))
def test_no_accuracy_below_0_or_above_100_is_predicted(accuracy: float, deviation: float) -> None:
    """The mean and deviation of many draws of the belief, those outside left out."""
    seen = within_bounds(accuracy, deviation)
    assert 0 <= seen["accuracy"] <= 100
    assert 0 <= seen["accuracy_sem"] <= deviation * (1 + 1e-9)
    places = np.linspace(0, 100, 200_001)
    height = -0.5 * ((places - accuracy) / deviation) ** 2
    density = np.exp(height - height.max())
    mean = float(places @ density / density.sum())
    assert seen["accuracy"] == pytest.approx(mean, abs=0.01)


@given(st.lists(st.floats(90, 110), min_size=2, max_size=9, unique=True), st.floats(0.1, 5))
def test_the_better_one_stays_the_better_one_near_the_bound(accuracies: list[float], deviation: float) -> None:
    cut = [within_bounds(each, deviation)["accuracy"] for each in sorted(accuracies)]
    assert all(worse <= better + 1e-9 for worse, better in pairwise(cut))
