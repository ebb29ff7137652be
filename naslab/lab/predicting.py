"""Predictions from names: a trained network on image files.

naslab.predict("trained", ["cat.jpg", "more_photos"])[0].outputs[0].name
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from naslab.arguments import many, one_of, optional, path, takes, text
from naslab.dense_prediction.facts import is_detector
from naslab.errors import DataError, NaslabError, first_line, shown
from naslab.lab.models import COUNT, LEDGER, find_model
from naslab.lab.packages import write_onnx_network
from naslab.package.facts import is_package

if TYPE_CHECKING:
    from naslab.package.hub import HubNetwork
    from naslab.package.predict import Prediction

ONNX_ENDING = ".onnx"


@takes(
    model=path("a trained network's folder, weights or ONNX file"),
    images=many(path("an image file or a folder of them")),
    top=COUNT,
    runtime=optional(one_of("torch", "onnxruntime")),
    device=text("a torch device, or auto"),
    ledger=LEDGER,
)
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

    if is_detector(Path(model)):
        raise DataError(f"{model} is a detector or segmenter: naslab.detect takes it")
    files = image_files([Path(each) for each in images])
    if Path(model).suffix == ONNX_ENDING:
        if runtime == "torch":
            raise NaslabError(f"torch does not read ONNX: leave the runtime of {model} out, or name a folder")
        return list(predictions(OnnxPredictor(Path(model)), files, top))
    found = find_model(str(model), ledger)
    if found.facts is None or found.weights is None:
        raise DataError(f"{found.name} is not trained: name a folder that `naslab train` wrote")
    known_preprocessing(found.facts)
    if runtime != "onnxruntime":
        return list(predictions(TorchPredictor(Package(found.facts, found.weights), device), files, top))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        write_onnx_network(found.arch, file, found.weights, found.facts)
        return list(predictions(OnnxPredictor(file), files, top))


@takes(
    name=path("a folder, or the name of a repository of the Hub"),
    revision=optional(text("a revision of the repository")),
    cache_dir=optional(path("a folder")),
)
def from_pretrained(name: str | Path, revision: str | None = None, cache_dir: str | Path | None = None) -> HubNetwork:
    """A trained network as a torch module that takes images as they are; it has `save_pretrained` and `push_to_hub`.

    `name` is a folder that `naslab train` or `save_pretrained` wrote, or a repository of the Hugging Face Hub, at a
    `revision`, which is kept in `cache_dir`. Raises `NaslabError` where huggingface_hub is missing or does not find the
    repository, and `DataError` for what holds no network.

    >>> import naslab
    >>> naslab.from_pretrained("trained").save_pretrained("published")  # doctest: +SKIP
    """
    folder = Path(name)
    if folder.is_dir() and not is_package(folder):
        raise DataError(f"{folder} holds no network: name a folder that `naslab train` or save_pretrained wrote")
    return _loaded(str(name), revision, None if cache_dir is None else str(cache_dir))


def _loaded(name: str, revision: str | None, cache_dir: str | None) -> HubNetwork:
    from naslab.training.hub import OUT_OF_REACH, hub_or_cache

    try:
        from naslab.package.hub import HubNetwork
    except ImportError:
        raise NaslabError("this needs huggingface_hub: pip install 'naslab[hub]'") from None
    if Path(name).is_dir():  # huggingface_hub would miss its own config.json in it, aloud
        return HubNetwork.opened(Path(name))
    is_reached = True
    try:
        with hub_or_cache() as is_reached:
            made = HubNetwork.from_pretrained(name, revision=revision, cache_dir=cache_dir)
    except (OSError, ValueError) as error:  # huggingface_hub's own derive from these
        if isinstance(error, NaslabError):
            raise
        rule = shown(first_line(error), 200) if is_reached else OUT_OF_REACH
        raise NaslabError(f"there is no folder {shown(name)}, and the Hub does not give a repository: {rule}") from None
    assert isinstance(made, HubNetwork)
    return made
