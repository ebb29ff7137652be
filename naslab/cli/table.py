"""`naslab table`: the trials of a study, a row each."""

from __future__ import annotations

import csv
import sys
from typing import Annotated, Any

import typer

from naslab.cli.help_text import Command
from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, print_json, print_table

SHOWN = ("trial", "state", "epochs", "wall_seconds", "operator", "parents")
"""What is shown to people beside the metrics; the rest is in the CSV and in the JSON."""


def table(
    study: Annotated[str, typer.Argument(help="The study's name.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, with every choice of the space.")] = False,
    ledger: LedgerOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """Every finished trial of a study: state, metrics, choices, cost, times, parents.

    Example: naslab table mystudy --csv > trials.csv
    """
    from naslab.analysis.trials import every_outcome, later_metrics, trial_rows
    from naslab.lab.reading import open_study
    from naslab.metrics import is_declared

    view = open_study(study, ledger)
    rows = trial_rows(view)
    if json:
        print_json(rows)
    elif as_csv:
        _print_csv(rows)
    else:
        shown = {*(goal.metric for goal in view.problem.objectives), *later_metrics(every_outcome(view))}
        numbers = [name for name in (rows[0] if rows else {}) if name in shown or is_declared(name)]
        columns = (*SHOWN[:2], *numbers, *SHOWN[2:])
        print_table(columns, [tuple(row[column] for column in columns) for row in rows], title=f"Trials of {study}")


def _print_csv(rows: list[dict[str, Any]]) -> None:
    """Rows as CSV on stdout; lists with spaces between their items, nothing for what a trial has not."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(rows[0] if rows else ())
    for row in rows:
        writer.writerow(" ".join(map(str, each)) if isinstance(each, list) else each for each in row.values())


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(table)
