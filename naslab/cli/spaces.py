"""`naslab spaces`: the search spaces that are shipped."""

from __future__ import annotations

import typer

from naslab.cli.help_text import Command
from naslab.cli.output import JsonOption, print_json, print_table


def spaces(json: JsonOption = False) -> None:
    """The shipped search spaces with their exact sizes (conditional choices counted only where they are active).

    Example: naslab spaces
    """
    from naslab.space import load_space, space_names

    rows = []
    for name in space_names():
        space = load_space(name)
        rows.append(
            {
                "name": name,
                "size": space.size(),
                "holes": len(space.holes()),
                "input": list(space.template["input"]),
                "num_classes": space.template["num_classes"],
            }
        )
    if json:
        print_json(rows)
        return
    print_table(
        ("name", "networks described", "holes", "input", "classes"),
        [
            (row["name"], _size(int(row["size"])), row["holes"], " x ".join(map(str, row["input"])), row["num_classes"])
            for row in rows
        ],
    )


def _size(count: int) -> str:
    return f"{count:,}" if count < 10**7 else f"{count:.2e}"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(spaces)
