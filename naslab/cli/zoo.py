"""`naslab zoo`: the networks of the literature."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from naslab.cli.help_text import Command
from naslab.cli.output import JsonOption, print_json, print_table, say, tell
from naslab.metrics import MACS, PARAMS

if TYPE_CHECKING:
    from naslab.analysis.zoo import ZooRow


def zoo(
    plot: Annotated[
        Path | None,
        typer.Option(help="Write accuracy against macs as a bubble chart (area: params) to this HTML file."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Every network of the zoo: family, paper, year, exact params and macs, published top-1 accuracy and its source.

    Below stands which families pad otherwise than their released code.

    Example: naslab zoo --plot zoo.html
    """
    from naslab.analysis.zoo import zoo_table
    from naslab.zoo.entry import SAME_WORDS

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
            ("name", "family", "paper", "year", "input", PARAMS.name, MACS.name, "top-1 %", "source of top-1"),
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
                    _source(row),
                )
                for row in rows
            ],
        )
        shifted = dict.fromkeys(row.family for row in rows if not row.has_released_windows)
        tell(f"{', '.join(shifted)}: {SAME_WORDS}")


def _source(row: ZooRow) -> str:
    """Who published the accuracy, and on which images where those are not the model's own."""
    own = row.top1_resolution == row.resolution
    return row.top1_source if own else f"{row.top1_source}, on {row.top1_resolution}"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(zoo)
