"""The ONNX file that a target runs: exported and checked, quantised to 8 bits where asked."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from naslab.errors import NaslabError, shown
from naslab.targets.target import Deployed, Precision

CALIBRATION_BATCHES, CALIBRATION_IMAGES = 4, 4


def exported(deployed: Deployed, folder: Path, precision: Precision) -> Path:
    """The ONNX file of a network in `folder`, with fresh weights where it has none. Raises `NaslabError` as exporting.

    In `int8` it is quantised after training, per channel of the weights, activations calibrated on images of noise,
    which says how fast it is, not how accurate.
    """
    from naslab.package.prepared import packaged_module
    from naslab.training.onnx_file import write_onnx
    from naslab.training.weights import load_weights

    how = deployed.facts.preprocessing if deployed.facts is not None else None
    module = packaged_module(deployed.arch, how)
    if deployed.weights is not None:
        load_weights(module, deployed.weights)
    shape = deployed.arch.input if how is None else (deployed.arch.input[0], *how.size)
    path = folder / "network.onnx"
    write_onnx(module, shape, path)
    return path if precision == "float32" else quantised(path, folder / "int8.onnx")


def quantised(path: Path, target: Path) -> Path:
    """The network of the ONNX file `path` in 8 bits, written to `target`. Raises `NaslabError` where it cannot be."""
    import logging

    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = target.with_suffix(".prepared.onnx")
    logging.getLogger().setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
            quantize_static(
                str(prepared),
                str(target),
                _Noise(path),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
    except Exception as error:  # noqa: BLE001 - the quantiser's own errors have no common class
        raise NaslabError(f"the network cannot be quantised to 8 bits: {shown(str(error), 300)}") from None
    return target


class _Noise:
    """Images of noise, as ONNX Runtime's quantiser reads them."""

    def __init__(self, path: Path) -> None:
        from naslab.training.onnx_file import INPUT, onnx_session, random_images

        shape = tuple(onnx_session(path).get_inputs()[0].shape[1:])
        images = random_images(shape, CALIBRATION_BATCHES * CALIBRATION_IMAGES, "float32").numpy()
        parts = (images[start : start + CALIBRATION_IMAGES] for start in range(0, len(images), CALIBRATION_IMAGES))
        self._batches: Iterator[dict[str, Any]] = iter([{INPUT: part} for part in parts])

    def get_next(self) -> dict[str, Any] | None:
        return next(self._batches, None)

    def set_range(self, start_index: int, end_index: int) -> None:
        """All images are read at once."""
