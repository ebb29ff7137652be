"""Predictions from names: a trained network on image files.

naslab.predict("trained", ["cat.jpg", "more_photos"])[0].outputs[0].name
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from naslab.errors import DataError, NaslabError
from naslab.lab.models import find_model
from naslab.lab.packages import write_onnx_network
from naslab.package.facts import is_package

if TYPE_CHECKING:
    from naslab.package.hub import HubNetwork
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


def from_pretrained(name: str | Path, **options: Any) -> HubNetwork:
    """A trained network as a torch module that takes images as they are; it has `save_pretrained` and `push_to_hub`.

    `name` is a folder that `naslab train` or `save_pretrained` wrote, or a repository of the Hugging Face Hub, with the
    `options` of huggingface_hub, such as `revision`. Raises `NaslabError` where huggingface_hub is missing, and
    `DataError` for what holds no network.

    >>> import naslab
    >>> naslab.from_pretrained("trained").save_pretrained("published")  # doctest: +SKIP
    """
    try:
        from naslab.package.hub import HubNetwork
    except ImportError:
        raise NaslabError("this needs huggingface_hub: pip install 'naslab[hub]'") from None
    folder = Path(name)
    if folder.is_dir() and not is_package(folder):
        raise DataError(f"{folder} holds no network: name a folder that `naslab train` or save_pretrained wrote")
    made = HubNetwork.from_pretrained(str(name), **options)
    assert isinstance(made, HubNetwork)
    return made
