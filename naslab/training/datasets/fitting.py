"""What must fit a data set before the first trial: objectives, recipe and split."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from naslab.errors import DataError, SpecError, StudyError, counted
from naslab.metrics import ACCURACY, TOP5_ACCURACY, Metric
from naslab.study.data_choice import DataChoice
from naslab.study.recipe import Recipe
from naslab.study.task import TASKS
from naslab.training.datasets.dataset_readers import is_from_outside
from naslab.training.datasets.facts import DataFacts
from naslab.training.datasets.image_folder import is_files, open_files
from naslab.training.datasets.info import facts_of
from naslab.training.datasets.labels import strata
from naslab.training.datasets.read import read_choice
from naslab.training.datasets.split import split_indices

FEW = 5
"""Classes from which on the accuracy among the five likeliest says something: more than these."""


def has_torchmetrics() -> bool:
    """Whether torchmetrics is installed."""
    return find_spec("torchmetrics") is not None


def require_torchmetrics(what: str) -> None:
    """Raise `DataError` unless torchmetrics is installed, which is needed for `what`."""
    if not has_torchmetrics():
        raise DataError(f"{what} needs torchmetrics: pip install 'naslab[metrics]'")


def require_of_task(row: Metric, facts: DataFacts) -> None:
    """Raise `StudyError` unless evaluation on the data measures a metric."""
    measured = TASKS[facts.task].measured
    if row not in measured:
        told = ", ".join(each.name for each in measured)
        raise StudyError(f"{row.name} is not measured on {TASKS[facts.task].words} ({facts.task}): there are {told}")
    if row == TOP5_ACCURACY and facts.num_classes <= FEW:
        raise StudyError(f"{row.name} is 100 % with {counted(facts.num_classes, 'class', 'classes')}: leave it out")
    if row is not ACCURACY:
        require_torchmetrics(f"measuring {row.name}")


def require_measurable(facts: DataFacts, name: str) -> None:
    """Raise `DataError` where the task of the data set `name` is measured by what is not installed."""
    if facts.task != "classification":
        require_torchmetrics(f"{name} has {TASKS[facts.task].words} ({facts.task}), which")


def require_recipe_fits(recipe: Recipe, facts: DataFacts, name: str) -> None:
    """Raise `SpecError` where a recipe changes colours that the images of the data set `name` have not.

    And where it weighs or balances classes of data that have none.
    """
    policies = {
        "auto_augment": recipe.auto_augment is not None,
        "rand_augment": recipe.rand_augment > 0,
        **{field: bool(getattr(recipe, field)) for field in ("brightness", "contrast", "saturation", "hue")},
    }
    used = [field for field, is_used in policies.items() if is_used]
    if used and (facts.value_bytes > 1 or facts.channels not in (1, 3)):
        kind = "floating-point" if facts.value_bytes > 1 else "8-bit"
        raise SpecError(
            used[0],
            f"is for 8-bit images of 1 or 3 channels, those of {name} are {kind} with {facts.channels}; leave it out",
        )
    if facts.task != "classification" and recipe.sampler == "balanced":
        raise SpecError("sampler", f"balanced is for one label an image, {name} has {TASKS[facts.task].words}")
    if facts.task == "regression" and recipe.class_weights == "balanced":
        raise SpecError("class_weights", f"balanced is for classes and labels, {name} has {TASKS[facts.task].words}")


def require_split(choice: DataChoice, data_dir: str | Path | None = None) -> None:
    """Raise `DataError` where the data of a choice from elsewhere are too few for the split into two parts."""
    if is_files(choice.name):
        labels = open_files(choice).parts["train"].labels
    elif is_from_outside(choice.name):
        labels = read_choice(choice, "train", None if data_dir is None else Path(data_dir)).labels
    else:
        return
    facts = facts_of(choice, data_dir)
    if len(labels) < 2:
        raise DataError(
            f"{choice.name} has {counted(len(labels), 'training image')}: at least 2 are needed, one to validate on"
        )
    if not (facts.has_validation and choice.own_validation):
        split_indices(strata(labels, facts.task), choice.validation_fraction, 0)
