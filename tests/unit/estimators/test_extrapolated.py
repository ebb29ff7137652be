"""What a training that ends early is extrapolated to: the extrapolation of its own curve."""

from __future__ import annotations

import math

import msgspec
import pytest

from naslab.errors import SpecError
from naslab.estimators.ensemble import candidate_of
from naslab.estimators.estimator import Workbench
from naslab.estimators.extrapolated import LEAST_EPOCHS, Extrapolated, extrapolated_loss
from naslab.estimators.extrapolation import LEAST_EPOCHS as NEEDED
from naslab.estimators.extrapolation import extrapolate
from naslab.estimators.named import Setting, read_name
from naslab.estimators.short_training import ShortTraining
from naslab.lab.problems import make_problem
from naslab.study.outcome import Fidelity
from naslab.training.early_stopping import kept_epoch
from naslab.training.schedule import annealing

PROBLEM = make_problem("digits_demo", None, ("accuracy",), (), None, max_images=200)
TRAINING = ShortTraining(data=PROBLEM.data, recipe=PROBLEM.recipe)
NAME = "extrapolated:epochs=3,of=6,images=60"


@pytest.fixture(scope="module")
def bench() -> Workbench:
    bench = Workbench(device="cpu", cache={})
    Extrapolated(TRAINING).prepare(bench)
    return bench


def test_it_is_the_curve_extrapolated_to_the_end_of_the_schedule(bench):
    made = read_name(NAME).make(Setting(PROBLEM))
    candidate = candidate_of(PROBLEM.space, PROBLEM.space.genome_at(3), 1)
    estimate = made.estimator.estimate(msgspec.structs.replace(candidate, fidelity=made.fidelity), bench)
    assert len(estimate.curve) == 3
    seen = [epoch.validation_accuracy for epoch in estimate.curve]
    ahead = extrapolate(seen, 6, annealing(PROBLEM.recipe, 6))
    assert estimate.measured["extrapolated_accuracy"] == ahead.quantile(0.5)
    assert estimate.measured["accuracy"] == seen[-1]
    assert estimate.measured["extrapolated_accuracy_sem"] > 0
    assert estimate.measured["extrapolated_log_likelihood"] == -extrapolated_loss(estimate.curve, 6)


def test_two_epochs_extrapolate_the_loss_alone(bench):
    name = read_name("extrapolated:epochs=2,of=4,images=60,by=loss")
    assert name.metric == "extrapolated_log_likelihood"
    made = name.make(Setting(PROBLEM))
    candidate = candidate_of(PROBLEM.space, PROBLEM.space.genome_at(3), 1)
    estimate = made.estimator.estimate(msgspec.structs.replace(candidate, fidelity=made.fidelity), bench)
    first, second = estimate.curve
    fall = (first.train_loss - second.train_loss) / math.log(2)
    expected = second.validation_loss - fall * math.log(2)
    assert estimate.measured["extrapolated_log_likelihood"] == pytest.approx(-expected, rel=1e-9)
    assert "extrapolated_accuracy" not in estimate.measured


def test_networks_are_ranked_by_what_is_asked_for():
    assert read_name("extrapolated").metric == "extrapolated_accuracy"
    assert str(read_name("extrapolated:by=loss,epochs=2")) == "extrapolated:epochs=2,by=loss"
    with pytest.raises(SpecError, match="extrapolated:by"):
        read_name("extrapolated:by=flops")


def test_a_whole_schedule_needs_no_extrapolation(bench):
    candidate = candidate_of(PROBLEM.space, PROBLEM.space.genome_at(3), 1)
    estimate = Extrapolated(TRAINING).estimate(candidate, bench)
    assert estimate.measured["extrapolated_accuracy"] == estimate.measured["accuracy"]
    assert estimate.measured["extrapolated_log_likelihood"] == -estimate.curve[-1].validation_loss


def test_failures_stay_failures(bench):
    genome = PROBLEM.space.for_data(3, 10).genome_at(0)
    candidate = candidate_of(PROBLEM.space.for_data(3, 10), genome, 1)
    assert Extrapolated(TRAINING).estimate(candidate, bench).failure is not None


def test_too_few_epochs_are_refused_by_name():
    assert LEAST_EPOCHS == NEEDED
    with pytest.raises(SpecError, match="extrapolated:epochs: must be at least 3, got 2"):
        read_name("extrapolated:epochs=2").make(Setting(PROBLEM))
    with pytest.raises(SpecError, match="extrapolated:epochs: must be at least 2, got 1"):
        read_name("extrapolated:epochs=1,by=loss").make(Setting(PROBLEM))
    with pytest.raises(SpecError, match="extrapolated:of: must be at least the 5 epochs trained, got 4"):
        read_name("extrapolated:epochs=5,of=4").make(Setting(PROBLEM))


def test_a_training_that_patience_ended_stands_as_it_ended(bench):
    recipe = msgspec.structs.replace(PROBLEM.recipe, stop_patience=1, learning_rate=1e-6, ema_decay=0.999)
    patient = Extrapolated(msgspec.structs.replace(TRAINING, recipe=recipe))
    fidelity = Fidelity(epochs=9, schedule_epochs=20, images=60)
    candidate = candidate_of(PROBLEM.space, PROBLEM.space.genome_at(3), 1)
    estimate = patient.estimate(msgspec.structs.replace(candidate, fidelity=fidelity), bench)
    assert len(estimate.curve) < 9
    best = kept_epoch(estimate.curve, recipe)
    assert estimate.measured["extrapolated_accuracy"] == estimate.measured["accuracy"] == best.validation_accuracy
    assert estimate.measured["extrapolated_log_likelihood"] == -best.validation_loss


def test_names_of_studies_made_before_an_option_was_there_are_the_same():
    assert read_name("extrapolated").whole == (
        "extrapolated epochs=4, images=None, resolution=None, width=None, batch=None, of=8"
    )
    assert read_name("extrapolated:by=loss").whole.endswith("of=8, by=loss")
    assert read_name("predictor").whole == "predictor known=100, proxies=, batch=32"
