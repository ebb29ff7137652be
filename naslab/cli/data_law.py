"""`naslab data-law`: how a network's error falls with the number of images that it is trained on."""

from __future__ import annotations

from typing import Annotated

import typer

from naslab.cli.fit_scaling import require_figure_name
from naslab.cli.help_text import Command
from naslab.cli.options import DataDirOption, ModelArgument, OutOption, StudyDatasetOption, WorkersOption
from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, print_json, say
from naslab.cli.scaling_law import show_laws


def data_law(
    model: ModelArgument,
    images: Annotated[
        list[int],
        typer.Option(
            min=2, help="Numbers of training images, as --images 500 1000 2000 4000 8000.", rich_help_panel="Data"
        ),
    ],
    dataset: StudyDatasetOption = None,
    data_dir: DataDirOption = None,
    epochs: Annotated[
        int,
        typer.Option(
            min=1,
            help="Epochs over the most images; fewer images get more, for as many steps.",
            rich_help_panel="Training",
        ),
    ] = 4,
    seeds: Annotated[
        int, typer.Option(min=1, help="Trainings of each, with different seeds.", rich_help_panel="Training")
    ] = 3,
    workers: WorkersOption = None,
    study: Annotated[
        str | None, typer.Option(help="The study's name; by default MODEL-data-law.", rich_help_panel="Study")
    ] = None,
    ledger: LedgerOption = DEFAULT_LEDGER,
    out: OutOption = None,
    json: JsonOption = False,
) -> None:
    """Train a network on different numbers of images, fit the law of its error, and forecast what more data give.

    Example: naslab data-law mystudy:best --images 500 1000 2000 4000 8000 --out data.html
    """
    from naslab.cli.progress import Display
    from naslab.execution.workers import Workers
    from naslab.lab.models import find_model
    from naslab.lab.scaling import fit_data_law

    require_figure_name(out)
    with Display(quiet=json) as display:
        table = fit_data_law(
            find_model(model, ledger),
            images=images,
            dataset=dataset,
            epochs=epochs,
            seeds=seeds,
            workers=Workers(count=workers),
            ledger=ledger,
            study=study,
            data_dir=data_dir,
            on_event=display.show,
        )
    if out is not None:
        from naslab.figures.scaling_law import write_laws

        write_laws(table, out)
    if json:
        print_json({**table.rows(), "figure": None if out is None else str(out)})
        return
    show_laws(table)
    if out is not None:
        say(f"wrote {out}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("data-law", cls=Command)(data_law)
