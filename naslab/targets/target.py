"""A target is a value: a runtime with its device and precision, how many threads, how many images at once."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from naslab.arch import ArchSpec
from naslab.arch.block import require
from naslab.errors import NaslabError, SpecError, UnknownNameError, first_line
from naslab.metrics import DEPLOYED_METRICS, LATENCY, SIZE_BYTES
from naslab.package.facts import Facts
from naslab.targets.programs import missing_program

Precision = Literal["float32", "int8"]


def _nothing(argument: str) -> str:
    return ""


def _gpu(argument: str) -> str:
    import torch

    return "" if torch.cuda.is_available() else "a GPU: torch sees none here"


def _compiler(argument: str) -> str:
    names = (os.environ.get("CXX") or "g++", "clang++")
    return "" if any(map(shutil.which, names)) else f"a compiler of C++: {' and '.join(names)} are not found"


class TargetRow(NamedTuple):
    """A runtime at a precision: its name, what it is, where it runs, and the packages that it takes.

    `home` is the module that knows it. Where `is_timed`, that has `prepare`, `network`, and `start`, which a process of
    its own calls; else `latency`, which tells the milliseconds without one. `extra` is what installs the packages. With
    an `argument` the target is written `name:argument`. `tells` are the metrics that there are of it. One that is not
    run (`is_run`) has a name alone, and is refused. `lacks` says what else is missing on this machine for an argument,
    nothing where all is there.
    """

    name: str
    summary: str
    home: str
    device: str = "cpu"
    precision: Precision = "float32"
    packages: tuple[str, ...] = ()
    extra: str = ""
    is_timed: bool = True
    argument: str = ""
    tells: tuple[str, ...] = tuple(DEPLOYED_METRICS)
    is_run: bool = True
    lacks: Callable[[str], str] = _nothing

    @property
    def written(self) -> str:
        """How it is asked for."""
        return f"{self.name}:{self.argument}" if self.argument else self.name


def _of_file(name: str, summary: str) -> TargetRow:
    """A target that no runtime is started for: a file tells its latency, and nothing else of it is known."""
    return TargetRow(name, summary, "latency_table", device="", is_timed=False, argument="FILE", tells=(LATENCY.name,))


_ONNX = ("onnx", "onnxscript", "onnxruntime")
ROWS: tuple[TargetRow, ...] = (
    TargetRow("torch", "PyTorch, eager", "torch_runtime"),
    TargetRow("torch-compiled", "PyTorch, compiled by torch.compile", "torch_runtime", lacks=_compiler),
    TargetRow("cuda", "PyTorch, eager, on a GPU", "torch_runtime", device="cuda", lacks=_gpu),
    TargetRow("onnxruntime", "ONNX Runtime", "onnx_runtime", packages=_ONNX, extra="onnx"),
    TargetRow(
        "onnxruntime-int8",
        "ONNX Runtime, weights and activations quantised to 8 bits after training",
        "onnx_runtime",
        precision="int8",
        packages=_ONNX,
        extra="onnx",
    ),
    TargetRow("openvino", "OpenVINO", "openvino_runtime", packages=(*_ONNX, "openvino"), extra="onnx,openvino"),
    TargetRow(
        "openvino-int8",
        "OpenVINO, weights and activations quantised to 8 bits after training",
        "openvino_runtime",
        precision="int8",
        packages=(*_ONNX, "openvino", "nncf"),
        extra="onnx,openvino",
    ),
    TargetRow("tensorrt", "TensorRT", "", device="cuda", packages=("tensorrt",), extra="tensorrt", is_run=False),
    TargetRow("executorch", "ExecuTorch", "", packages=("executorch",), extra="executorch", is_run=False),
    TargetRow("litert", "LiteRT", "", packages=("ai_edge_litert",), extra="litert", is_run=False),
    _of_file("table", "sums of a table of operator latencies"),
    _of_file("predicted", "what naslab calibrate --target learned of another target"),
    TargetRow(
        "command",
        "any command that takes an ONNX file and prints milliseconds",
        "outside_command",
        device="",
        packages=_ONNX,
        extra="onnx",
        is_timed=False,
        argument="'bench.sh {onnx}'",
        tells=(LATENCY.name, SIZE_BYTES.name),
        lacks=missing_program,
    ),
)
"""The targets. A new one is a row here and a file beside this one."""


class Target(msgspec.Struct, frozen=True):
    """What a network is timed in: the `name` of a row, its `argument`, CPU `threads`, and a `batch` of images.

    Raises `SpecError` for numbers below 1.
    """

    name: str
    argument: str = ""
    threads: int = 1
    batch: int = 1

    def __post_init__(self) -> None:
        require(self.threads >= 1, "threads", f"must be at least 1, got {self.threads}")
        require(self.batch >= 1, "batch", f"must be at least 1, got {self.batch}")

    @property
    def row(self) -> TargetRow:
        """Its row."""
        return next(row for row in ROWS if row.name == self.name)

    @property
    def written(self) -> str:
        """How it is asked for.

        >>> parse_target("table:note10.csv").written
        'table:note10.csv'
        """
        return f"{self.name}:{self.argument}" if self.argument else self.name


Logits: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Gives outputs, of shape (batch, classes), for images of shape (batch, channels, height, width)."""


