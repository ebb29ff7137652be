"""The facts of a network that leaves naslab, and the one file that holds them, `network.json`. No torch here.

The same facts are in the header of the weights and in the metadata of ONNX files, so that each of them says by itself
how an image becomes its input and what its outputs are called.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import msgspec

from naslab.arch import ArchSpec
from naslab.arch.block import require
from naslab.arch.files import decode
from naslab.arch.plan import HeightWidth
from naslab.atomic_write import json_content
from naslab.errors import DataError, ReadError, SpecError
from naslab.reading import json_values, read_values
from naslab.study.data_choice import DataChoice
from naslab.study.recipe import Recipe

FACTS_FILE = "network.json"
WEIGHTS_FILE = "weights.safetensors"
WEIGHTS_ENDING = ".safetensors"
FORMAT = 1
KEY = "naslab"
"""The key of the facts in the header of a file of weights and in the metadata of an ONNX file."""
NO_LICENCE = "not stated: ask who trained it, and read the terms of the data; the code of network.py is Apache-2.0"


class Preprocessing(msgspec.Struct, frozen=True, kw_only=True):
    """How an image becomes what the network's first layer takes.

    An image file is made upright, its middle in the proportions of `height` x `width` is cut out and resized to them
    (`resize`: bilinearly, with antialiasing, in 8 bits), in `channels` channels, 3 red, green and blue, 1 grey. From
    each channel's values, 0 to 255, `mean` is subtracted, and the rest divided by `deviation`; where the network's own
    size is another one, the result is resized to it bilinearly. Images of more than 8 bits are `is_float`: those of 16
    bits are scaled to 0 to 255. Raises `SpecError` for numbers that do not fit.
    """

    height: int
    width: int
    channels: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    resize: Literal["middle_bilinear"] = "middle_bilinear"
    is_float: bool = False

    def __post_init__(self) -> None:
        for name, side in (("height", self.height), ("width", self.width), ("channels", self.channels)):
            require(side >= 1, name, f"must be at least 1, got {side}")
        for name, values in (("mean", self.mean), ("deviation", self.deviation)):
            require(len(values) == self.channels, name, f"must be {self.channels} numbers, got {len(values)}")
            require(all(map(math.isfinite, values)), name, f"must be finite, got {values}")
        require(min(self.deviation) > 0, "deviation", f"must be above 0, got {self.deviation}")

    @property
    def size(self) -> HeightWidth:
        """(height, width) of the images."""
        return self.height, self.width


class Measurement(msgspec.Struct, frozen=True):
    """A metric with its error bar: `standard_error` in the unit of `value`, over `num_images` images where known."""

    value: float
    standard_error: float | None = None
    num_images: int | None = None


class FrontEntry(msgspec.Struct, frozen=True):
    """A network of the Pareto front that this one was chosen from: its `trial` and the values of the objectives."""

    trial: int
    values: dict[str, float]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a network that leaves naslab.

    `name` is what it was asked for by, `arch` its description, `task` what its outputs are (`classification`: logits of
    the classes `class_names`, in that order; empty where nobody named them). The outputs of a regression are times the
    deviation, plus the mean of their targets: `target_scale` holds (mean, deviation) of each. `preprocessing` says how
    an image becomes its input, `None` where it was trained on no data that naslab knows. `metrics` holds what was
    measured, in per cent or in the units of `naslab.metrics`. `data` is what it was trained on, `fingerprint` a hash of
    those images and labels, `recipe`, `epochs` and `seed` say how. `versions` made it, `licence` says what others may
    do with it.
    `study` and `trial` are where it was found, `front` the Pareto front it was chosen from. `format` is that of these
    facts. Raises `SpecError` for facts that contradict one another.
    """

    name: str
    arch: ArchSpec
    task: str = "classification"
    class_names: tuple[str, ...] = ()
    target_scale: tuple[tuple[float, float], ...] = ()
    preprocessing: Preprocessing | None = None
    metrics: dict[str, Measurement] = {}
    data: DataChoice | None = None
    fingerprint: str = ""
    recipe: Recipe | None = None
    epochs: int | None = None
    seed: int | None = None
    versions: dict[str, str] = {}
    licence: str = NO_LICENCE
    study: str | None = None
    trial: int | None = None
    front: tuple[FrontEntry, ...] = ()
    format: int = FORMAT

    def __post_init__(self) -> None:
        require(self.format <= FORMAT, "format", f"is {self.format}, this version of naslab reads {FORMAT}: update it")
        names, outputs = len(self.class_names), self.arch.num_classes
        require(names in (0, outputs), "class_names", f"must be {outputs}, as the network has outputs, got {names}")
        if self.preprocessing is not None:
            channels = self.preprocessing.channels
            rule = f"must be the {self.arch.input[0]} of the network's input, got {channels}"
            require(channels == self.arch.input[0], "preprocessing.channels", rule)

    def published(self) -> Facts:
        """The same without the folders of this machine: of data that were named by a path, the last part."""
        if self.data is None or ":" not in self.data.name:
            return self
        kind, _, place = self.data.name.partition(":")
        data = msgspec.structs.replace(self.data, name=f"{kind}:{Path(place).name}")
        return msgspec.structs.replace(self, data=data)

    def of(self, arch: ArchSpec) -> Facts:
        """The facts as those of `arch`, the same network for another image size."""
        return self if arch == self.arch else msgspec.structs.replace(self, arch=arch)


