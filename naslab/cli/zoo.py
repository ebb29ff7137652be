"""`naslab zoo`: the networks of the literature."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from naslab.cli.output import JsonOption, print_json, print_table, say


def zoo(
    plot: Annotated[
        Path | None,
        typer.Option(help="Write accuracy against macs as a bubble chart (area: params) to this HTML file."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Every network of the zoo: family, paper, year, exact params and macs, published top-1 accuracy and its source.

    Example: naslab zoo --plot zoo.html
    """
    from naslab.analysis.zoo import zoo_table

    rows = zoo_table()
    if plot is not None:
        from naslab.figures.write import write_figure
        from naslab.figures.zoo import zoo_figure

        write_figure(zoo_figure(rows), plot)
        say(f"wrote {plot}")
    if json:
        print_json(rows)
    elif plot is None:
        print_table(
            ("name", "family", "paper", "year", "input", "params", "macs", "top-1 %", "source of top-1"),
            [
                (
                    row.name,
                    row.family,
                    row.paper,
                    str(row.year),
                    row.resolution,
                    row.params,
                    row.macs,
                    row.top1,
                    row.top1_source,
                )
                for row in rows
            ],
        )


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(zoo)
