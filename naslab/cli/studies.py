"""`naslab studies`: what a ledger holds."""

from __future__ import annotations

import typer

from naslab.cli.help_text import Command
from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, print_json, print_table
from naslab.metrics import ACCURACY


def studies(ledger: LedgerOption = DEFAULT_LEDGER, json: JsonOption = False) -> None:
    """The studies of a ledger: trials finished and asked for, failures, the best accuracy.

    Example: naslab studies --ledger naslab.db
    """
    from naslab.analysis.study import read_study
    from naslab.ledger.ledger import Ledger

    rows = []
    with Ledger.open(ledger, create=False) as opened:
        for name in opened.study_names():
            view = read_study(opened, name)
            complete = [outcome for outcome in view.outcomes if outcome.is_complete]
            rows.append(
                {
                    "name": name,
                    "space": view.problem.space.name,
                    "dataset": view.problem.data.name,
                    "strategy": view.record.strategy,
                    "finished": len(view.outcomes),
                    "trials": view.record.trials,
                    "failed": len(view.outcomes) - len(complete),
                    f"best_{ACCURACY.name}": max((outcome.value(ACCURACY.name) for outcome in complete), default=None),
                }
            )
    if json:
        print_json(rows)
        return
    columns = ("name", "space", "dataset", "strategy", "finished", "trials", "failed", f"best_{ACCURACY.name}")
    print_table(columns, [tuple(row.values()) for row in rows])


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(studies)
