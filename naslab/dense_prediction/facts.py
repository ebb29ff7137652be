"""What is known of a trained detector or segmenter, and the file that holds it. No torch here."""

from __future__ import annotations

from pathlib import Path

import msgspec

from naslab.arch import ArchSpec
from naslab.arch.block import require
from naslab.dense_prediction.tasks import DenseTask

DETECTOR_FILE = "detector.json"
WEIGHTS_FILE = "weights.safetensors"


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
    """Whether a path is a folder of a trained detector or segmenter."""
    return (path / DETECTOR_FILE).is_file()
