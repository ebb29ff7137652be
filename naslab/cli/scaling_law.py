"""`naslab scaling-law`: how the error of a study's networks falls with their cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from naslab.cli.fit_scaling import require_figure_name
from naslab.cli.help_text import Command
from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, print_json, print_table, quantity, say
from naslab.errors import counted
from naslab.metrics import COUNTED_METRICS, IMAGES, in_words

if TYPE_CHECKING:
    from naslab.analysis.scaling_law import Law, LawTable


def scaling_law(
    study: Annotated[str, typer.Argument(help="The study's name.")],
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help=f"{in_words(COUNTED_METRICS)}, may be repeated; {IMAGES.name} for a study of data-law. "
            "By default what fits."
        ),
    ] = None,
    of: Annotated[
        Literal["auto", "family", "search", "baselines", "all"],
        typer.Option(help="Which networks; auto takes the family where it is large enough, else all."),
    ] = "auto",
    out: Annotated[Path | None, typer.Option(help="Write the pictures to this self-contained HTML file.")] = None,
    ledger: LedgerOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """Fit laws of error against cost, compare them, and forecast the next networks.

    Example: naslab scaling-law mystudy --metric macs --out law.html
    """
    from naslab.analysis.scaling_law import scaling_laws
    from naslab.lab.reading import open_study

    require_figure_name(out)
    table = scaling_laws(open_study(study, ledger), metric or (), of)
    if out is not None:
        from naslab.figures.scaling_law import write_laws

        write_laws(table, out)
    if json:
        print_json({**table.rows(), "figure": None if out is None else str(out)})
        return
    show_laws(table)
    if out is not None:
        say(f"wrote {out}")


def show_laws(table: LawTable) -> None:
    """Each metric's best law as a row, the forecasts below, what they do not support on stderr."""
    left_out = f", {table.num_left_out} without an error left out" if table.num_left_out else ""
    print_table(
        ("metric", "law", "exponent", "90% interval", "floor %", "AICc", "held-out", "others' AICc"),
        [_law_cells(law) for law in table.laws],
        title=(
            f"{table.study}: error of {counted(len(table.points), 'network')} ({table.of}){left_out}, "
            f"{counted(table.epochs, 'epoch')}"
        ),
    )
    print_table(
        ("metric", "next", "cost", "error %", "90% interval", "supported"),
        [
            (
                law.metric,
                each.name,
                quantity(each.forecast.cost),
                f"{each.forecast.error:.2f}",
                f"{max(0.0, each.forecast.low):.2f} to {each.forecast.high:.2f}",
                "yes" if each.forecast.is_supported else "no",
            )
            for law in table.laws
            for each in law.forecasts
        ],
    )
    for law in table.laws:
        for warning in law.warnings:
            say(f"note: {law.metric}: {warning}")


def _law_cells(law: Law) -> tuple[str, ...]:
    best = law.best
    low, high = best.exponent_interval()
    return (
        law.metric,
        best.form,
        f"{best.exponent:.3g}",
        f"{low:.3g} to {high:.3g}",
        f"{best.floor:.3g}",
        f"{best.aicc:.1f}",
        "-" if best.held_out_error != best.held_out_error else f"{best.held_out_error:.1%}",
        ", ".join(f"{fit.form} {fit.aicc:.1f}" for fit in law.fits[1:]),
    )


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(scaling_law)
