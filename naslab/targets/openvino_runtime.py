"""OpenVINO on the CPU, from the ONNX file; in 8 bits from the one that ONNX Runtime's quantiser made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from naslab.errors import NaslabError, shown
from naslab.targets.exporting import exported
from naslab.targets.target import Deployed, Target


def prepare(deployed: Deployed, target: Target, folder: Path) -> Path:
    """The file that is run. Raises `NaslabError` where the network cannot be exported or quantised."""
    return exported(deployed, folder, target.row.precision)


def start(path: Path, target: Target) -> Callable[[], object]:
    """A function that runs a batch of images through the network of an ONNX file. Raises `NaslabError` if refused."""
    import openvino

    from naslab.training.onnx_file import random_images

    core = openvino.Core()
    try:
        model = core.read_model(str(path))
        channels, height, width = (int(side.get_length()) for side in list(model.input(0).partial_shape)[1:])
        model.reshape([target.batch, channels, height, width])
        options = {"INFERENCE_NUM_THREADS": target.threads, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}
        options["INFERENCE_PRECISION_HINT"] = "f32"
        request = core.compile_model(model, "CPU", options).create_infer_request()
    except RuntimeError as error:
        raise NaslabError(f"OpenVINO refuses the network: {shown(str(error).strip().splitlines()[-1], 300)}") from None
    images = random_images((channels, height, width), target.batch, "float32").numpy()
    return lambda: request.infer([images])
