"""`naslab convert`: networks from and to the notations of other projects."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from naslab.cli.help_text import Command
from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, print_json, print_table, say, tell


def convert(
    source: Annotated[
        str | None,
        typer.Argument(help="A text in a notation, a file with one, or a network as for `naslab show`."),
    ] = None,
    to: Annotated[str, typer.Option("--to", help="The notation to write: yaml, or one that is listed.")] = "yaml",
    notation: Annotated[
        str | None, typer.Option("--from", help="The notation of the source, by default the one it looks to be in.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write to this file instead of stdout.")] = None,
    resolution: Annotated[str | None, typer.Option(help="Input size: 224, or height x width as 224x160.")] = None,
    num_classes: Annotated[int | None, typer.Option(help="Number of classes.")] = None,
    ledger: LedgerOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """Networks from and to genotypes, matrices, block strings and configurations; without a source, the notations.

    Example: naslab convert '|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|none~2|' --out cell.yaml
    """
    from naslab.arch import arch_id, cost, encode
    from naslab.atomic_write import atomic_write
    from naslab.lab.notations import network_text, read_network
    from naslab.notations import NOTATIONS

    if source is None:
        rows = [
            {"name": each.name, "of": each.summary, "written": each.write is not None, "example": each.example}
            for each in NOTATIONS
        ]
        if json:
            print_json(rows)
            return
        columns = ("name", "of", "written", "example")
        print_table(columns, [(row["name"], row["of"], row["written"], row["example"]) for row in rows])
        return
    arch = read_network(source, notation, ledger, resolution, num_classes)
    total = cost(arch)
    text = network_text(arch, to)
    if out is not None:
        atomic_write(out, text)
        say(f"wrote {out}")
    if json:
        print_json({"notation": to, "text": text, "arch": encode(arch), "arch_id": arch_id(arch), "cost": total})
    elif out is None:
        tell(text.rstrip("\n"))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(convert)
