"""Training a network to the end, and its weights on disk."""

from __future__ import annotations

import pytest
import torch
from networks import conv_net

from naslab.arch.build import build
from naslab.errors import DataError
from naslab.study.data_choice import DataChoice
from naslab.study.recipe import Recipe, default_recipe
from naslab.training import fit
from naslab.training.augment import Normaliser
from naslab.training.data import load_dataset, load_test_set
from naslab.training.fit import fit_and_test
from naslab.training.loop import evaluate
from naslab.training.weights import load_weights, save_weights

DIGITS = DataChoice(name="digits")
RECIPE = default_recipe("digits")


def test_the_test_set_is_read_once_at_the_end(monkeypatch, tmp_path):
    order = []
    monkeypatch.setattr(fit, "load_test_set", lambda *args: order.append("test") or load_test_set(*args))
    path = tmp_path / "w.safetensors"
    result = fit_and_test(conv_net(), DIGITS, RECIPE, 2, save_to=path, report=lambda epoch: order.append(epoch.epoch))
    assert order == [1, 2, "test"]
    assert result.num_test_images == 359
    assert result.test_accuracy > 80
    assert 0 < result.test_accuracy_sem < 3
    module = build(conv_net())
    load_weights(module, path)
    seen = evaluate(module, load_test_set(DIGITS), Normaliser(load_dataset(DIGITS), (8, 8)), RECIPE)
    assert seen.accuracy == result.test_accuracy


def test_training_goes_on_from_weights(tmp_path):
    path = tmp_path / "first.safetensors"
    fit_and_test(conv_net(), DIGITS, RECIPE, 2, save_to=path)
    slow = Recipe(learning_rate=1e-6)
    kept = fit_and_test(conv_net(), DIGITS, slow, 1, start_from=path, use_validation=True)
    fresh = fit_and_test(conv_net(), DIGITS, slow, 1)
    assert kept.test_accuracy > fresh.test_accuracy + 30


def test_weights_are_the_same_after_a_round_trip(tmp_path):
    first, second = build(conv_net(), 0), build(conv_net(), 1)
    assert save_weights(first, tmp_path / "deep" / "w.safetensors") == save_weights(first, tmp_path / "w.safetensors")
    load_weights(second, tmp_path / "w.safetensors")
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"w.safetensors"}


def test_damaged_and_foreign_weights_are_named(tmp_path):
    save_weights(build(conv_net(), 0), tmp_path / "w.safetensors")
    with pytest.raises(DataError, match="weights of another network"):
        load_weights(build(conv_net(num_classes=7)), tmp_path / "w.safetensors")
    content = (tmp_path / "w.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(content[: len(content) // 2])
    for name in ("cut.safetensors", "nowhere.safetensors"):
        with pytest.raises(DataError, match=f"{name} cannot be read as a safetensors file"):
            load_weights(build(conv_net()), tmp_path / name)


def test_weights_that_cannot_be_written_are_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="the weights cannot be written"):
        save_weights(build(conv_net()), tmp_path / "file" / "w.safetensors")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input": (3, 8, 8)}, "takes 3 channels, the images have 1"),
        ({"num_classes": 4}, "has 4 classes, the data have 10"),
    ],
)
def test_a_network_that_does_not_fit_the_data_is_refused(changes, message):
    with pytest.raises(DataError, match=message):
        fit_and_test(conv_net(**changes), DIGITS, RECIPE, 1)
