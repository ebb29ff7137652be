"""What is known of a trained detector or segmenter, and the file that holds it. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from naslab.arch import ArchSpec
from naslab.arch.block import require
from naslab.arch.files import decode
from naslab.dense_prediction.tasks import DenseTask
from naslab.errors import DataError, SpecError
from naslab.package.facts import WEIGHTS_FILE as WEIGHTS_FILE
from naslab.pretrained.under_heads import DETECTOR_FILE as DETECTOR_FILE
from naslab.reading import json_values

DETECTOR_KEY = "naslab_detector"
"""Under which the facts are in the metadata of ONNX files."""
ONNX_ENDING = ".onnx"


class DenseFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a trained detector or segmenter is.

    `name` is what its network was asked for by, `arch` its description, `task` what it does and `kind` how; it stands
    on the maps at the strides `levels`. `classes` and `keypoints` are what it finds. Images are resized to `side`
    (height, width; the first of them is the shortest side of a detector's) and normalised by `mean` and `deviation` of
    each channel, in values from 0 to 1. Heads have `channels`; batch norms of the network stay with `freeze_norm`.
    Raises `SpecError` for facts that contradict one another.
    """

    name: str
    arch: ArchSpec
    task: DenseTask
    kind: str
    levels: tuple[int, ...]
    classes: tuple[str, ...]
    side: tuple[int, int]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    channels: int
    keypoints: tuple[str, ...] = ()
    freeze_norm: bool = False
    versions: dict[str, str] = {}

    def __post_init__(self) -> None:
        require(len(self.classes) >= 1, "classes", "must be one or more")
        require(min(self.side) >= 1, "side", f"must be 1 or more, got {self.side}")
        for name, values in (("mean", self.mean), ("deviation", self.deviation)):
            wanted = self.arch.input[0]
            require(len(values) == wanted, name, f"must be {wanted} numbers, as the network's channels, got {values}")
        require(min(self.deviation) > 0, "deviation", f"must be above 0, got {self.deviation}")


def is_detector(path: Path) -> bool:
    """Whether a path is a folder of a trained detector or segmenter, or the ONNX file of one.

    Raises `NaslabError` for an ONNX file that ONNX Runtime does not read.
    """
    if path.suffix == ONNX_ENDING and path.is_file():
        from naslab.training.onnx_session import onnx_session

        return DETECTOR_KEY in onnx_session(path).get_modelmeta().custom_metadata_map
    return (path / DETECTOR_FILE).is_file()


def facts_of_onnx(metadata: Mapping[str, str], path: Path) -> DenseFacts:
    """The facts in the `metadata` of the ONNX file `path`. Raises `DataError` where they are missing or damaged."""
    if DETECTOR_KEY not in metadata:
        raise DataError(f"{path} has no facts of a detector in its metadata: name one that naslab exported")
    try:
        return decode(json_values(metadata[DETECTOR_KEY], path), DenseFacts)
    except SpecError as error:
        raise DataError(f"{path} holds no facts of a detector: {error}") from None
