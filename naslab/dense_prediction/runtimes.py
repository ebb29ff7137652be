"""Trained detectors and segmenters ready to run, in torch and in ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from naslab.dense_prediction.detectors import as_floats
from naslab.dense_prediction.evaluation import Objects, classify_pixels, find_objects
from naslab.dense_prediction.facts import DenseFacts, facts_of_onnx
from naslab.dense_prediction.package import load_module
from naslab.package.predict import NORMALISATION
from naslab.training.onnx_session import INPUT, onnx_session


class DenseRunner(Protocol):
    """A trained detector or segmenter ready to run: one image at a time, from one thread, each by itself.

    Images may be of any size; the runner resizes and normalises them. They lie on the host, and so do its answers.

    >>> from naslab.zoo import model
    >>> class WholeImage:  # finds one car, as large as the image
    ...     def __init__(self, facts):
    ...         self.facts = facts
    ...     def objects(self, pixels):
    ...         _, height, width = pixels.shape
    ...         return Objects(np.array([[0.0, 0.0, width, height]]), np.array([0]), np.array([0.9]))
    ...     def classes(self, pixels):
    ...         return np.zeros(pixels.shape[1:], np.int64)
    >>> known = {"task": "detection", "kind": "faster_rcnn", "levels": (8,), "classes": ("car",), "channels": 16}
    >>> scales = {"side": (64, 64), "mean": (0.5,), "deviation": (0.25,)}
    >>> runner = WholeImage(DenseFacts(name="whole", arch=model("lenet5"), **known, **scales))
    >>> found = runner.objects(torch.zeros(1, 48, 80, dtype=torch.uint8))
    >>> [runner.facts.classes[label] for label in found.labels], found.boxes.tolist()
    (['car'], [[0.0, 0.0, 80.0, 48.0]])
    """

    @property
    def facts(self) -> DenseFacts:
        """What is known of it: its task, which says whether `objects` or `classes` may be asked for, and its names."""
        ...

    def objects(self, pixels: Tensor) -> Objects:
        """What a detector finds in an image, `pixels`, uint8 of shape (channels, height, width).

        The channels are those of the network. Boxes, masks and keypoints are in the pixels of this image; labels count
        from 0 in the order of the facts' classes, and objects of every score are there, the most certain first.
        """
        ...

    def classes(self, pixels: Tensor) -> NDArray[np.int64]:
        """The class of each pixel that a segmenter sees, of shape (height, width), from 0 in the facts' order.

        `pixels` is the image, uint8 of shape (channels, height, width) with the channels of the network.
        """
        ...


class TorchRunner:
    """The detector or segmenter of a `folder` in torch, on a `device`. Raises `DataError` where it is damaged."""

    def __init__(self, folder: Path, device: str) -> None:
        self.facts, self._module = load_module(folder, device)
        self._device = device

    def objects(self, pixels: Tensor) -> Objects:
        return find_objects(self._module, pixels, self._device)

    def classes(self, pixels: Tensor) -> NDArray[np.int64]:
        return classify_pixels(self._module, pixels, self.facts.side, self._device)


class OnnxRunner:
    """The ONNX file `path` that naslab wrote, in ONNX Runtime. Raises `DataError` where that is no detector's."""

    def __init__(self, path: Path) -> None:
        self._session = onnx_session(path)
        metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        self.facts = facts_of_onnx(metadata, path)
        self._is_bare = metadata.get(NORMALISATION) == "outside"
        self._type = np.uint8 if "uint8" in self._session.get_inputs()[0].type else np.float32

    def objects(self, pixels: Tensor) -> Objects:
        found = self._run(pixels)
        masks, points = found.get("masks"), found.get("keypoints")
        return Objects(
            found["boxes"].astype(np.float64),
            found["labels"],
            found["scores"].astype(np.float64),
            None if masks is None else masks > 0.5,
            None if points is None else points.astype(np.float64),
        )

    def classes(self, pixels: Tensor) -> NDArray[np.int64]:
        (logits,) = self._run(pixels).values()
        classes: NDArray[np.int64] = logits[0].argmax(axis=0)
        return classes

    def _run(self, pixels: Tensor) -> dict[str, NDArray[Any]]:
        images = pixels[None]
        if self._is_bare:
            mean, deviation = (torch.tensor(each).reshape(-1, 1, 1) for each in (self.facts.mean, self.facts.deviation))
            images = (as_floats(images) - mean) / deviation
        names = [each.name for each in self._session.get_outputs()]
        outputs = self._session.run(None, {INPUT: images.numpy().astype(self._type)})
        return dict(zip(names, outputs, strict=True))


def open_runner(place: Path, device: str) -> DenseRunner:
    """What runs the detector or segmenter of a folder, on a `device`, or of an ONNX file, the `place`.

    Raises `DataError` where it is damaged.
    """
    return TorchRunner(place, device) if place.is_dir() else OnnxRunner(place)
