"""`naslab spaces`: the search spaces that are shipped."""

from __future__ import annotations

from typing import Any

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
                "input": list(space.inputs[0]) if len(space.inputs) == 1 else [list(each) for each in space.inputs],
                "num_classes": space.template["num_classes"],
            }
        )
    if json:
        print_json(rows)
        return
    print_table(
        ("name", "networks described", "holes", "input", "classes"),
        [
            (row["name"], _size(int(row["size"])), row["holes"], _input(row["input"]), row["num_classes"])
            for row in rows
        ],
    )


def _input(shape: list[Any]) -> str:
    """An input, or the first and the last of several."""
    return " x ".join(map(str, shape)) if isinstance(shape[0], int) else f"{_input(shape[0])} to {_input(shape[-1])}"


def _size(count: int) -> str:
    return f"{count:,}" if count < 10**7 else f"{count:.2e}"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(spaces)
