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
    out: Annotated[
        Path | None, typer.Option(help="Draw what a detector or segmenter finds into this folder, by default drawn.")
    ] = None,
    least_score: Annotated[float, typer.Option(min=0, max=1, help="Leave out objects of a smaller score.")] = 0.5,
    ledger: LedgerOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """Classify images by a trained network: the most probable classes of each, as its own evaluation saw them.

    What a detector or segmenter finds (a folder of naslab train --task detection, say, or its ONNX file) is drawn on
    copies of the images.

    Example: naslab predict trained photos/ --top 3

    Example: naslab predict found street.jpg --out drawn
    """
    from naslab.dense_prediction.facts import is_detector

    if is_detector(Path(model)):
        _detect(model, images, out or Path("drawn"), least_score, device, json)
        return
    from naslab.lab.predicting import predict as run

    found = run(model, images, top=top, runtime=runtime, device=device, ledger=ledger)
    if json:
        print_json(found)
        return
    print_table(
        ("image", "class", "value"),
        [(each.file, output.name, output.value) for each in found for output in each.outputs],
    )


def _detect(model: str, images: list[Path], out: Path, least_score: float, device: str, json: bool) -> None:
    """Draw what is found, and tell of it."""
    from naslab.lab.detecting import detect

    found = detect(model, images, out=out, least_score=least_score, device=device)
    if json:
        print_json(found)
        return
    rows: list[tuple[object, ...]] = []
    for each in found:
        rows += [(each.drawn, it.name, it.score, ", ".join(f"{side:.0f}" for side in it.box)) for it in each.objects]
        rows += [(each.drawn, name, share, None) for name, share in each.shares.items()]
        if not each.objects and not each.shares:
            rows.append((each.drawn, None, None, None))
    print_table(("drawn", "class", "score or share", "box"), rows)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(predict)
