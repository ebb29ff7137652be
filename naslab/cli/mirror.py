"""`naslab mirror`: a study in a storage of Optuna."""

from __future__ import annotations

from typing import Annotated

import typer

from naslab.cli.help_text import Command
from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, print_json, tell
from naslab.errors import counted


def mirror(
    study: Annotated[str, typer.Argument(help="The study's name.")],
    storage: Annotated[str, typer.Option(help="An Optuna storage, as 'sqlite:///optuna.db'; made if it is not there.")],
    ledger: LedgerOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """Copy a study into an Optuna storage, for optuna-dashboard and Optuna's plots. Run again, it adds what is new.

    Example: naslab mirror mystudy --storage sqlite:///optuna.db
    """
    from naslab.lab.reading import open_study
    from naslab.optuna_edge import mirror_study

    view = open_study(study, ledger)
    mirrored = mirror_study(view, storage)
    if json:
        print_json({"study": mirrored.study, "added": mirrored.num_added, "trials": mirrored.num_trials})
        return
    tell(f"study {mirrored.study}: {counted(mirrored.num_added, 'trial')} added, {mirrored.num_trials} in all")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(mirror)
