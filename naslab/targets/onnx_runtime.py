"""ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from naslab.targets.exporting import exported
from naslab.targets.target import Deployed, Target


def prepare(deployed: Deployed, target: Target, folder: Path) -> Path:
    """The file that is run. Raises `NaslabError` where the network cannot be exported or quantised."""
    return exported(deployed, folder, target.row.precision)


def start(path: Path, target: Target) -> Callable[[], object]:
    """A function that runs a batch of images through the network of an ONNX file."""
    from naslab.training.onnx_file import INPUT, onnx_session, random_images

    session = onnx_session(path, target.threads)
    shape = tuple(session.get_inputs()[0].shape[1:])
    images = random_images(shape, target.batch, "float32").numpy()
    return lambda: session.run(None, {INPUT: images})
