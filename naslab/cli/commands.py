"""The commands by name, each loaded when it is asked for: one runs without what the others import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import typer

FILES = {
    "search": "search",
    "pareto": "pareto",
    "report": "report",
    "dashboard": "dashboard",
    "rescale": "rescale",
    "fit-scaling": "fit_scaling",
    "scaling-law": "scaling_law",
    "data-law": "data_law",
    "compare": "compare",
    "compare-studies": "compare_studies",
    "convert": "convert",
    "calibrate": "calibrate",
    "train": "train",
    "shrink": "shrink",
    "transfer": "transfer",
    "supernet": "supernet",
    "slice": "supernet",
    "export": "export",
    "predict": "predict",
    "measure": "measure",
    "cost": "cost",
    "show": "show",
    "init": "init",
    "list": "list",
    "spaces": "spaces",
    "zoo": "zoo",
    "estimators": "estimators",
    "studies": "studies",
    "table": "table",
    "mirror": "mirror",
    "doctor": "doctor",
    "worker": "worker",
}
"""The file of this folder that a command is in, by the command's name, in the order of the help."""


class LoadedCommands(Mapping[str, Any]):
    """Typer's commands by name, each made when it is first asked for.

    >>> commands = LoadedCommands()
    >>> commands["doctor"].name, len(commands) == len(FILES), "doktor" in commands
    ('doctor', True, False)
    """

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            part = typer.Typer(rich_markup_mode="rich", pretty_exceptions_enable=False)
            import_module(f"naslab.cli.{FILES[name]}").register(part)
            self._made.update(typer.main.get_group(part).commands)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(FILES)

    def __len__(self) -> int:
        return len(FILES)
