"""Measuring from names: a network in a target.

naslab.measure("trained", "onnxruntime-int8").latency_ms
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from naslab.arguments import flag, number, optional, takes, text
from naslab.errors import DataError, NaslabError, counted
from naslab.lab.models import (
    COUNT,
    DATASET,
    FOLDER,
    LEDGER,
    MODEL,
    RESOLUTION,
    AnyModel,
    AnyResolution,
    Model,
    find_model,
)
from naslab.lab.packages import VALIDATION_ACCURACY
from naslab.lab.training import data_of
from naslab.study.data_choice import DataChoice
from naslab.targets.measuring import MOST_SPREAD, measure_deployed
from naslab.targets.target import Deployed, parse_target, require_target
from naslab.training.datasets.given import Data
from naslab.training.datasets.info import facts_of

if TYPE_CHECKING:
    from naslab.targets.accuracy import DeployedAccuracy
    from naslab.targets.measuring import Measured
    from naslab.targets.target import Target


@takes(
    model=MODEL,
    target=text("the name of a target"),
    threads=COUNT,
    batch=COUNT,
    most_spread=optional(number(least=0)),
    resolution=RESOLUTION,
    dataset=DATASET,
    data_dir=FOLDER,
    accuracy=flag(),
    ledger=LEDGER,
)
def measure(
    model: AnyModel,
    target: str = "torch",
    *,
    threads: int = 1,
    batch: int = 1,
    most_spread: float | None = None,
    resolution: AnyResolution | None = None,
    dataset: str | DataChoice | Data | None = None,
    data_dir: str | Path | None = None,
    accuracy: bool = True,
    ledger: str | Path = "naslab.db",
) -> Measured:
    """Latency, size and memory of a network in a target, in a process of its own on cores of its own; its accuracy.

    `model` is a network, or what `find_model` finds one by in `ledger`, at another `resolution` (height, width) where
    asked; one without weights has fresh ones. `target` is a runtime with its precision (`torch`, `onnxruntime-int8`,
    ..., `table:FILE`, `command:...`), on `threads` CPU threads with a `batch` of images. A measurement whose
    interquartile range is above `most_spread` of its median, by default a quarter, is refused.

    Of a trained network that tells classes apart the `accuracy` as it runs there is told, too, in a target that images
    go through here: over the validation images of `dataset`, by default those that it was trained with, in `data_dir`,
    and over the test images where it was trained on those; 8 bits are calibrated on training images. Where the data
    that it was trained with are not there any more, `accuracy_on` says so. Raises
    `NaslabError` for a spread, for a target that is not there or cannot run the network, and for data that are not
    there or do not fit it.

    >>> import naslab
    >>> naslab.measure("mobilenet_v3_small", "torch").latency_ms  # doctest: +SKIP
    """
    chosen = parse_target(target, threads, batch)
    found = find_model(model, ledger, resolution)
    judged = None
    if accuracy and (dataset is not None or _is_judged(found, chosen)):
        require_target(chosen)
        judged = _accuracy(found, chosen, dataset, ledger, data_dir)
    facts = None if found.facts is None else found.facts.of(found.arch)
    weights = None if found.weights is None else str(found.weights)
    deployed = Deployed(found.name, found.arch, facts, weights)
    seen = measure_deployed(deployed, chosen, MOST_SPREAD if most_spread is None else most_spread)
    if judged is None:
        return seen
    answer, told = judged
    if answer is None:
        return msgspec.structs.replace(seen, accuracy_on=told)
    return msgspec.structs.replace(
        seen,
        accuracy=answer.accuracy,
        accuracy_sem=answer.sem,
        accuracy_on=told,
        num_images=answer.num_images,
        num_calibration=answer.num_calibration,
    )


def _is_judged(found: Model, target: Target) -> bool:
    """Whether the accuracy of a network in `target` can be told without being asked for data."""
    facts = found.facts
    return target.row.is_timed and facts is not None and facts.data is not None and facts.task == "classification"


def _accuracy(
    found: Model,
    target: Target,
    dataset: str | DataChoice | Data | None,
    ledger: str | Path,
    data_dir: str | Path | None,
) -> tuple[DeployedAccuracy | None, str]:
    """The accuracy of a trained network in a target, and the images that it is of, or why there is none."""
    from naslab.package.predict import known_preprocessing
    from naslab.targets.accuracy import deployed_accuracy
    from naslab.training.data import load_dataset, load_test_set

    facts = found.facts
    if facts is None or found.weights is None:
        raise DataError(f"{found.name} is not trained, so it has no accuracy: leave the dataset out, or train it first")
    how = known_preprocessing(facts)
    try:
        choice = data_of(found, dataset, ledger, data_dir)
    except NaslabError as error:
        if dataset is not None:
            raise
        return None, f"no images: {error}"
    info = facts_of(choice, data_dir)
    if info.task != "classification" or facts.task != "classification":
        raise DataError(
            f"accuracies are of one label an image, {choice.name} is for {info.task}: leave the dataset out"
        )
    if (info.channels, info.num_classes) != (found.arch.input[0], found.arch.num_classes):
        raise DataError(
            f"{found.name} takes {counted(found.arch.input[0], 'channel')} and tells "
            f"{counted(found.arch.num_classes, 'class', 'classes')} apart, "
            f"{choice.name} has {info.channels} and {info.num_classes}: name the data set that it is for"
        )
    split = load_dataset(choice, data_dir)
    part = "validation"
    if VALIDATION_ACCURACY not in facts.metrics:  # they were trained on
        part, split = "test", split._replace(validation=load_test_set(choice, data_dir))
    sized = msgspec.structs.replace(how, height=info.height, width=info.width)
    facts = msgspec.structs.replace(facts.of(found.arch), preprocessing=sized)
    deployed = Deployed(found.name, found.arch, facts, str(found.weights))
    return deployed_accuracy(deployed, split, target), f"{part} images of {choice.name}"
