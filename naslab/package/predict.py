"""Predictions for image files by a packaged network, in torch or ONNX Runtime.

Files are decoded, cut and resized as those that the network was trained on, so accuracies are those of the training.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from naslab.errors import DataError
from naslab.package.facts import Facts, Preprocessing, facts_of_header
from naslab.package.folder import Package
from naslab.package.prepared import preprocess_of
from naslab.regular_files import files_below
from naslab.study.recipe import Recipe
from naslab.training.data import find_device
from naslab.training.datasets.file_forms import FileForm
from naslab.training.datasets.folder_parts import ENDINGS
from naslab.training.decode import fit_pixels, read_pixels
from naslab.training.evaluation import EVALUATION_BATCH, STEPS_OF_EVALUATION, mean_log_probability
from naslab.training.onnx_session import INPUT, onnx_session
from naslab.training.precision import forward_precision
from naslab.training.views import views_of, views_size

NORMALISATION = "normalisation"
"""The key of an ONNX file's metadata that says whether it is `inside` the network or `outside`."""
LUMA = (19595, 38470, 7471)
"""Shares of red, green and blue in grey (ITU-R 601), of 65,536: what Pillow takes, and equal channels keep."""


class Predicted(msgspec.Struct, frozen=True):
    """An output of a network for an image: the `name` of a class, label or number (its place where nobody named it).

    `value` is a probability from 0 to 1, of regressions the number itself.
    """

    name: str
    value: float


class Prediction(msgspec.Struct, frozen=True):
    """What a network says of an image `file`: `outputs`, of a classification the most probable first."""

    file: str
    outputs: tuple[Predicted, ...]


class Predictor(Protocol):
    """A network ready to run, from one thread; what it says of an image does not depend on the others of its batch.

    >>> from naslab.zoo import model
    >>> class Brightness:  # dark or light, by the mean of the pixels
    ...     facts = Facts(name="brightness", arch=model("lenet5", num_classes=2), class_names=("dark", "light"))
    ...     def logits(self, pixels):
    ...         means = pixels.float().mean(dim=(1, 2, 3)).numpy() / 255
    ...         return np.stack([1 - means, means], axis=1)
    >>> predictor = Brightness()
    >>> black = torch.zeros(1, 1, 28, 28, dtype=torch.uint8)
    >>> [outputs_of(predictor.facts, logits, top=1)[0].name for logits in predictor.logits(torch.cat([black, ~black]))]
    ['dark', 'light']
    """

    @property
    def facts(self) -> Facts:
        """What is known of it: the task, the names of its outputs, and how images become its input."""
        ...

    def logits(self, pixels: Tensor) -> NDArray[np.float32]:
        """Its outputs, of shape (batch, outputs), for `pixels`, of shape (batch, channels, height, width) on the host.

        Pixels are uint8, or float32 where the facts' preprocessing says so, of the size that it names; normalising them
        is the predictor's own. Outputs are what the training's loss takes: logits, or targets in units of their scale.
        """
        ...


class TorchPredictor:
    """A package in torch on a device, in the precision and with the views of its training's own evaluation."""

    def __init__(self, package: Package, device: str = "auto") -> None:
        self.facts = package.facts
        self._device = find_device(device)
        self._recipe = self.facts.recipe or Recipe(precision="float32")
        self._size = self.facts.arch.input[1:]
        views = self._recipe.test_views
        self._prepare = preprocess_of(known_preprocessing(self.facts), views_size(self._size, views)).to(self._device)
        self._module: nn.Module = package.module().to(self._device)

    def logits(self, pixels: Tensor) -> NDArray[np.float32]:
        with torch.inference_mode():
            images = self._prepare(pixels.to(self._device))
            with forward_precision(self._recipe, self._device, self._size):
                seen = [self._module(view).float() for view in views_of(images, self._size, self._recipe.test_views)]
            return (seen[0] if len(seen) == 1 else mean_log_probability(seen)).cpu().numpy()


