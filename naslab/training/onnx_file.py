"""A network as an ONNX file, by torch's own exporter."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import nn

from naslab.arch.plan import Shape
from naslab.atomic_write import draft_folder, put_in_place, require_writable
from naslab.errors import NaslabError, shown


def write_onnx(module: nn.Module, shape: Shape, path: Path) -> None:
    """Write the evaluation path of a module for batches of any size of (channels, height, width) images.

    Weights that ONNX keeps outside lie beside it, in `path` with `.data` behind it. Raises `NaslabError` where the
    packages onnx and onnxscript are missing, or torch's exporter has no translation for a layer, and `WriteError` where
    a file cannot be written at `path`.
    """
    require_writable(path)  # before the weights are put beside it
    try:
        import onnxscript  # noqa: F401  (torch's exporter needs it)
    except ImportError:
        raise NaslabError("writing ONNX needs the packages onnx and onnxscript: pip install onnx onnxscript") from None
    images = torch.zeros(2, *shape)
    batch = torch.export.Dim("batch", min=1)
    with draft_folder(path.parent) as draft:
        try:
            torch.onnx.export(
                module.eval(),
                (images,),
                str(draft / path.name),
                input_names=["images"],
                output_names=["logits"],
                dynamic_shapes=({0: batch},),
                dynamo=True,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            raise NaslabError(
                f"the network cannot be written as ONNX: torch's exporter {_refused(error)}; leave --onnx out, or take "
                "another layer"
            ) from None
        for file in sorted(draft.iterdir(), reverse=True):  # weights that lie beside the network's file come first
            put_in_place(file, path.parent / file.name)


def _refused(error: BaseException) -> str:
    """What an exporter's error is about: the operator without a translation, else the innermost message."""
    while error.__cause__ is not None:
        error = error.__cause__
    operator = re.search(r"OpOverload\(op='(\S+?)'", str(error))
    if operator is not None:
        return f"has no translation for {operator[1]}"
    return f"says {shown((str(error) or type(error).__name__).splitlines()[0], 200)}"
