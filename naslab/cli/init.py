"""`naslab init`: a commented search space to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from naslab.cli.help_text import Command, completing
from naslab.cli.options import DataDirOption
from naslab.cli.output import JsonOption, print_json, say, tell
from naslab.errors import counted


def init(
    path: Annotated[Path, typer.Argument(help="The YAML file to write.")],
    dataset: Annotated[
        str,
        typer.Option(
            help="Data to search on: {datasets}.", rich_help_panel="Space", autocompletion=completing("datasets")
        ),
    ] = "cifar10",
    target_macs: Annotated[
        str | None,
        typer.Option(help="Half of the networks are within it, as 50M.", rich_help_panel="Space"),
    ] = None,
    data_dir: DataDirOption = None,
    json: JsonOption = False,
) -> None:
    """Write a commented search space for a data set and a budget, to begin your own with.

    Example: naslab init mine.yaml --dataset image_folder:photos@64 --target-macs 50M
    """
    from naslab.lab.starting import write_starter

    starter = write_starter(path, dataset, target_macs, data_dir)
    if json:
        size = starter.space.size()
        print_json({"file": str(path), "size": size, "median_macs": starter.median_macs, "dataset": dataset})
        return
    tell(
        f"{path}: {counted(starter.space.size(), 'network', form=',')}, half of them with at most "
        f"{starter.median_macs:,} macs"
    )
    most = 2 * starter.median_macs if target_macs is None else target_macs
    say(f"next: naslab search {path} --dataset {dataset} --trials 50 --limit 'macs<={most}'")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(init)