class OnnxPredictor:
    """An ONNX file that naslab wrote, in ONNX Runtime. Raises `DataError` for a file without facts."""

    def __init__(self, path: Path) -> None:
        self._session = onnx_session(path)
        metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        found = facts_of_header(metadata, path)
        if found is None:
            raise DataError(f"{path} has no facts of a network in its metadata: name one that naslab exported")
        self.facts = found
        is_bare = metadata.get(NORMALISATION) == "outside"
        self._prepare = preprocess_of(known_preprocessing(found), found.arch.input[1:]) if is_bare else None
        self._type = np.uint8 if "uint8" in self._session.get_inputs()[0].type else np.float32

    def logits(self, pixels: Tensor) -> NDArray[np.float32]:
        images = pixels if self._prepare is None else self._prepare(pixels)
        (outputs,) = self._session.run(None, {INPUT: np.ascontiguousarray(images.numpy()).astype(self._type)})
        return np.asarray(outputs, np.float32)


def known_preprocessing(facts: Facts) -> Preprocessing:
    """How images become the input of a network. Raises `DataError` where that is not known."""
    if facts.preprocessing is None:
        raise DataError(
            f"{facts.name} was packaged without data, so nobody knows how an image becomes its input: train it with "
            "`naslab train`, or export it with --dataset"
        )
    return facts.preprocessing


def image_files(places: Sequence[Path]) -> list[Path]:
    """The files among `places`, and the image files below folders among them in the order of their names.

    Hidden files and folders are left out. Raises `DataError` for a place that is not there, or holds no image.
    """
    found: list[Path] = []
    for place in places:
        if place.is_dir():
            below = files_below(place)
            inside = sorted(each for each in below if _is_image(each.relative_to(place)) and each.is_file())
            if not inside:
                raise DataError(f"the folder {place} holds no images ({', '.join(sorted(ENDINGS))})")
            found += inside
        elif place.is_file():
            found.append(place)
        else:
            raise DataError(f"the image is not there: {place}")
    return found


def predictions(predictor: Predictor, files: Sequence[Path], top: int) -> Iterator[Prediction]:
    """What the network of `predictor` says of every image of `files`, in order: the `top` most probable classes.

    Raises `DataError` for a file that cannot be read.
    """
    preprocessing = known_preprocessing(predictor.facts)
    recipe = predictor.facts.recipe or Recipe()
    count = min(EVALUATION_BATCH, STEPS_OF_EVALUATION * recipe.batch_size)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(files), count):
            part = files[start : start + count]
            pixels = torch.stack([*pool.map(lambda path: image_pixels(path, preprocessing), part)])
            for path, logits in zip(part, predictor.logits(pixels), strict=True):
                yield Prediction(str(path), outputs_of(predictor.facts, logits, top))


def image_pixels(path: Path, preprocessing: Preprocessing) -> Tensor:
    """An image file as a network's training saw it: of shape (channels, height, width), uint8 or float32.

    A coloured file becomes grey for a network of grey images. Raises `DataError` where it cannot be read or has other
    channels than the network takes.
    """
    form = FileForm(preprocessing.channels, preprocessing.is_float)
    size = preprocessing.size
    if form != FileForm(1):
        return fit_pixels(read_pixels(path, form), *size)
    pixels = fit_pixels(read_pixels(path), *size)
    red, green, blue = (share * channel.int() for share, channel in zip(LUMA, pixels, strict=True))
    grey: Tensor = (red + green + blue + 0x8000) >> 16
    return grey.to(torch.uint8)[None]


def outputs_of(facts: Facts, logits: NDArray[np.float32], top: int) -> tuple[Predicted, ...]:
    """The outputs of an image by name, from `logits` of shape (outputs,): at most `top` of a classification.

    >>> from naslab.zoo import model
    >>> facts = Facts(name="a", arch=model("lenet5", num_classes=3), class_names=("cat", "dog", "frog"))
    >>> [each.name for each in outputs_of(facts, np.array([0.0, 2.0, 1.0], np.float32), 2)]
    ['dog', 'frog']
    """
    values: NDArray[Any] = logits.astype(np.float64)
    if facts.target_scale:
        mean, deviation = np.transpose(facts.target_scale)
        values = values * deviation + mean
    if facts.task == "classification":
        shares = np.exp(values - values.max())
        values = shares / shares.sum()
    elif facts.task == "multilabel":
        values = 1 / (1 + np.exp(-values))
    order = range(len(values)) if facts.task == "regression" else np.argsort(-values, kind="stable")[:top]
    names = facts.class_names or tuple(map(str, range(len(values))))
    return tuple(Predicted(names[index], float(values[index])) for index in order)


def _is_image(relative: Path) -> bool:
    return relative.suffix.lower() in ENDINGS and not any(part.startswith(".") for part in relative.parts)
