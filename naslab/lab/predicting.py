"""Predictions from names: a trained network on image files.

naslab.predict("trained", ["cat.jpg", "more_photos"])[0].outputs[0].name
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from naslab.errors import DataError, NaslabError
from naslab.lab.models import find_model
from naslab.lab.packages import write_onnx_network

if TYPE_CHECKING:
    from naslab.package.predict import Prediction

ONNX_ENDING = ".onnx"


def predict(
    model: str | Path,
    images: Sequence[str | Path],
    *,
    top: int = 5,
    runtime: Literal["torch", "onnxruntime"] | None = None,
    device: str = "auto",
    ledger: str | Path = "naslab.db",
) -> list[Prediction]:
    """What a trained network says of image files: for each the `top` most probable classes with their probabilities.

    `model` is a folder or weights that `naslab train` wrote, or an ONNX file of `naslab export`; `images` are files and
    folders of them. `runtime` is `torch`, on `device`, or `onnxruntime`, by default what `model` is for. `ledger` is
    where studies are looked for. Raises `DataError` for a network without weights or without preprocessing and for a
    file that is no image, and `NaslabError` where a runtime is missing or cannot take the network.

    >>> import naslab
    >>> naslab.predict("trained", ["photos"])[0].outputs[0].name  # doctest: +SKIP
    'cat'
    """
    from naslab.package.folder import Package
    from naslab.package.predict import OnnxPredictor, TorchPredictor, image_files, known_preprocessing, predictions

    files = image_files([Path(each) for each in images])
    if Path(model).suffix == ONNX_ENDING:
        if runtime == "torch":
            raise NaslabError(f"torch does not read ONNX: leave the runtime of {model} out, or name a folder")
        return list(predictions(OnnxPredictor(Path(model)), files, top))
    found = find_model(str(model), str(ledger))
    if found.facts is None or found.weights is None:
        raise DataError(f"{found.name} is not trained: name a folder that `naslab train` wrote")
    known_preprocessing(found.facts)
    if runtime != "onnxruntime":
        return list(predictions(TorchPredictor(Package(found.facts, found.weights), device), files, top))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        write_onnx_network(found.arch, path, found.weights, found.facts)
        return list(predictions(OnnxPredictor(path), files, top))
