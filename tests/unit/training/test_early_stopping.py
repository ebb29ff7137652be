"""Stopping a training that gets no better, and what is kept of it."""

from __future__ import annotations

import msgspec
import pytest
import torch
from networks import conv_net

from naslab.arch.build import build
from naslab.errors import SpecError
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import EpochRecord, Fidelity
from naslab.study.recipe import Recipe
from naslab.training.augment import Normaliser
from naslab.training.checkpoint import Checkpoint, Origin
from naslab.training.data import load_dataset
from naslab.training.early_stopping import EarlyStop, kept_epoch
from naslab.training.evaluation import evaluate
from naslab.training.fit import fit_and_test
from naslab.training.loop import train

PATIENT = Recipe(stop_patience=2)


def curve_of(*accuracies: float) -> list[EpochRecord]:
    return [EpochRecord(1 + place, 1.0, 1.0, accuracy, 1.0) for place, accuracy in enumerate(accuracies)]


def test_the_best_epoch_is_kept_the_first_of_equals():
    assert kept_epoch(curve_of(50, 70, 60, 70), PATIENT).epoch == 2
    assert kept_epoch(curve_of(50, 70, 60, 70), Recipe()).epoch == 4


def test_of_equal_accuracies_the_lower_loss_is_better():
    curve = [EpochRecord(1 + place, 1.0, loss, 70, 1.0) for place, loss in enumerate((0.8, 0.5, 0.6))]
    assert kept_epoch(curve, PATIENT).epoch == 2
    assert kept_epoch([*curve, EpochRecord(4, 1.0, 0.9, 71, 1.0)], PATIENT).epoch == 4


def test_it_is_due_after_its_patience():
    stop = EarlyStop(PATIENT)
    assert [stop.is_due(curve_of(*(50, 70, 60, 65)[:count])) for count in range(5)] == [False] * 4 + [True]
    assert not EarlyStop(Recipe()).is_due(curve_of(9, 8, 7, 6, 5, 4, 3, 2, 1))


def test_a_training_ends_at_its_best_epoch_with_its_weights():
    data = load_dataset(DataChoice(name="digits", max_images=200))
    recipe = Recipe(learning_rate=0.5, batch_size=16, schedule="constant", stop_patience=2)
    module = build(conv_net(), 0)
    curve = train(module, data, recipe, 40, size=(8, 8))
    best = kept_epoch(curve, recipe)
    assert len(curve) == best.epoch + 2 < 40
    seen = evaluate(module, data.validation, Normaliser(data, (8, 8)), recipe)
    assert seen.accuracy == best.validation_accuracy
    assert seen.loss == pytest.approx(best.validation_loss, rel=1e-6)


def test_patience_without_end_changes_nothing_but_what_is_kept():
    data = load_dataset(DataChoice(name="digits", max_images=200))
    recipe = Recipe(batch_size=32, stop_patience=100)
    plain = train(build(conv_net(), 0), data, msgspec.structs.replace(recipe, stop_patience=None), 3, size=(8, 8))
    patient = train(build(conv_net(), 0), data, recipe, 3, size=(8, 8))
    assert [epoch.train_loss for epoch in patient] == [epoch.train_loss for epoch in plain]


def test_the_best_weights_go_through_a_checkpoint():
    first, second = EarlyStop(PATIENT), EarlyStop(PATIENT)
    module = torch.nn.Linear(2, 1)
    first.note(curve_of(50.0), module)
    kept = module.weight.detach().clone()
    torch.nn.init.zeros_(module.weight)
    first.note(curve_of(50.0, 40.0), module)
    second.tensors = {**first.tensors, "module.weight": torch.ones(1, 2)}
    second.give_best(module)
    assert torch.equal(module.weight.detach(), kept)


@pytest.mark.parametrize("changes", [{}, {"ema_decay": 0.9}])
def test_the_weights_of_a_checkpoint_are_those_of_the_best_epoch(changes):
    data = load_dataset(DataChoice(name="digits", max_images=200))
    recipe = Recipe(learning_rate=0.5, batch_size=16, schedule="constant", stop_patience=2, **changes)
    kept = []
    module = build(conv_net(), 0)
    curve = train(module, data, recipe, 40, size=(8, 8), keep=lambda *state: kept.append(state))
    best = kept_epoch(curve, recipe)
    assert best is not curve[-1]
    origin = Origin(conv_net(), Fidelity(epochs=40), 0)
    other = build(conv_net(), 1)
    other.load_state_dict(Checkpoint(origin, *kept[0]).weights())
    seen = evaluate(other, data.validation, Normaliser(data, (8, 8)), recipe)
    assert seen.accuracy == best.validation_accuracy
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (PATIENT, "stop_patience: needs validation images that are not trained on"),
        (Recipe(schedule="plateau"), "schedule: plateau needs validation images that are not trained on"),
    ],
)
def test_images_that_are_trained_on_cannot_say_when_to_stop(recipe, message):
    with pytest.raises(SpecError, match=message):
        fit_and_test(conv_net(), DataChoice(name="digits"), recipe, 1, use_validation=True)
