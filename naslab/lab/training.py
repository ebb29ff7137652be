"""Training one network to the end, and writing it as files that need no naslab.

trained = naslab.train("mystudy:best", epochs=60)
print(trained.result.test_accuracy)
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from naslab.arch import ArchSpec
from naslab.arguments import flag, function, optional, path, takes, text
from naslab.atomic_write import atomic_write, require_writable
from naslab.errors import DataError
from naslab.lab.models import COUNT, FOLDER, LEDGER, MODEL, NAME, RECIPE, SEED, AnyModel, Model, find_model
from naslab.lab.reading import open_study
from naslab.study.data_choice import OWN_DATA, DataChoice
from naslab.study.outcome import EpochRecord
from naslab.study.recipe import Recipe
from naslab.training.datasets.info import DATASETS, dataset_info
from naslab.training.recipe_files import find_recipe

if TYPE_CHECKING:
    from naslab.training.fit import FitResult


class Trained(msgspec.Struct, frozen=True):
    """A network trained to the end: what was trained, on what, how, and how well it does on the test set."""

    arch: ArchSpec
    dataset: str
    recipe: Recipe
    result: FitResult


@takes(
    model=MODEL,
    dataset=NAME,
    epochs=COUNT,
    recipe=RECIPE,
    seed=SEED,
    device=text("a torch device, or auto"),
    use_validation=flag(),
    start_from=optional(path("a file of weights")),
    save_to=optional(path("a file to write")),
    ledger=LEDGER,
    data_dir=FOLDER,
    report=function(),
)
def train(
    model: AnyModel,
    *,
    dataset: str | None = None,
    epochs: int = 20,
    recipe: Recipe | str | Path | None = "full",
    seed: int = 0,
    device: str = "auto",
    use_validation: bool = False,
    start_from: str | Path | None = None,
    save_to: str | Path | None = None,
    ledger: str | Path = "naslab.db",
    data_dir: str | Path | None = None,
    report: Callable[[EpochRecord], None] = lambda _: None,
) -> Trained:
    """Train one network and read the test set once, at the end; its channels and classes follow the data set.

    `model` (what `naslab.find_model` finds a network by, or one) is trained on `dataset` for `epochs` epochs with
    `recipe` (a recipe, its name or its file); a network of a study of `ledger` is trained on the study's data unless
    another set is named. With `use_validation` the validation images are trained on, too. `start_from` are weights to
    begin with, `save_to` takes the trained ones as safetensors. `report` is called with every epoch. Raises
    `NaslabError` for data, weights or a device that do not fit.

    >>> import naslab
    >>> trained = naslab.train("mystudy:best", epochs=60)  # doctest: +SKIP
    >>> trained.result.test_accuracy  # doctest: +SKIP
    """
    from naslab.training.fit import fit_and_test

    found = find_model(model, ledger)
    choice = data_of(found, dataset, ledger)
    facts = dataset_info(choice.name)
    arch = msgspec.structs.replace(
        found.arch, input=(facts.channels, *found.arch.input[1:]), num_classes=facts.num_classes
    )
    how = recipe if isinstance(recipe, Recipe) else find_recipe(recipe or "full", choice.name)
    result = fit_and_test(
        arch,
        choice,
        how,
        epochs,
        seed=seed,
        data_dir=data_dir,
        device=device,
        use_validation=use_validation,
        start_from=start_from,
        save_to=save_to,
        report=report,
    )
    return Trained(arch, choice.name, how, result)


def data_of(model: Model, dataset: str | None, ledger: str | Path) -> DataChoice:
    """The data to train `model` on: `dataset`, else that of its study in `ledger`. Raises `DataError` without one."""
    if dataset is not None:
        dataset_info(dataset)
        return DataChoice(name=dataset)
    if model.study is None:
        raise DataError(f"say what to train {model.name} on: --dataset {', '.join(DATASETS)} or image_folder:PATH")
    data = open_study(model.study, ledger).problem.data
    if data.name == OWN_DATA:
        raise DataError(f"study '{model.study}' has {OWN_DATA}: say what to train {model.name} on, as --dataset digits")
    return data


def export_network(
    arch: ArchSpec, path: Path, title: str, onnx: Path | None = None, weights: Path | None = None
) -> list[Path]:
    """Write `arch` as a Python file that needs torch alone, and as the file `onnx` if asked for; the files written.

    `title` opens the Python file; `weights` is a safetensors file that the ONNX network takes its weights from, by
    default fresh ones.
    """
    from naslab.arch.build import build
    from naslab.arch.source import network_source
    from naslab.training.onnx_file import write_onnx
    from naslab.training.weights import load_weights

    module = build(arch, seed=0)
    source = network_source(module, title)
    require_writable(path)
    if onnx is not None:  # comes first: what it refuses leaves no file behind
        if weights is not None:
            load_weights(module, weights)
        write_onnx(module, arch.input, onnx)
    atomic_write(path, source)
    return [path] if onnx is None else [path, onnx]
