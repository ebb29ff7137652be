"""OpenVINO on the CPU, from the ONNX file; in 8 bits by NNCF."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from naslab.errors import NaslabError, shown
from naslab.targets.exporting import calibration_of, exported
from naslab.targets.target import Deployed, Logits, Target
from naslab.training.onnx_session import noise_images
from naslab.training.quiet import quiet_packages


def prepare(deployed: Deployed, target: Target, folder: Path) -> Path:
    """The file that is run. Raises `NaslabError` where the network cannot be exported or quantised."""
    path = exported(deployed, folder)
    if target.row.precision == "float32":
        return path
    images = calibration_of(path, deployed.calibration)
    with _refusals("quantise"), quiet_packages():
        import nncf
        import openvino

        data = nncf.Dataset([images[place : place + 1] for place in range(len(images))])
        made = nncf.quantize(openvino.Core().read_model(str(path)), data, subset_size=len(images))
        openvino.save_model(made, str(folder / "int8.xml"), compress_to_fp16=False)
    return folder / "int8.xml"


def network(path: Path, target: Target) -> Logits:
    """A function that gives the logits of images by the network of a file."""
    request = _compiled(path, target, None)
    return lambda images: np.array(request.infer([images])[0])


def start(path: Path, target: Target) -> Callable[[], object]:
    """A function that runs a batch of images through the network of a file. Raises `NaslabError` if refused."""
    request = _compiled(path, target, target.batch)
    shape = tuple(request.get_compiled_model().input(0).shape)
    images = noise_images(shape[1:], target.batch)
    return lambda: request.infer([images])


def _compiled(path: Path, target: Target, batch: int | None) -> Any:
    """A request of OpenVINO for batches of `batch` images, of any size where there is none."""
    import openvino

    core = openvino.Core()
    with _refusals("run"):
        model = core.read_model(str(path))
        if batch is not None:
            sides = [int(side.get_length()) for side in list(model.input(0).partial_shape)[1:]]
            model.reshape([batch, *sides])
        options = {"INFERENCE_NUM_THREADS": target.threads, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}
        options["INFERENCE_PRECISION_HINT"] = "f32"
        return core.compile_model(model, "CPU", options).create_infer_request()


@contextmanager
def _refusals(what: str) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError, TypeError) as error:
        last = (str(error).strip() or type(error).__name__).splitlines()[-1]
        raise NaslabError(f"OpenVINO cannot {what} the network: {shown(last, 300)}") from None
