"""A network as one ONNX file, by torch's own exporter, checked by ONNX Runtime before it is put in place."""

from __future__ import annotations

import copy
import importlib.util
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from naslab.arch.plan import Shape
from naslab.atomic_write import draft_folder, put_in_place, require_writable
from naslab.errors import NaslabError, WriteError, shown
from naslab.training.onnx_session import INPUT, OUTPUT, Pixels, noise_images
from naslab.training.onnx_session import onnx_session as onnx_session
from naslab.training.quiet import quiet_compiled_code, quiet_packages

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
"""What writing and checking takes: the extra `naslab[onnx]`."""
OPSET = 18
OLDEST_OPSET, NEWEST_OPSET = 18, 25
MOST_BYTES = 2 * 10**9
"""One ONNX file is one protobuf message, which may have 2 GiB."""
CHECKED_BATCHES = (1, 5)
EPSILON = torch.finfo(torch.float32).eps
TOLERANCE = 1e-3
"""Of the largest logit: sums of float32 in another order, through a few hundred layers, differ by less."""


class OnnxOptions:
    """How an ONNX file is written: its `opset`, and the type of its images, `pixels`.

    Raises `NaslabError` for an opset that torch's exporter does not write.
    """

    def __init__(self, opset: int = OPSET, pixels: Pixels = "float32") -> None:
        if not OLDEST_OPSET <= opset <= NEWEST_OPSET:
            raise NaslabError(f"--opset must be {OLDEST_OPSET} to {NEWEST_OPSET}, got {opset}")
        self.opset = opset
        self.pixels: Pixels = pixels


def write_onnx(
    module: nn.Module,
    shape: Shape,
    path: Path,
    metadata: Mapping[str, str] = MappingProxyType({}),
    options: OnnxOptions | None = None,
) -> None:
    """Write the evaluation path of `module` as one file, for batches of any size.

    `shape` is the (channels, height, width) of its images, `metadata` are texts that the file holds by name, `options`
    the opset and the type of the images. Before the file is put at `path`, ONNX Runtime has given the module's own
    logits for batches of 1 and 5 random images. Raises `NaslabError` where packages are missing, the network is too
    large for one file, torch's exporter has no translation for a layer, or the logits differ, and `WriteError` where a
    file cannot be written at `path`; nothing is written then.
    """
    require_writable(path)
    require_onnx(module)
    chosen = options or OnnxOptions()
    with draft_folder(path.parent) as draft:
        file = draft / path.name
        try:
            _export(module.eval(), shape, file, chosen)
            finish_onnx(file, metadata, chosen)
        except OSError as error:  # of the exporter and of onnx, which write it
            raise WriteError(path, error.strerror or str(error)) from error
        _check(module, shape, file, chosen)
        put_in_place(file, path)


