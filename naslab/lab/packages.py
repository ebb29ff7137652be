"""What is known of networks that leave naslab, and the files that they leave as.

naslab.export("mystudy:best", "best.py", dataset="cifar10")
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from naslab import provenance
from naslab.arch import ArchSpec
from naslab.atomic_write import atomic_write, require_writable
from naslab.errors import DataError, SpecError, StudyError, counted
from naslab.lab.models import Model
from naslab.lab.reading import open_study, pareto_front
from naslab.metrics import ACCURACY
from naslab.package.facts import NO_LICENCE, WEIGHTS_FILE, Facts, FrontEntry, Measurement, Preprocessing, header
from naslab.passwords import holds_password
from naslab.study.data_choice import OWN_DATA, DataChoice
from naslab.study.recipe import Recipe
from naslab.training.datasets.class_names import class_names, content_fingerprint
from naslab.training.datasets.facts import DataFacts
from naslab.training.datasets.info import facts_of

if TYPE_CHECKING:
    from naslab.training.fit import FitResult
    from naslab.training.onnx_file import OnnxOptions

MOST_OF_A_FRONT = 100
"""Networks of a front that the facts hold, those of the first objective's best end."""
VALIDATION_ACCURACY = "validation_accuracy"
"""Among the metrics of a network that was not trained on the validation images of its data."""
PACKAGES = ("onnx", "onnxruntime", "safetensors")
"""What else may have a part in an exported file."""


class Training(NamedTuple):
    """How a network was trained: on what, by which `recipe`, for how many `epochs`, from which `seed`, to what end."""

    data: DataChoice
    recipe: Recipe
    epochs: int
    seed: int
    result: FitResult


def require_shareable(licence: str | None) -> None:
    """Raise `SpecError` for a licence line that holds an address with a password: it stands in every file."""
    if licence is not None and holds_password(licence):
        raise SpecError("licence", "holds an address with a password, and stands in every exported file: leave it out")


def facts_of_training(
    model: Model,
    arch: ArchSpec,
    training: Training,
    ledger: str | Path,
    data_dir: str | Path | None = None,
    licence: str | None = None,
) -> Facts:
    """What is known of a network that was trained: `arch`, which is `model` with the channels and classes of the data.

    `training` says how, `ledger` holds the model's study, `data_dir` the data, and `licence` is what others may do with
    the weights.
    """
    from naslab.training.evaluation import accuracy_sem

    result = training.result
    metrics = {
        "test_accuracy": Measurement(result.test_accuracy, result.test_accuracy_sem, result.num_test_images),
        "test_loss": Measurement(result.test_loss, None, result.num_test_images),
    }
    for name, value in result.test_metrics.items():
        metrics[f"test_{name}"] = Measurement(value, None, result.num_test_images)
    is_classes = math.isfinite(result.test_accuracy)
    if not is_classes:
        del metrics["test_accuracy"]
    if is_classes and result.num_validation_images and result.curve:
        last, count = result.curve[-1].validation_accuracy, result.num_validation_images
        metrics[VALIDATION_ACCURACY] = Measurement(last, accuracy_sem(last, count), count)
    folder = None if data_dir is None else Path(data_dir)
    known = facts_of(training.data, folder)
    return Facts(
        name=model.name,
        arch=arch,
        task=known.task,
        class_names=class_names(training.data, folder),
        target_scale=result.target_scale,
        preprocessing=_preprocessing(known, result.mean, result.deviation),
        metrics=metrics,
        data=training.data,
        fingerprint=content_fingerprint(training.data, folder),
        recipe=training.recipe,
        epochs=training.epochs,
        seed=training.seed,
        versions=provenance.installed_versions(*PACKAGES),
        licence=licence or NO_LICENCE,
        study=model.study,
        trial=model.trial,
        front=front_of(model, ledger),
    )


def facts_of_model(
    model: Model, dataset: str | None, ledger: str | Path, data_dir: str | None = None, licence: str | None = None
) -> Facts:
    """What is known of `model` when it is exported: of a package its facts, else those of its data.

    The data are those of `dataset`, by default those of the model's study in `ledger`; they are looked for in
    `data_dir`. Without either, and where an estimator brought its own, there is no preprocessing. `licence` is what
    others may do with the network. Raises `DataError` where the data do not fit the network, `SpecError` for a licence
    that holds a password.
    """
    require_shareable(licence)
    if model.facts is not None:
        own = model.facts.of(model.arch)
        return own if licence is None else msgspec.structs.replace(own, licence=licence)
    facts = Facts(
        name=model.name,
        arch=model.arch,
        versions=provenance.installed_versions(*PACKAGES),
        study=model.study,
        trial=model.trial,
        licence=licence or NO_LICENCE,
    )
    folder = None if data_dir is None else Path(data_dir)
    choice = DataChoice(name=dataset) if dataset is not None else None
    if choice is None and model.study is not None:
        choice = open_study(model.study, ledger).problem.data
    if choice is None or choice.name == OWN_DATA:
        return facts
    info = facts_of(choice, folder)
    if (info.channels, info.num_classes) != (model.arch.input[0], model.arch.num_classes):
        raise DataError(
            f"{model.name} takes {counted(model.arch.input[0], 'channel')} and tells "
            f"{counted(model.arch.num_classes, 'class', 'classes')} apart, "
            f"{choice.name} has {info.channels} and {info.num_classes}: name the data set that it is for"
        )
    from naslab.training.data import load_dataset
    from naslab.training.fit import target_scale

    split = load_dataset(choice, data_dir)
    return msgspec.structs.replace(
        facts,
        task=info.task,
        class_names=class_names(choice, folder),
        target_scale=target_scale(split),
        preprocessing=_preprocessing(info, tuple(split.mean.tolist()), tuple(split.deviation.tolist())),
        data=choice,
        fingerprint=content_fingerprint(choice, folder),
        front=front_of(model, ledger),
    )


