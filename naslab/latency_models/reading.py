"""Which targets are files that tell latencies, and how each is read."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeAlias

from naslab.arch import ArchSpec
from naslab.errors import DataError, ReadError, SpecError
from naslab.latency_models.operator_table import read_table, table_latency
from naslab.latency_models.predicted import predicted_latency, read_model

Reader: TypeAlias = Callable[[ArchSpec], float]
"""Gives the milliseconds of a description."""


class LatencyFile(NamedTuple):
    """A kind of file: `latency` of (path, description, name for messages), `read` the file, refusing a bad one."""

    latency: Callable[[Path, ArchSpec, str], float]
    read: Callable[[Path], object]


LATENCY_FILES: dict[str, LatencyFile] = {
    "table": LatencyFile(table_latency, read_table),
    "predicted": LatencyFile(predicted_latency, read_model),
}
"""By the name of the target."""


def latency_of(target: str, arch: ArchSpec, name: str = "the network") -> float:
    """Milliseconds of the network `arch` in a `target` of these, written `table:FILE`; `name` is for messages.

    Raises `NaslabError` where the file does not tell them, or is none.

    >>> from naslab.zoo import model
    >>> latency_of("table:phone.csv", model("resnet18"), "resnet18")  # doctest: +SKIP
    31.4
    """
    kind, _, argument = target.partition(":")
    return LATENCY_FILES[kind].latency(Path(argument), arch, name)


def reader_of(target: str) -> Reader | None:
    """The milliseconds of descriptions in a `target`, infinite where its file does not tell them.

    `None` for a target that is no such file. What is given back raises `ReadError` where the file cannot be read.

    >>> reader_of("onnxruntime") is None, reader_of("table:phone.csv") is None
    (True, False)
    """
    kind, _, argument = target.partition(":")
    if kind not in LATENCY_FILES or not argument:
        return None

    def read(arch: ArchSpec) -> float:
        try:
            return latency_of(target, arch)
        except ReadError:
            raise
        except (DataError, SpecError):
            return math.inf

    return read


def require_readable(target: str) -> str:
    """The SHA-256 of the file of a `target` of these, in hexadecimal digits.

    Raises `NaslabError` where it cannot be read.

    >>> require_readable("table:phone.csv")
    Traceback (most recent call last):
    naslab.errors.ReadError: cannot read phone.csv: No such file or directory
    """
    kind, _, argument = target.partition(":")
    path = Path(argument)
    LATENCY_FILES[kind].read(path)
    return hashlib.sha256(path.read_bytes()).hexdigest()