def require_onnx(module: nn.Module) -> None:
    """Raise `NaslabError` where ONNX cannot be written here, or `module` is too large for one file."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise NaslabError(f"writing ONNX needs {', '.join(missing)}: pip install 'naslab[onnx]'")
    num_bytes = sum(each.numel() * each.element_size() for each in module.state_dict().values())
    if num_bytes > MOST_BYTES:
        rule = f"one ONNX file holds at most {MOST_BYTES / 1e9:g} GB, the network's weights take {num_bytes / 1e9:.1f}"
        raise NaslabError(f"the network cannot be written as ONNX: {rule}; take a smaller one")


def write_onnx_quickly(module: nn.Module, shape: Shape, path: Path) -> bool:
    """Write the evaluation path of `module` by torch's older exporter, unchecked, where it can; whether it could.

    It takes a tenth of the time of `write_onnx`, and runtimes make the same of both files (2 % of the latency apart).
    Raises `NaslabError` where packages are missing, or the network is too large.
    """
    require_onnx(module)
    images = torch.zeros(2, *shape)
    try:
        with quiet_packages(), quiet_compiled_code():
            torch.onnx.export(
                module.eval(),
                (images,),
                str(path),
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes={INPUT: {0: "batch"}, OUTPUT: {0: "batch"}},
                opset_version=OPSET,
                dynamo=False,
            )
    except Exception:  # noqa: BLE001 - whatever it cannot do, the other one is asked next
        path.unlink(missing_ok=True)
        return False
    return True


def _export(module: nn.Module, shape: Shape, file: Path, options: OnnxOptions) -> None:
    images = torch.from_numpy(noise_images(shape, 2, options.pixels))
    batch = torch.export.Dim("batch", min=1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter, on its own parts
            torch.onnx.export(
                module,
                (images,),
                str(file),
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({0: batch},),
                opset_version=options.opset,
                external_data=False,
                dynamo=True,
                verbose=False,
            )
    except (torch.onnx.OnnxExporterError, RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        raise NaslabError(
            f"the network cannot be written as ONNX: torch's exporter {_refused(error)}; leave --onnx out, or take "
            "another layer"
        ) from None


def finish_onnx(file: Path, metadata: Mapping[str, str], options: OnnxOptions) -> None:
    """Put `metadata` into an ONNX `file`, and see that it has the opset of the `options`.

    Raises `NaslabError` where it has another one.
    """
    import onnx

    model = onnx.load(str(file))
    opset = next(each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))
    if opset != options.opset:
        rule = f"some of its layers need opset {opset}, --opset asks for {options.opset}"
        raise NaslabError(f"the network cannot be written as ONNX: {rule}; take a newer one")
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model)
    onnx.save(model, str(file))


def _check(module: nn.Module, shape: Shape, file: Path, options: OnnxOptions) -> None:
    """Raise `NaslabError` unless ONNX Runtime gives the module's logits."""
    session = onnx_session(file)
    for count in CHECKED_BATCHES:
        images = torch.from_numpy(noise_images(shape, count, options.pixels))
        with torch.inference_mode():
            expected = module(images).numpy()
        given: NDArray[Any] = session.run(None, {INPUT: images.numpy()})[0]
        difference = logit_difference(given, expected)
        if not difference <= TOLERANCE:
            rule = f"of the largest one, at most {TOLERANCE:g} may be"
            own = _change_by_rounding(module, images)
            if own > TOLERANCE:
                raise NaslabError(
                    f"the network cannot be checked as ONNX: torch's own logits change by {own:.2g} {rule}, where its "
                    "weights change in the last bit of float32: train it first, or name its --weights"
                )
            raise NaslabError(
                f"the network cannot be written as ONNX: for a batch of {count} the logits of ONNX Runtime differ from "
                f"torch's by {difference:.2g} {rule}; try another --opset"
            )


def _change_by_rounding(module: nn.Module, images: Tensor) -> float:
    """By how much the logits of `images` change with weights a rounding away, as a share of the largest one.

    Deep networks with random weights may blow small differences up, until float32 tells nothing of their logits.
    """
    other = copy.deepcopy(module)
    source = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        for weights in other.parameters():
            weights.mul_(1 + EPSILON * torch.randint(-1, 2, weights.shape, generator=source))
        return logit_difference(other(images).numpy(), module(images).numpy())


def logit_difference(given: NDArray[Any], expected: NDArray[Any]) -> float:
    """The largest difference of two arrays of logits, of one shape, as a share of the largest finite one.

    Infinite where one of them is finite and the other is not, or where shapes differ.

    >>> logit_difference(np.array([[1.0, 2.0]]), np.array([[1.0, 2.5]]))
    0.2
    """
    if given.shape != expected.shape or not np.array_equal(np.isfinite(given), np.isfinite(expected)):
        return float("inf")
    known = np.isfinite(expected)
    if not known.any():
        return 0.0
    largest = float(np.abs(expected[known]).max())
    return float(np.abs(given[known] - expected[known]).max()) / (largest or 1.0)


def _refused(error: BaseException) -> str:
    """What an exporter's error is about: the operator without a translation, else the innermost message."""
    while error.__cause__ is not None:
        operator = _operator(error)
        if operator:
            return operator
        error = error.__cause__
    return _operator(error) or f"says {shown((str(error) or type(error).__name__).splitlines()[0], 200)}"


def _operator(error: BaseException) -> str:
    found = re.search(r"OpOverload\(op='(\S+?)'", str(error)) or re.search(
        r"Error when translating node.*?target=torch\.ops\.([\w.]+?)(?:\.default)?\]", str(error)
    )
    return f"has no translation for {found[1]}" if found else ""