def front_of(model: Model, ledger: str | Path) -> tuple[FrontEntry, ...]:
    """The Pareto front of the study of a model in `ledger`; empty where it comes from none."""
    if model.study is None:
        return ()
    try:
        table = pareto_front(open_study(model.study, ledger))
    except StudyError:
        return ()
    names = [goal.metric for goal in table.objectives]
    entries = (FrontEntry(point.trial, {name: point.value(name) for name in names}) for point in table.front)
    return tuple(sorted(entries, key=lambda entry: -entry.values.get(ACCURACY.name, 0.0))[:MOST_OF_A_FRONT])


def export_network(
    arch: ArchSpec,
    path: Path,
    title: str,
    onnx: Path | None = None,
    weights: Path | None = None,
    facts: Facts | None = None,
    is_bare: bool = False,
    options: OnnxOptions | None = None,
) -> list[Path]:
    """Write `arch` as a Python file that needs torch alone, and as the file `onnx` if asked for; the files written.

    `title` opens the Python file; `weights` is a safetensors file that the ONNX network takes its weights from, by
    default fresh ones. With `facts` that say how, both take images as they are, unless `is_bare`; the ONNX file holds
    the facts, and is written by `options`. What cannot be written as ONNX is refused before either file is.
    """
    from naslab.package.folder import source_of

    require_writable(path)
    source = source_of(arch, facts, title, is_bare)
    if onnx is not None:
        write_onnx_network(arch, onnx, weights, facts, is_bare, options)
    atomic_write(path, source)
    return [path] if onnx is None else [path, onnx]


def export_folder(
    folder: Path,
    facts: Facts,
    weights: Path | None,
    title: str,
    onnx: Path | None = None,
    is_bare: bool = False,
    options: OnnxOptions | None = None,
) -> list[Path]:
    """Write `facts` with a copy of the `weights`, description and code into `folder`; the files written.

    `title`, `onnx`, `is_bare` and `options` are those of `export_network`, and so is what is refused before anything is
    written. Raises `DataError` where there are no weights, or they are those of another network.
    """
    from naslab.arch.build import build
    from naslab.package.folder import PACKAGE_FILES, copy_weights, write_package
    from naslab.training.weights import load_weights

    if weights is None:
        raise DataError(f"the folder {folder} needs weights: name a MODEL that naslab train wrote, --weights, or a .py")
    load_weights(build(facts.arch), weights)
    if onnx is not None:
        write_onnx_network(facts.arch, onnx, weights, facts, is_bare, options)
    copy_weights(weights, folder / WEIGHTS_FILE, facts)
    write_package(folder, facts, title, is_bare)
    return [*(folder / name for name in PACKAGE_FILES), *([onnx] if onnx is not None else [])]


def write_onnx_network(
    arch: ArchSpec,
    path: Path,
    weights: Path | None,
    facts: Facts | None = None,
    is_bare: bool = False,
    options: OnnxOptions | None = None,
) -> None:
    """Write `arch` as one ONNX file, with fresh weights where there are no `weights`.

    `facts`, `is_bare` and `options` are those of `export_network`.
    """
    from naslab.package.predict import NORMALISATION
    from naslab.package.prepared import packaged_module
    from naslab.training.onnx_file import write_onnx
    from naslab.training.weights import load_weights

    preprocessing = facts.preprocessing if facts is not None else None
    module = packaged_module(arch, preprocessing, is_bare)
    if weights is not None:
        load_weights(module, weights)
    is_inside = preprocessing is not None and not is_bare
    shape = (arch.input[0], *preprocessing.size) if preprocessing is not None and is_inside else arch.input
    told = {} if facts is None else header(facts) | {NORMALISATION: "inside" if is_inside else "outside"}
    write_onnx(module, shape, path, told, options)


def _preprocessing(data: DataFacts, mean: tuple[float, ...], deviation: tuple[float, ...]) -> Preprocessing:
    return Preprocessing(
        height=data.height,
        width=data.width,
        channels=data.channels,
        mean=mean,
        deviation=deviation,
        is_float=data.value_bytes > 1,
    )


def require_other_folder(folder: Path, *sources: str | Path | None) -> None:
    """Raise `StudyError` where one of the `sources` of weights is `folder` or lies in it: it would be overwritten."""
    for each in sources:
        if each is None or not Path(each).exists():
            continue
        source = Path(each).resolve()
        if folder.resolve() in (source, source.parent):
            raise StudyError(
                f"{folder} holds the weights that this begins with, which it would overwrite: name another folder, as "
                f"--out {folder}-new"
            )


def weights_digest(name: str, source: str | Path | None) -> dict[str, str]:
    """The SHA-256 of a file of weights, or of that in a trained folder, under a `name`; nothing for other sources."""
    if source is None:
        return {}
    path = Path(source) / WEIGHTS_FILE if Path(source).is_dir() else Path(source)
    return {name: hashlib.sha256(path.read_bytes()).hexdigest()} if path.is_file() else {}
