"""The ONNX file that a target runs: exported and checked, quantised to 8 bits where asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from naslab.atomic_write import atomic_write
from naslab.errors import NaslabError, shown
from naslab.targets.target import Deployed
from naslab.training.quiet import quiet_packages

NOISE_IMAGES = 16
CALIBRATION_BATCH = 16


def exported(deployed: Deployed, folder: Path) -> Path:
    """The ONNX file of a network in `folder`, with fresh weights where it has none. Raises `NaslabError` as exporting.

    Of a network whose preprocessing is known it takes images as they are. A file that is there already is of the same
    network, for another target. One with fresh weights is written the quick way where that is possible
    (`write_onnx_quickly`): it is run to be timed, and never leaves.
    """
    from naslab.package.prepared import packaged_module
    from naslab.training.onnx_file import write_onnx, write_onnx_quickly
    from naslab.training.weights import load_weights

    path = folder / "network.onnx"
    if path.exists():
        return path
    how = deployed.facts.preprocessing if deployed.facts is not None else None
    module = packaged_module(deployed.arch, how)
    if deployed.weights is not None:
        load_weights(module, deployed.weights)
    shape = deployed.arch.input if how is None else (deployed.arch.input[0], *how.size)
    if deployed.weights is not None or not write_onnx_quickly(module, shape, path):
        write_onnx(module, shape, path)
    return path


def calibration_of(path: Path, images: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """The `images` that the network of an ONNX file is calibrated on; without any, images of noise.

    Both are of shape (images, channels, height, width). Noise tells how fast the network is in 8 bits, not how
    accurate.
    """
    from naslab.training.onnx_session import noise_images, onnx_session

    if images is not None:
        return images
    return noise_images(tuple(onnx_session(path).get_inputs()[0].shape[1:]), NOISE_IMAGES)


def quantised(path: Path, target: Path, images: NDArray[np.float32] | None = None) -> Path:
    """The network of the ONNX file `path` in 8 bits, written to `target`, by ONNX Runtime's quantiser.

    Weights are quantised per channel, activations by their least and largest values on `images`, of shape (images,
    channels, height, width), by default of noise. Raises `NaslabError` where it cannot be.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = target.with_suffix(".prepared.onnx")
    try:
        with quiet_packages():
            quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
            quantize_static(
                str(prepared),
                str(target),
                _Batches(calibration_of(path, images)),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
    except Exception as error:  # noqa: BLE001 - the quantiser's own errors have no common class
        raise NaslabError(f"the network cannot be quantised to 8 bits: {shown(str(error), 300)}") from None
    return target


def keep_onnx(path: Path, target: Path, metadata: Mapping[str, str]) -> None:
    """Put the ONNX file `path` at `target`, with the texts of `metadata` in it. Raises `WriteError` as writing does."""
    import onnx

    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, dict(metadata))
    atomic_write(target, model.SerializeToString())


def file_bytes(path: Path) -> int:
    """The bytes of the file that a target runs, with the weights that OpenVINO writes beside its description."""
    beside = path.with_suffix(".bin")
    return path.stat().st_size + (beside.stat().st_size if path.suffix == ".xml" else 0)


class _Batches:
    """Images as ONNX Runtime's quantiser reads them, batch by batch."""

    def __init__(self, images: NDArray[np.float32]) -> None:
        from naslab.training.onnx_session import INPUT

        starts = range(0, len(images), CALIBRATION_BATCH)
        batches: list[dict[str, Any]] = [{INPUT: images[start : start + CALIBRATION_BATCH]} for start in starts]
        self._batches: Iterator[dict[str, Any]] = iter(batches)

    def get_next(self) -> dict[str, Any] | None:
        return next(self._batches, None)

    def set_range(self, start_index: int, end_index: int) -> None:
        """All images are read at once."""
