"""Recipes by name and from files, old ones among them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import yaml

from naslab.errors import NaslabError, SpecError, UnknownNameError
from naslab.lab.problems import make_problem
from naslab.study.recipe import RECIPES, Recipe, named_recipe
from naslab.training.recipe_files import find_recipe


def written(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_name_is_a_recipe_fitted_to_the_data():
    for name in RECIPES:
        assert find_recipe(name, "digits") == named_recipe(name, "digits")
    with pytest.raises(UnknownNameError, match="did you mean 'paper-resnet'"):
        find_recipe("paper-resnt", "digits")


def test_a_file_holds_fields_and_may_begin_from_a_name(tmp_path):
    path = written(tmp_path, "optimizer: adamw\nlearning_rate: 1e-3\nstep_at: [0.3, 0.6]\n")
    expected = Recipe(optimizer="adamw", learning_rate=1e-3, step_at=(0.3, 0.6))
    assert find_recipe(str(path), "cifar10") == expected
    based = written(tmp_path, '{"base": "full", "mixup": 0.2}', "based.json")
    assert find_recipe(based, "cifar10") == msgspec.structs.replace(named_recipe("full", "cifar10"), mixup=0.2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cutot: 4", r"mine\.yaml: unknown field 'cutot' \(did you mean 'cutout'"),
        ("cutout: -4", r"mine\.yaml: cutout: must be at least 0, got -4"),
        ("cutout: many", r"mine\.yaml: cutout: expected int, got str 'many'"),
        ("optimizer: sdg", r"mine\.yaml: optimizer: must be one of .* got 'sdg'.*did you mean 'sgd'"),
        ("base:", r"unknown recipe 'None'"),
        ("base: fulll", r"unknown recipe 'fulll'.*did you mean 'full'"),
        ("auto_augment: cifar10\nrand_augment: 2", r"mine\.yaml: auto_augment: takes the place of rand_augment"),
        ("compile: auto\ndrop_block: 0.1", r"mine\.yaml: compile: must be off with drop_block"),
        ("ema_warmup: true", r"mine\.yaml: ema_warmup: needs an ema_decay"),
        ("drop_block_size: 4", r"mine\.yaml: drop_block_size: must be odd and positive, got 4"),
        ("hue: 0.7", r"mine\.yaml: hue: must be at most 0\.5"),
        ("rand_augment_magnitude: 31", r"mine\.yaml: rand_augment_magnitude: must be 0 to 30, got 31"),
        ("dropout: 1.0", r"mine\.yaml: dropout: must be in \[0, 1\), got 1\.0"),
        ("stop_patience: 0", r"mine\.yaml: stop_patience: must be at least 1, got 0"),
        ("- 1", "must hold the fields of a recipe"),
    ],
)
def test_a_file_names_what_is_wrong_with_it(tmp_path, text, message):
    with pytest.raises(NaslabError, match=message):
        find_recipe(written(tmp_path, text), "digits")


def test_a_missing_file_is_named():
    with pytest.raises(NaslabError, match=r"cannot read nowhere\.yaml"):
        find_recipe("nowhere.yaml", "digits")


def test_recipes_go_through_yaml_and_json(tmp_path):
    for name in RECIPES:
        for dataset in ("digits", "cifar10", "image_folder:x"):
            recipe = named_recipe(name, dataset)
            text = yaml.safe_dump(msgspec.to_builtins(recipe))
            assert find_recipe(written(tmp_path, text), dataset) == recipe
            assert msgspec.json.decode(msgspec.json.encode(recipe), type=Recipe) == recipe


def test_recipes_of_older_studies_are_read_and_the_defaults_are_written_as_they_were():
    old = b'{"learning_rate":0.25,"batch_size":32,"label_smoothing":0.1}'
    assert msgspec.json.encode(named_recipe("short", "digits")) == old
    assert msgspec.json.decode(old, type=Recipe) == named_recipe("short", "digits")
    full = b'{"schedule":"cosine","warmup_epochs":1.0,"label_smoothing":0.1,"crop_padding":4,"horizontal_flip":true}'
    assert msgspec.json.decode(full, type=Recipe) == named_recipe("full", "cifar10")
    assert msgspec.to_builtins(named_recipe("full", "cifar10")) == msgspec.json.decode(full)


def test_the_papers_recipes_are_the_papers():
    resnet = named_recipe("paper-resnet", "cifar10")
    assert (resnet.optimizer, resnet.learning_rate, resnet.momentum, resnet.weight_decay) == ("sgd", 0.1, 0.9, 1e-4)
    assert (resnet.batch_size, resnet.schedule, resnet.step_at, resnet.step_factor) == (128, "step", (0.5, 0.75), 0.1)
    assert (resnet.crop_padding, resnet.horizontal_flip, resnet.nesterov) == (4, True, False)
    assert named_recipe("paper-resnet", "image_folder:x").step_at == (30 / 90, 60 / 90)
    efficientnet = named_recipe("paper-efficientnet", "cifar10")
    assert efficientnet.learning_rate / efficientnet.batch_size == pytest.approx(0.256 / 4096)
    assert efficientnet.step_every * 350 == pytest.approx(2.4)
    assert (efficientnet.optimizer, efficientnet.weight_decay, efficientnet.ema_decay) == ("rmsprop", 1e-5, 0.9999)


def test_a_search_takes_a_name_a_file_or_a_recipe(tmp_path):
    path = written(tmp_path, "base: short\nmixup: 0.1\n")
    for recipe, expected in (
        (None, named_recipe("short", "digits")),
        ("paper-resnet", named_recipe("paper-resnet", "digits")),
        (path, msgspec.structs.replace(named_recipe("short", "digits"), mixup=0.1)),
        (Recipe(), Recipe()),
    ):
        assert make_problem("digits_demo", None, ("accuracy",), (), recipe).recipe == expected


def test_a_spec_error_keeps_its_field(tmp_path):
    with pytest.raises(SpecError) as caught:
        find_recipe(written(tmp_path, "momentum: 2"), "digits")
    assert caught.value.field == "mine.yaml: momentum"