def facts_text(facts: Facts) -> str:
    """Facts as JSON on one line, without the folders of this machine: what headers and metadata hold."""
    return msgspec.json.encode(facts.published()).decode()


def header(facts: Facts) -> dict[str, str]:
    """The metadata of a file of weights or of an ONNX file: all facts under `naslab`, the commonest by their names."""
    told = {KEY: facts_text(facts), "task": facts.task, "licence": facts.licence}
    if facts.class_names:
        told["class_names"] = msgspec.json.encode(facts.class_names).decode()
    if facts.preprocessing is not None:
        told["preprocessing"] = msgspec.json.encode(facts.preprocessing).decode()
    return told


def facts_of_header(metadata: dict[str, str], path: object) -> Facts | None:
    """The facts in the metadata of the file `path`; `None` where it has none. Raises `DataError` for damaged ones."""
    if KEY not in metadata:
        return None
    return _decoded(json_values(metadata[KEY], path), path)


def facts_file_content(facts: Facts) -> bytes:
    """The content of `network.json`."""
    return json_content(facts)


def read_facts(path: Path) -> Facts:
    """The facts in the file `path`. Raises `ReadError` where it cannot be read, `DataError` where it holds no facts."""
    return _decoded(read_values(path), path)


def read_weights_facts(path: Path) -> Facts | None:
    """The facts in the header of a safetensors file, `None` where it has none; no tensor is read.

    Raises `ReadError` where the file cannot be read, `DataError` where its header or its facts are damaged.
    """
    return facts_of_header(_safetensors_metadata(path), path)


def is_package(path: Path) -> bool:
    """Whether a path is a folder that `naslab train` wrote, or a file of weights."""
    return (path / FACTS_FILE).is_file() or (path.suffix == WEIGHTS_ENDING and path.is_file())


def open_facts(path: Path) -> tuple[Facts, Path]:
    """The facts and the file of weights of the package in the folder `path`, or of the weights `path` themselves.

    Raises `ReadError` where a file cannot be read, and `DataError` where one holds no facts, or the weights are those
    of another training.
    """
    if path.suffix == WEIGHTS_ENDING:
        found = read_weights_facts(path)
        if found is None:
            raise DataError(f"{path} has no facts of a network in its header: name a folder that `naslab train` wrote")
        return found, path
    facts, weights = read_facts(path / FACTS_FILE), path / WEIGHTS_FILE
    own = read_weights_facts(weights)
    if own is not None and facts_text(own) != facts_text(facts):
        raise DataError(f"{weights} is of another training than {path / FACTS_FILE}: write the folder anew")
    return facts, weights


MOST_OF_A_HEADER = 16 * 2**20
"""Bytes of the header of weights that are read: a hundred for each of many thousand tensors, and the facts."""


def _safetensors_metadata(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= MOST_OF_A_HEADER:
                raise DataError(f"{path} is no safetensors file: its header would have {length:,} bytes")
            content = file.read(length)
    except OSError as error:
        raise ReadError(path, error.strerror or str(error)) from None
    try:
        metadata = msgspec.json.decode(content, type=dict[str, msgspec.Raw]).get("__metadata__", msgspec.Raw(b"{}"))
        return msgspec.json.decode(metadata, type=dict[str, str])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise DataError(f"{path} is no safetensors file: {error}") from None


def _decoded(values: Any, path: object) -> Facts:
    try:
        return decode(values, Facts)
    except SpecError as error:
        raise DataError(f"{path} holds no facts of a network: {error}") from None