class Deployed(NamedTuple):
    """A network as it is deployed: its name, description, facts and file of weights; without it, fresh weights.

    `calibration` are training images that 8 bits are chosen by, of shape (count, channels, height, width).
    """

    name: str
    arch: ArchSpec
    facts: Facts | None = None
    weights: str | None = None
    calibration: NDArray[np.float32] | None = None


class TargetLatency(NamedTuple):
    """Milliseconds of a batch: the median, the interquartile range (`None` where unknown), how many were counted."""

    median_ms: float
    iqr_ms: float | None = None
    num_passes: int = 0
    size_bytes: int | None = None


def parse_target(text: str, threads: int = 1, batch: int = 1) -> Target:
    """The target that `text` asks for, on `threads` CPU threads with a `batch` of images at once.

    Raises `UnknownNameError` with the nearest targets, and `SpecError` where its argument is missing or too much, or
    where a number is below 1. Whether it is there is not asked (`require_target`).

    >>> parse_target("onnxruntime-int8").row.precision
    'int8'
    >>> parse_target("command:'bench.sh {onnx}'").argument
    'bench.sh {onnx}'
    """
    name, colon, argument = text.partition(":")
    if len(argument) > 1 and argument[0] == argument[-1] in "'\"" and argument[0] not in argument[1:-1]:
        argument = argument[1:-1]  # quotes of a shell that were quoted themselves
    row = next((row for row in ROWS if row.name == name), None)
    if row is None:
        raise UnknownNameError("target", text, [row.written for row in ROWS])
    if bool(row.argument) != bool(argument) or (colon and not argument):
        raise SpecError("target", f"is written {row.written}, got '{text}'")
    return Target(name, argument, threads, batch)


def missing_packages(row: TargetRow) -> list[str]:
    """The packages that a target, by its `row`, takes and this installation lacks.

    >>> missing_packages(parse_target("torch").row)
    []
    """
    return [name for name in row.packages if importlib.util.find_spec(name) is None]


@contextmanager
def loaded(target: Target) -> Iterator[None]:
    """A block that loads the packages of a `target`: one that is installed and broken is a `NaslabError`.

    >>> with loaded(parse_target("openvino")):  # doctest: +ELLIPSIS
    ...     raise ImportError("no libopenvino.so")
    Traceback (most recent call last):
    naslab.errors.NaslabError: the target openvino cannot be loaded: no libopenvino.so; install its packages anew: ...
    """
    try:
        yield
    except ImportError as error:
        mend = f"install its packages anew: pip install 'naslab[{target.row.extra}]'"
        raise NaslabError(f"the target {target.row.name} cannot be loaded: {first_line(error)}; {mend}") from None


def require_target(target: Target) -> None:
    """Raise `NaslabError` where a `target` is not there: what it lacks, and what installs that.

    >>> require_target(parse_target("torch"))
    """
    row = target.row
    missing = missing_packages(row)
    if missing:
        raise NaslabError(f"the target {row.name} needs {', '.join(missing)}: pip install 'naslab[{row.extra}]'")
    if not row.is_run:
        mend = "export the network with --onnx, and take the target command:'bench.sh {onnx}'"
        raise NaslabError(f"this version of naslab does not run {row.summary} yet: {mend}")
    if lack := row.lacks(target.argument):
        raise NaslabError(f"the target {row.name} needs {lack}")


def target_states() -> dict[str, str]:
    """Every target, as it is written, with `ready` or what is missing for it: what `naslab doctor` lists.

    >>> target_states()["torch"], target_states()["table:FILE"]
    ('ready', 'ready')
    """
    states = {}
    for row in ROWS:
        missing = missing_packages(row)
        lack = "" if missing or row.argument else row.lacks("")
        ready = f"needs {lack}" if lack else "ready" if row.is_run else "not run by this version yet"
        states[row.written] = f"needs naslab[{row.extra}]: {', '.join(missing)}" if missing else ready
    return states
