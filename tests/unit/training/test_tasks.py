"""Several labels, numbers and unequal classes: losses, samplers, and metrics as their definitions give them."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import naslab
from naslab.errors import SpecError, StudyError
from naslab.lab.problems import make_problem
from naslab.metrics import MACS
from naslab.package.facts import Facts
from naslab.package.folder import source_of
from naslab.package.predict import outputs_of
from naslab.study.recipe import Recipe
from naslab.study.task import TASKS
from naslab.training.augment import Normaliser, training_batches
from naslab.training.data import load_dataset
from naslab.training.datasets.choosing import choose_data
from naslab.training.datasets.fitting import has_torchmetrics
from naslab.training.evaluation import evaluate, scoring_of
from naslab.training.losses import balanced_weights, labels_loss, make_criterion
from naslab.training.scores import measurable

needs_torchmetrics = pytest.mark.skipif(not has_torchmetrics(), reason="torchmetrics is not installed")
SPACE = {"input": [3, 8, 8], "num_classes": 2, "stages": [{"block": {"type": "conv"}, "width": {"choice": [4, 8]}}]}
RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(60, 8, 8, 2)).astype(np.float32)
NUMBERS = (1000 + 50 * IMAGES.mean((1, 2))[:, 0] * 8).astype(np.float64)
MANY = (IMAGES.mean((1, 2)) > 0).astype(np.int64)
FEW_OF_ONE = np.array([0] * 40 + [1] * 12 + [2] * 8)
LABELS = {"classification": FEW_OF_ONE, "multilabel": MANY, "regression": NUMBERS}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def given(task):
    return naslab.Data(train=(IMAGES, LABELS[task]))


def split_of(task):
    return load_dataset(choose_data(given(task)))


@pytest.mark.parametrize("task", TASKS)
def test_labels_tell_their_task(task):
    split = split_of(task)
    assert split.task == task
    assert split.num_classes == {"classification": 3, "multilabel": 2, "regression": 1}[task]
    assert len(split.train) + len(split.validation) == 48


def test_a_task_may_be_said_where_whole_numbers_are_meant_as_such():
    ages = np.arange(60) // 3
    assert load_dataset(choose_data(naslab.Data(train=(IMAGES, ages), task="regression"))).task == "regression"


def test_targets_are_standardised_by_those_of_training():
    split = split_of("regression")
    outputs = torch.zeros(len(split.train), 1)
    labels = split.train.labels
    expected = functional.huber_loss(outputs, (labels - labels.mean()) / labels.std(correction=0))
    assert make_criterion(split, Recipe())(outputs, labels, 0.0) == pytest.approx(float(expected), rel=1e-5)


def test_balanced_classes_weigh_alike_together():
    split = split_of("classification")
    weights = balanced_weights(split)
    counts = torch.bincount(split.train.labels)
    assert torch.allclose(weights * counts, torch.full((3,), len(split.train) / 3))
    logits = torch.randn(len(split.train), 3, generator=torch.Generator().manual_seed(0))
    each = functional.cross_entropy(logits, split.train.labels, reduction="none")
    by_class = [each[split.train.labels == label].mean() for label in range(3)]
    found = make_criterion(split, Recipe(class_weights="balanced"))(logits, split.train.labels, 0.0)
    assert float(found) == pytest.approx(float(sum(by_class) / 3), rel=1e-5)


def test_smoothed_labels_lie_nearer_to_a_half():
    logits, labels = torch.tensor([[2.0, -1.0]]), torch.tensor([[1.0, 0.0]])
    expected = functional.binary_cross_entropy_with_logits(logits, torch.tensor([[0.9, 0.1]]))
    assert float(labels_loss(logits, labels, 0.2)) == pytest.approx(float(expected))


def test_a_balanced_sampler_draws_every_class_as_often():
    import random

    split = split_of("classification")
    recipe = Recipe(sampler="balanced", batch_size=8)
    batches = list(
        training_batches(split, recipe, Normaliser(split, (8, 8)), torch.Generator().manual_seed(0), random.Random(0))
    )
    counts = torch.bincount(torch.cat([batch.labels for batch in batches]))
    assert int(counts.sum()) == len(split.train)
    assert int(counts.max() - counts.min()) <= 1


class Fixed(nn.Module):
    """Gives the outputs that it is made with, batch after batch."""

    def __init__(self, outputs):
        super().__init__()
        self.outputs, self.place = outputs, 0

    def forward(self, images):
        begin, self.place = self.place, self.place + len(images)
        return self.outputs[begin : self.place]


def judged(task, outputs):
    split = split_of(task)
    names = measurable(split)
    return evaluate(
        Fixed(outputs(split)), split.validation, Normaliser(split, (8, 8)), Recipe(), scoring=scoring_of(split, names)
    )


@needs_torchmetrics
def test_metrics_of_numbers_are_in_the_unit_of_the_targets():
    def outputs(split):
        return (split.validation.labels + 3.0 - split.targets.mean) / split.targets.deviation

    seen = judged("regression", outputs)
    labels = split_of("regression").validation.labels.double()
    assert seen.measured["mae"] == pytest.approx(3.0, rel=1e-4)
    assert seen.measured["rmse"] == pytest.approx(3.0, rel=1e-4)
    assert seen.measured["r2"] == pytest.approx(1 - 9 / float(labels.var(correction=0)), rel=1e-3)


@needs_torchmetrics
def test_metrics_of_classes_are_their_definitions():
    def outputs(split):
        return functional.one_hot(torch.zeros_like(split.validation.labels), 3).float() * 4

    seen = judged("classification", outputs)
    labels = split_of("classification").validation.labels
    share = float((labels == 0).double().mean())
    likelihood = math.exp(4) / (math.exp(4) + 2)
    assert seen.accuracy == pytest.approx(100 * share)
    assert seen.measured["balanced_accuracy"] == pytest.approx(100 / 3, rel=1e-5)
    assert seen.measured["macro_f1"] == pytest.approx(2 * share / (1 + share) / 3, rel=1e-5)
    assert seen.measured["auroc"] == pytest.approx(0.5)
    assert seen.measured["ece"] == pytest.approx(abs(likelihood - share), rel=1e-4)
    assert "top5" not in seen.measured


@needs_torchmetrics
def test_metrics_of_several_labels_are_1_where_all_are_told_right():
    seen = judged("multilabel", lambda split: split.validation.labels * 8 - 4)
    assert seen.measured == {"mean_average_precision": 1.0, "macro_f1": 1.0, "auroc": 1.0}


@needs_torchmetrics
@pytest.mark.parametrize("task", TASKS)
def test_a_problem_aims_at_the_metric_of_its_data(task):
    from naslab.space import SearchSpace

    problem = make_problem(SearchSpace(SPACE, "own"), given(task), None, (), None)
    assert [goal.metric for goal in problem.objectives] == [TASKS[task].main.name, MACS.name]
    assert problem.space.template["input"] == [2, 8, 8]


@needs_torchmetrics
@pytest.mark.parametrize(
    ("task", "options", "error", "rule"),
    [
        (
            "regression",
            {"objectives": ["accuracy"]},
            StudyError,
            "accuracy is not measured on numbers .regression.: there are mae",
        ),
        ("classification", {"objectives": ["top5"]}, StudyError, "top5 is 100 % with 3 classes"),
        (
            "regression",
            {"recipe": Recipe(class_weights="balanced")},
            SpecError,
            "class_weights: balanced is for classes",
        ),
        (
            "multilabel",
            {"recipe": Recipe(sampler="balanced")},
            SpecError,
            "sampler: balanced is for one label an image",
        ),
        ("classification", {"recipe": Recipe(hue=0.1)}, SpecError, "hue: is for 8-bit images of 1 or 3 channels"),
    ],
)
def test_what_does_not_fit_the_data_is_refused_before_the_first_trial(task, options, error, rule):
    from naslab.space import SearchSpace

    options = {"objectives": None, "recipe": None} | options
    with pytest.raises(error, match=rule):
        make_problem(SearchSpace(SPACE, "own"), given(task), options["objectives"], (), options["recipe"])


def test_what_torchmetrics_would_measure_names_the_extra(monkeypatch):
    from naslab.space import SearchSpace
    from naslab.training.datasets import fitting

    monkeypatch.setattr(fitting, "has_torchmetrics", lambda: False)
    with pytest.raises(naslab.NaslabError, match=r"needs torchmetrics: pip install 'naslab\[metrics\]'"):
        make_problem(SearchSpace(SPACE, "own"), given("regression"), None, (), None)


def test_an_epoch_without_other_metrics_is_written_as_before():
    from naslab.study.outcome import EpochRecord

    assert "values" not in msgspec.to_builtins(EpochRecord(1, 0.5, 0.6, 70.0, 2.0))


@needs_torchmetrics
def test_a_search_and_a_training_on_numbers(tmp_path):
    from naslab.space import SearchSpace

    study = naslab.search(
        SearchSpace(SPACE, "own"),
        dataset=given("regression"),
        trials=2,
        epochs=2,
        workers=1,
        ledger=tmp_path / "l.db",
        study="own",
    )
    assert all({"mae", "rmse", "r2"} <= set(each.estimate.measured) for each in study.outcomes)
    trained = naslab.train("own:best", epochs=2, ledger=tmp_path / "l.db", device="cpu")
    assert math.isnan(trained.result.test_accuracy)
    assert set(trained.result.test_metrics) == {"mae", "rmse", "r2"}
    assert trained.facts.task == "regression"
    assert trained.facts.target_scale == trained.result.target_scale
    assert len(trained.facts.target_scale) == trained.arch.num_classes
    assert not [name for name in trained.facts.metrics if "accuracy" in name]


def test_outputs_of_a_regression_are_given_in_the_units_of_its_targets():
    arch = naslab.model("lenet5", num_classes=2)
    facts = Facts(name="a", arch=arch, task="regression", target_scale=((10.0, 2.0), (-1.0, 0.5)))
    standardised = np.array([1.5, -2.0], np.float32)
    assert [each.value for each in outputs_of(facts, standardised, 5)] == [13.0, -2.0]
    assert "TARGET_SCALE = ((10.0, 2.0), (-1.0, 0.5))" in source_of(arch, facts, "A network.")


def test_estimators_of_classes_are_refused_for_other_tasks():
    from naslab.space import SearchSpace

    with pytest.raises(StudyError, match="the estimator of naswot ranks networks by one label an image"):
        make_problem(SearchSpace(SPACE, "own"), given("multilabel"), None, (), None, score="naswot")
