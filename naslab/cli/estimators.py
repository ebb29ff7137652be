"""`naslab estimators`: what can take the place of short training, with options."""

from __future__ import annotations

from typing import Any

import typer

from naslab.cli.help_text import Command
from naslab.cli.output import JsonOption, print_json, print_table, tell


def estimators(json: JsonOption = False) -> None:
    """Every estimator for `search --estimator` and `calibrate --estimators`, with its options and their defaults.

    Options stand behind the name, as in short:epochs=2,images=5000.

    Example: naslab estimators
    """
    from naslab.estimators.named import read_name
    from naslab.estimators.rows import ROWS

    rows: list[dict[str, Any]] = [
        {
            "name": row.name,
            "kind": row.kind,
            "summary": row.summary,
            "ranks_by": read_name(row.name).metric,
            "options": {key: getattr(row.options(), key) for key in row.options.__struct_fields__},
            "about_options": " ".join((row.options.__doc__ or "").split()) if row.options.__struct_fields__ else "",
        }
        for row in ROWS
    ]
    if json:
        print_json(rows)
        return
    print_table(
        ("name", "kind", "what it is", "options"),
        [(row["name"], row["kind"], row["summary"], _written(row["options"])) for row in rows],
    )
    tell()
    print_table(
        ("options of", ""),
        [(row["name"], row["about_options"]) for row in rows if row["kind"] != "proxy" or row["name"] == "ensemble"],
    )


def _written(options: dict[str, object]) -> str:
    """Options with their defaults as they are written; those without one by their name."""
    return ", ".join(key if value in (None, "") else f"{key}={value}" for key, value in options.items()) or "-"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(estimators)
