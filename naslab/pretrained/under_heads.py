"""The network under the heads of a trained detector or segmenter, as its folder tells it. No torch here."""

from __future__ import annotations

from pathlib import Path

import msgspec

from naslab.arch import ArchSpec
from naslab.arch.files import decode
from naslab.errors import DataError, SpecError
from naslab.reading import read_values

DETECTOR_FILE = "detector.json"
LARGEST = 255.0


class NetworkUnderHeads(msgspec.Struct, frozen=True, kw_only=True):
    """What a detector's facts say of its network: its description, and the `mean` and `deviation` of each channel.

    These are in values from 0 to 1; `statistics` are both in values from 0 to 255.
    """

    arch: ArchSpec
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @property
    def statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        mean, deviation = ([round(LARGEST * each, 6) for each in values] for values in (self.mean, self.deviation))
        return tuple(mean), tuple(deviation)


def network_under_heads(folder: Path) -> NetworkUnderHeads | None:
    """What the `folder` of a detection training says of its network; `None` where it is none.

    Raises `DataError` where its facts are damaged, and `ReadError` where they cannot be read.
    """
    path = folder / DETECTOR_FILE
    if not path.is_file():
        return None
    try:
        return decode(read_values(path), NetworkUnderHeads)
    except SpecError as error:
        raise DataError(f"{path} holds no facts of a detector: {error}") from None
