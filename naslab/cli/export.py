"""`naslab export`: the plain model to take home."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from naslab.cli.help_text import Command
from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, print_json, say, say_idle_strides


def export(
    model: Annotated[str, typer.Argument(help="A zoo name, an architecture file, STUDY:TRIAL or STUDY:best.")],
    out: Annotated[Path, typer.Option(help="The Python file to write.")] = Path("network.py"),
    onnx: Annotated[Path | None, typer.Option(help="Write an ONNX file as well (needs onnx and onnxscript).")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weights (safetensors) of the network, for the ONNX file.")
    ] = None,
    resolution: Annotated[str | None, typer.Option(help="Input size: 224, or height x width as 224x160.")] = None,
    num_classes: Annotated[int | None, typer.Option(help="Number of classes.")] = None,
    ledger: LedgerOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """Write a network as one Python file that needs torch alone, and as ONNX where asked.

    The weights of `naslab train` load into it: `model.load_state_dict(safetensors.torch.load_file(...))`.

    Example: naslab export mystudy:best --out network.py
    """
    from naslab.lab.models import find_model, parse_resolution
    from naslab.lab.training import export_network

    found = find_model(model, ledger, parse_resolution(resolution), num_classes)
    say_idle_strides(found.arch)
    written = export_network(found.arch, out, f"{found.name}, written by naslab.", onnx, weights)
    if json:
        print_json({"model": model, "files": [str(path) for path in written]})
    else:
        say("wrote " + ", ".join(map(str, written)))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(export)
