"""The accuracy of a trained network as it runs in a target, on validation images; 8 bits are calibrated on others."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from naslab.arch import ArchSpec
from naslab.errors import DataError, SpecError
from naslab.package.facts import Facts, Preprocessing
from naslab.targets.exporting import keep_onnx
from naslab.targets.target import Deployed, Target, loaded, require_target
from naslab.training.data import DataSplit
from naslab.training.evaluation import accuracy_sem
from naslab.training.images import Images
from naslab.training.weights import save_weights

CALIBRATION_IMAGES = 256
"""Training images that the ranges of activations are taken from."""
LEAST_CALIBRATION = 32
BATCH = 64


Kept: TypeAlias = tuple[Path, Mapping[str, str]]
"""Where an ONNX file is put, and the texts by name in its metadata."""


class DeployedAccuracy(NamedTuple):
    """The accuracy in per cent over `num_images` images with its standard error.

    `num_calibration` is how many training images 8 bits were chosen on, 0 where there are none of these.
    """

    accuracy: float
    sem: float
    num_images: int
    num_calibration: int


def accuracy_of_module(
    module: nn.Module,
    arch: ArchSpec,
    split: DataSplit,
    target: Target,
    num_calibration: int = CALIBRATION_IMAGES,
    keep: Kept | None = None,
) -> DeployedAccuracy:
    """The accuracy in `target` of a trained `module`, which is that of `arch` and was trained on `split`.

    The file has the normalisation inside. `num_calibration`, `keep` and what is raised are as in `deployed_accuracy`.
    """
    pixels, _ = next(iter(split.train.batches([_places(split.train, 1)[0]])))
    height, width, channels = (int(side) for side in pixels.shape[1:])
    how = Preprocessing(
        height=height,
        width=width,
        channels=channels,
        mean=tuple(split.mean.tolist()),
        deviation=tuple(split.deviation.tolist()),
        is_float=bool(pixels.is_floating_point()),
    )
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "network.safetensors"
        save_weights(module, weights)
        facts = Facts(name="network", arch=arch, preprocessing=how)
        return deployed_accuracy(Deployed("network", arch, facts, str(weights)), split, target, num_calibration, keep)


def deployed_accuracy(
    deployed: Deployed,
    split: DataSplit,
    target: Target,
    num_calibration: int = CALIBRATION_IMAGES,
    keep: Kept | None = None,
) -> DeployedAccuracy:
    """The accuracy of the trained network `deployed` in `target`, over the validation images of `split`.

    In 8 bits it is calibrated on `num_calibration` of its training images, on all where there are fewer. The
    ONNX file that is run is put at the path of `keep` with its metadata, where given. Raises `DataError` below 32 of
    them, `SpecError` for a target that no images go through here, and `NaslabError` for one that is not installed, or
    that cannot run the network.
    """
    if not target.row.is_timed:
        raise SpecError("target", f"{target.row.written} tells latencies alone: no images go through it here")
    require_target(target)
    home = import_module(f"naslab.targets.{target.row.home}")
    is_int8 = target.row.precision == "int8"
    calibration = calibration_images(split.train, num_calibration) if is_int8 else None
    with tempfile.TemporaryDirectory() as folder:
        with loaded(target):
            path = home.prepare(deployed._replace(calibration=calibration), target, Path(folder))
            run = home.network(path, target)
        if keep is not None:
            keep_onnx(path, *keep)
        right = 0
        for pixels, labels in split.validation.batches(_places(split.validation, BATCH)):
            right += int((run(_as_network_takes(pixels)).argmax(1) == labels.cpu().numpy()).sum())
    count = len(split.validation)
    accuracy = 100 * right / count
    return DeployedAccuracy(
        accuracy, accuracy_sem(accuracy, count), count, 0 if calibration is None else len(calibration)
    )


def calibration_images(images: Images, count: int) -> NDArray[np.float32]:
    """`count` of the `images`, evenly spread, of shape (count, channels, height, width), values as they are.

    Raises `DataError` where there are too few.
    """
    have = min(count, len(images))
    if have < LEAST_CALIBRATION:
        raise DataError(
            f"8 bits are calibrated on at least {LEAST_CALIBRATION} training images, got {have}: give more images"
        )
    step = len(images) / have
    chosen = torch.tensor([int(place * step) for place in range(have)], device=images.labels.device)
    return np.concatenate([_as_network_takes(pixels) for pixels, _ in images.batches(torch.split(chosen, BATCH))])


def _places(images: Images, count: int) -> list[Tensor]:
    return list(torch.split(torch.arange(len(images), device=images.labels.device), count))


def _as_network_takes(pixels: Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(pixels.permute(0, 3, 1, 2).float().cpu().numpy())
