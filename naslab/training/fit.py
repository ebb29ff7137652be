"""Training one network to the end, and the one reading of the test set."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import torch
from torch import Tensor, nn

from naslab.arch.build import build
from naslab.arch.spec import ArchSpec
from naslab.errors import DataError, SpecError, counted
from naslab.study.data_choice import DataChoice
from naslab.study.outcome import EpochRecord
from naslab.study.recipe import Recipe
from naslab.training.augment import Normaliser
from naslab.training.data import DataSplit, load_dataset, load_test_set, with_validation
from naslab.training.datasets.fitting import has_torchmetrics
from naslab.training.evaluation import scoring_of
from naslab.training.fake_quantising import full_precision, quantise_in_training
from naslab.training.fidelity import with_heads, without_heads
from naslab.training.halving import halving_notes, train_within_memory
from naslab.training.loop import Clock, evaluate, train
from naslab.training.probe import keeps_features, train_on_features
from naslab.training.scores import measurable
from naslab.training.weights import load_weights, save_weights

RANGE_IMAGES, RANGE_BATCH = 128, 32
"""Training images by which the ranges of 8 bits begin."""


class Beginning(NamedTuple):
    """Where a training begins: `weights` by the names of the network's tensors, those that are missing are fresh.

    `mean` and `deviation` of each channel, in values from 0 to 255, take the place of those of the training images;
    empty where these stay.
    """

    weights: Mapping[str, Tensor]
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()

    def normalised(self, split: DataSplit) -> DataSplit:
        """The data with these statistics; as they are where there are none."""
        if not self.mean:
            return split
        mean, deviation = (torch.tensor(each).to(split.mean) for each in (self.mean, self.deviation))
        return split._replace(mean=mean, deviation=deviation)


class FitResult(msgspec.Struct, frozen=True, kw_only=True):
    """A trained network: its test accuracy in per cent with the binomial standard error, and its learning curve.

    Of other tasks than one label an image the accuracy is not a number. `test_metrics` are the other metrics of the
    data's task on the test images, where torchmetrics is installed.

    Where the validation images were trained on, the curve's validation values are those of images seen in training.
    `notes` say what the batch size became where memory ran out, and why steps were not recorded that should have been.
    `mean` and `deviation` are those of each channel by which images were normalised, in values from 0 to 255;
    `num_validation_images` is how many validated, 0 where they were trained on; `target_scale` is the mean and the
    deviation of each target of a regression, by which its outputs are standardised.
    """

    test_accuracy: float
    test_accuracy_sem: float
    test_loss: float
    num_test_images: int
    curve: tuple[EpochRecord, ...]
    wall_seconds: float
    device: str
    weights_sha256: str = ""
    notes: dict[str, Any] = {}
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    num_validation_images: int = 0
    test_metrics: dict[str, float] = {}
    target_scale: tuple[tuple[float, float], ...] = ()


def fit_and_test(
    arch: ArchSpec,
    choice: DataChoice,
    recipe: Recipe,
    epochs: int,
    *,
    seed: int = 0,
    data_dir: Path | str | None = None,
    device: torch.device | str = "cpu",
    use_validation: bool = False,
    start_from: Path | str | None = None,
    beginning: Beginning | None = None,
    is_quantised: bool = False,
    save_to: Path | str | None = None,
    report: Callable[[EpochRecord], None] = lambda _: None,
) -> FitResult:
    """Train the network of `arch` by `recipe` for `epochs` on the data of `choice`, then read the test set once.

    `use_validation` trains on the validation images too; `start_from` is a safetensors file of weights to begin with,
    `beginning` are such weights with the statistics that images are normalised by for them, `save_to` is a file that
    the weights are written to. Where `is_quantised` the network is trained, and validated, as it computes in 8 bits
    (`fake_quantising`); the weights that are written and tested are in full precision. `report` takes each epoch as it
    ends. Auxiliary heads are trained, but not written; the test images are looked at in the recipe's `test_views`. A
    classifier that is trained alone, on images that are the same in every epoch, is trained on features that are
    computed once. Where memory runs out, training starts again with half of the batch and of the learning rate.

    Raises `SpecError` where the recipe's `stop_patience` or `plateau` needs validation images and `use_validation`
    leaves none, `DataError` for data or weights that are missing or do not fit the network, `DeviceError` for a device
    that is not there, `DivergedError` for a training that diverges.
    """
    if use_validation and recipe.stop_patience is not None:
        raise SpecError("stop_patience", "needs validation images that are not trained on; leave one of both out")
    if use_validation and recipe.schedule == "plateau":
        raise SpecError("schedule", "plateau needs validation images that are not trained on; leave one of both out")
    clock = Clock.start()
    split = load_dataset(choice, data_dir, device)
    require_fit(arch, split)
    if beginning is not None:
        split = beginning.normalised(split)
    size = arch.input[1:]
    seen = with_validation(split) if use_validation else split
    curve: tuple[EpochRecord, ...] = ()
    remarks: dict[str, Any] = {}

    def make() -> nn.Module:
        network = build(arch, seed)
        if start_from is not None:
            load_weights(network, start_from)
        elif beginning is not None:
            network.load_state_dict(network.state_dict() | dict(beginning.weights))
        made = with_heads(network, arch, seed)
        if is_quantised:
            quantise_in_training(made.to(split.train.labels.device), _first_images(split, size))
        return made

    def fit(module: nn.Module, how: Recipe) -> None:
        nonlocal curve
        remarks.clear()
        fitted = train_on_features if keeps_features(module, how) else train
        curve = fitted(
            module, seen, how, epochs, size=size, seed=seed, clock=clock, report=report, remark=remarks.__setitem__
        )

    trained, used = train_within_memory(make, fit, recipe, len(seen.train))
    module = without_heads(_in_full_precision(trained, arch) if is_quantised else trained, arch)
    digest = "" if save_to is None else save_weights(module, save_to)
    images = load_test_set(choice, data_dir, device)
    judged = scoring_of(split, measurable(split) if has_torchmetrics() else ())
    test = evaluate(module, images, Normaliser(split, size), used, recipe.test_views, *((judged,) if judged else ()))
    is_classes = split.task == "classification"
    return FitResult(
        test_accuracy=test.accuracy if is_classes else math.nan,
        test_accuracy_sem=test.accuracy_sem if is_classes else math.nan,
        test_metrics=test.measured,
        target_scale=target_scale(split),
        test_loss=test.loss,
        num_test_images=test.num_images,
        curve=curve,
        wall_seconds=clock.elapsed,
        device=device_name(split.train.labels.device),
        weights_sha256=digest,
        notes=halving_notes(recipe, used, len(seen.train)) | remarks,
        mean=tuple(split.mean.tolist()),
        deviation=tuple(split.deviation.tolist()),
        num_validation_images=0 if use_validation else len(split.validation),
    )


def _first_images(split: DataSplit, size: tuple[int, int]) -> Iterator[Tensor]:
    """Some training images as a network of `size` (height, width) takes them, from the whole of the set."""
    count = min(RANGE_IMAGES, len(split.train))
    places = torch.linspace(0, len(split.train) - 1, count, device=split.train.labels.device).long()
    normalise = Normaliser(split, size)
    for pixels, _ in split.train.batches(torch.split(places, RANGE_BATCH)):
        yield normalise(pixels)


def _in_full_precision(module: nn.Module, arch: ArchSpec) -> nn.Module:
    """The network of `arch`, with auxiliary heads, that has the weights of a quantised `module`, without quantisers."""
    plain = build(arch, seed=0, auxiliary=bool(arch.auxiliary))
    plain.load_state_dict(full_precision(module.state_dict()))
    return plain.to(next(module.parameters()).device).to(memory_format=torch.channels_last)


def require_fit(arch: ArchSpec, data: DataSplit) -> None:
    """Raise `DataError` unless a network takes the data's channels and tells its classes apart.

    Its height and width may differ: images are resized to them.
    """
    channels = data.train.channels
    if arch.input[0] != channels:
        raise DataError(f"the network takes {counted(arch.input[0], 'channel')}, the images have {channels}")
    if data.task != "classification" and arch.num_classes != data.num_classes:
        raise DataError(f"the network gives {arch.num_classes} numbers, the data have {data.num_classes} ({data.task})")
    if arch.num_classes < data.num_classes:
        raise DataError(
            f"the network has {counted(arch.num_classes, 'class', 'classes')}, the data have {data.num_classes}"
        )


def target_scale(data: DataSplit) -> tuple[tuple[float, float], ...]:
    """(mean, deviation) of each target of a regression; empty for other tasks."""
    if data.targets is None:
        return ()
    return tuple(zip(data.targets.mean.tolist(), data.targets.deviation.tolist(), strict=True))


def device_name(device: torch.device) -> str:
    """`cpu`, or a GPU's device and model: `cuda:0 (NVIDIA H200)`."""
    if device.type != "cuda":
        return device.type
    return f"{device} ({torch.cuda.get_device_name(device)})"
