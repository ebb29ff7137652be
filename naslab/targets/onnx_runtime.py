"""ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from naslab.targets.exporting import exported, quantised
from naslab.targets.target import Deployed, Logits, Target
from naslab.training.onnx_session import INPUT, noise_images, onnx_session


def prepare(deployed: Deployed, target: Target, folder: Path) -> Path:
    """The file that is run. Raises `NaslabError` where the network cannot be exported or quantised."""
    path = exported(deployed, folder)
    if target.row.precision == "float32":
        return path
    return quantised(path, folder / "int8.onnx", deployed.calibration)


def network(path: Path, target: Target) -> Logits:
    """A function that gives the logits of images by the network of an ONNX file."""
    session = onnx_session(path, target.threads)
    return lambda images: session.run(None, {INPUT: images})[0]


def start(path: Path, target: Target) -> Callable[[], object]:
    """A function that runs a batch of images through the network of an ONNX file."""
    session = onnx_session(path, target.threads)
    images = noise_images(tuple(session.get_inputs()[0].shape[1:]), target.batch)
    return lambda: session.run(None, {INPUT: images})
