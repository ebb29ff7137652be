"""`naslab predict`: what a trained network says of image files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from naslab.cli.help_text import Command
from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, print_json, print_table


def predict(
    model: Annotated[
        str, typer.Argument(help="A folder or weights of naslab train, or an ONNX file of naslab export.")
    ],
    images: Annotated[list[Path], typer.Argument(help="Image files, and folders of them.")],
    top: Annotated[int, typer.Option(min=1, help="How many classes of each image.")] = 5,
    runtime: Annotated[
        Literal["torch", "onnxruntime"] | None,
        typer.Option(help="torch, or onnxruntime, which an ONNX file takes anyway."),
    ] = None,
    device: Annotated[str, typer.Option(help="A torch device, or auto.")] = "auto",
    ledger: LedgerOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """Classify images by a trained network: the most probable classes of each, as its own evaluation saw them.

    Example: naslab predict trained photos/ --top 3
    """
    from naslab.lab.predicting import predict as run

    found = run(model, images, top=top, runtime=runtime, device=device, ledger=ledger)
    if json:
        print_json(found)
        return
    print_table(
        ("image", "class", "value"),
        [(each.file, output.name, output.value) for each in found for output in each.outputs],
    )


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(predict)
