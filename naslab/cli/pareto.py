"""`naslab pareto`: the front of a study, as a table and as a picture."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, print_json, print_table, say, tell
from naslab.metrics import ACCURACY, MACS, OWN_METRICS, SHOWN_METRICS, shown_as

if TYPE_CHECKING:
    from naslab.analysis.front import FrontTable


KNOWN = ", ".join(row.name for row in OWN_METRICS)


def pareto(
    study: Annotated[str, typer.Argument(help="The study's name.")],
    x: Annotated[str, typer.Option(help=f"The metric along the x axis: {KNOWN}.")] = MACS.name,
    y: Annotated[
        str | None,
        typer.Option(
            help="The metric along the y axis, with its direction where naslab does not know it, as f1:max.",
            show_default=f"{ACCURACY.name}, or the score of the study's estimator",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the picture to this self-contained HTML file.")] = None,
    ledger: LedgerOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """The Pareto front of a study: what no other candidate beats in both metrics, and the hypervolume under it.

    Example: naslab pareto mystudy --x params --out front.html
    """
    from naslab.analysis.ranking import score_of
    from naslab.lab.reading import front_figure, open_study, pareto_front

    view = open_study(study, ledger)
    up = y or score_of(view.record)
    table = pareto_front(view, (up,) if y is None and up == x else (up, x))
    if out is not None:
        from naslab.figures.write import write_figure

        write_figure(front_figure(view, x, up), out)
        say(f"wrote {out}")
    if json:
        print_json(table.rows())
    else:
        print_front(table, f"Pareto front of {study}: {up} against {x}")


def print_front(table: FrontTable, title: str) -> None:
    """The front as a table, with the hypervolume and its reference point."""
    metrics = [objective.metric for objective in table.objectives]
    others = [row.name for row in SHOWN_METRICS if row.name not in metrics]
    if not any(math.isfinite(point.value(ACCURACY.name)) for point in table.points):
        others = [name for name in others if name != ACCURACY.name]
    print_table(
        ("trial", *metrics, *others, "network"),
        [
            (
                point.label,
                *(shown_as(name).cell(point.value(name)) for name in metrics + others),
                "; ".join(point.stages),
            )
            for point in table.front
        ],
        title=title,
    )
    corner = ", ".join(f"{metric} {value:g}" for metric, value in zip(metrics, table.reference.values, strict=True))
    tell(f"hypervolume {table.hypervolume_share:.4f} of the box between {corner} and the ideal")
    if table.num_lower:
        tell(f"{table.num_lower} networks stayed below {table.points[0].epochs} epochs and are not compared")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(pareto)
