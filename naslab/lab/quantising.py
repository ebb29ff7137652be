"""Quantisation-aware fine-tuning of a trained network, beside what quantising it after training would have given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import msgspec
from safetensors.torch import load_file

from naslab.arch import ArchSpec
from naslab.arch.build import build
from naslab.errors import DataError, SpecError, counted
from naslab.lab.models import Model
from naslab.package.facts import Facts, header
from naslab.study.data_choice import DataChoice
from naslab.study.recipe import Recipe
from naslab.targets.accuracy import DeployedAccuracy, accuracy_of_module
from naslab.targets.target import parse_target, require_target
from naslab.training.data import load_dataset
from naslab.training.fake_quantising import require_torchao
from naslab.training.fit import Beginning
from naslab.training.weights import load_weights

TARGETS = {"int8": "onnxruntime-int8"}
"""What `quantize` may be, and the target that it is judged in and written for."""
INT8_FILE = "int8.onnx"


class Int8(msgspec.Struct, frozen=True, kw_only=True):
    """Accuracies on the `num_images` validation images in a `target`, in per cent with their standard errors.

    `post_training` is that of the network that training began with, quantised as it was; `accuracy` that of the
    fine-tuned one, and `gain` by how much it is higher. Both were calibrated on `num_calibration` training images.
    `file` is the fine-tuned network in 8 bits, of `size_bytes`, where it was written.
    """

    target: str
    post_training: float
    post_training_sem: float
    accuracy: float
    accuracy_sem: float
    gain: float
    gain_sem: float
    num_images: int
    num_calibration: int
    file: str = ""
    size_bytes: int | None = None


def require_quantisable(
    quantize: str, model: Model, has_weights: bool, task: str, recipe: Recipe, use_validation: bool
) -> None:
    """Raise `SpecError` where `model` cannot be fine-tuned to `quantize`, `NaslabError` where a package is missing.

    `has_weights` says whether there are weights to begin with, `task` what the data tell, `recipe` how it is trained
    and `use_validation` whether validation images are trained on.
    """
    if quantize not in TARGETS:
        raise SpecError("quantize", f"must be {' or '.join(TARGETS)}, got '{quantize}'")
    if not has_weights:
        again = f"naslab train trained --quantize {quantize} --out trained-{quantize}"
        mend = f"naslab train {model.name} --out trained, then {again}"
        raise SpecError("quantize", f"fine-tunes trained weights, {model.name} has none: {mend}; or give --start-from")
    if task != "classification":
        raise SpecError("quantize", f"is for networks that tell classes apart, these data are of {task}: leave it out")
    if use_validation:
        raise SpecError("quantize", "is judged on validation images that are not trained on: leave use_validation out")
    if recipe.tune != "all":
        raise SpecError("quantize", f"trains all of a network, got tune {recipe.tune}: leave one of both out")
    require_torchao()
    require_target(parse_target(TARGETS[quantize]))


def require_same_ends(old: ArchSpec, new: ArchSpec, model: str, dataset: str) -> None:
    """Raise `DataError` where the network `new` has other channels or classes than `old`, whose weights it takes.

    `model` and `dataset` are what the message names.
    """
    before, now = ((each.input[0], each.num_classes) for each in (old, new))
    if before != now:
        raise DataError(
            f"{model} was trained on {counted(before[0], 'channel')} and "
            f"{counted(before[1], 'class', 'classes')}, {dataset} has {now[0]} and "
            f"{now[1]}: adapt it first, by naslab train {model} --pretrained {model} --dataset {dataset} --out adapted"
        )


def weights_of(model: Model) -> Beginning:
    """The weights of a trained `model`, with the statistics that its images are normalised by."""
    assert model.weights is not None
    how = None if model.facts is None else model.facts.preprocessing
    mean, deviation = ((), ()) if how is None else (how.mean, how.deviation)
    return Beginning(load_file(model.weights), mean, deviation)


class PostTraining:
    """A network that is fine-tuned as `quantize` says, quantised as it is before that.

    It is that of `arch` with the weights `start_from`, a file, or those of `beginning`, on the data of `choice` in
    `data_dir`.
    """

    def __init__(
        self,
        quantize: str,
        arch: ArchSpec,
        choice: DataChoice,
        data_dir: str | Path | None,
        start_from: str | Path | None,
        beginning: Beginning | None,
    ) -> None:
        split = load_dataset(choice, data_dir)
        self._split = split if beginning is None else beginning.normalised(split)
        self._arch = arch
        self._target = parse_target(TARGETS[quantize])
        network = build(arch)
        if start_from is not None:
            load_weights(network, start_from)
        elif beginning is not None:
            network.load_state_dict(network.state_dict() | dict(beginning.weights))
        self._before = accuracy_of_module(network.eval(), arch, self._split, self._target)

    def beside(self, weights: Path, facts: Facts, file: Path) -> Int8:
        """What fine-tuning to `weights` gained; the network that has them is written to `file`, with its `facts`."""
        network = build(self._arch)
        load_weights(network, weights)
        metadata: Mapping[str, str] = header(facts)
        after = accuracy_of_module(network.eval(), self._arch, self._split, self._target, keep=(file, metadata))
        return compared(self._target.written, self._before, after, file)


def compared(target: str, before: DeployedAccuracy, after: DeployedAccuracy, file: Path) -> Int8:
    """The accuracies of a network in `target` `before` fine-tuning and `after` it, whose network is in `file`."""
    return Int8(
        target=target,
        post_training=before.accuracy,
        post_training_sem=before.sem,
        accuracy=after.accuracy,
        accuracy_sem=after.sem,
        gain=after.accuracy - before.accuracy,
        gain_sem=math.hypot(before.sem, after.sem),
        num_images=after.num_images,
        num_calibration=after.num_calibration,
        file=file.name,
        size_bytes=file.stat().st_size,
    )
