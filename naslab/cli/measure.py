"""`naslab measure`: latency, size and memory of a network where it will run."""

from __future__ import annotations

from typing import Annotated

import typer

from naslab.cli.help_text import Command
from naslab.cli.options import ModelArgument
from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, print_json, print_table, say


def measure(
    model: ModelArgument,
    target: Annotated[str, typer.Option(help="{targets}.")] = "torch",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="Images at once.")] = 1,
    most_spread: Annotated[
        float | None,
        typer.Option(min=0, help="Refuse an interquartile range above this share of the median; by default 0.25."),
    ] = None,
    resolution: Annotated[str | None, typer.Option(help="Input size: 224, or height x width as 224x160.")] = None,
    ledger: LedgerOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """Time a network in a target, in a process of its own on cores of its own: warm-up, then many passes.

    Example: naslab measure trained --target onnxruntime-int8 --threads 1 --json
    """
    from naslab.lab.measuring import measure as run
    from naslab.lab.models import parse_resolution
    from naslab.targets.measuring import NOTED_LOAD

    found = run(
        model,
        target,
        threads=threads,
        batch=batch,
        most_spread=most_spread,
        resolution=parse_resolution(resolution),
        ledger=ledger,
    )
    if found.other_load is not None and found.other_load > NOTED_LOAD:
        say(f"other processes kept {found.other_load:.1f} cores busy meanwhile: an idle machine is faster")
    if json:
        print_json(found)
        return
    names = [name for name in found.__struct_fields__ if getattr(found, name) is not None]
    print_table((model, ""), [(name, getattr(found, name)) for name in names])


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(measure)
