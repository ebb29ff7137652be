"""ONNX Runtime with a file, and images to run it on; without torch, so that processes that time it start soon."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from naslab.arch.plan import Shape
from naslab.errors import NaslabError, shown

Pixels = Literal["float32", "uint8"]
"""The type of an ONNX network's images, whose values are 0 to 255 in either."""
INPUT, OUTPUT = "images", "logits"


def noise_images(shape: Shape, count: int, pixels: Pixels = "float32") -> NDArray[Any]:
    """Images of noise from 0 to 255, of shape (`count`, *`shape`), always the same.

    >>> noise_images((3, 8, 8), 2).shape
    (2, 3, 8, 8)
    """
    return np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8).astype(pixels)


def onnx_session(file: Path, threads: int | None = None) -> Any:
    """A session of ONNX Runtime on the CPU with an ONNX file, on `threads` threads, by default all.

    Raises `NaslabError` where ONNX Runtime is missing or refuses the file.
    """
    try:
        import onnxruntime
    except ImportError:
        raise NaslabError("ONNX Runtime is not installed: pip install 'naslab[onnx]'") from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads = options.inter_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - its own errors have no common class
        raise NaslabError(f"ONNX Runtime refuses {file}: {shown(str(error).splitlines()[0], 200)}") from None
