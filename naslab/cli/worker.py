"""`naslab worker`: join the searches of a ledger from any machine that reaches it."""

from __future__ import annotations

from typing import Annotated

import typer

from naslab.cli.help_text import Command
from naslab.cli.options import DataDirOption, DeviceOption
from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, print_json, say, tell
from naslab.errors import counted


def worker(
    study: Annotated[str | None, typer.Option(help="Work for this study alone; by default for any.")] = None,
    idle: Annotated[float, typer.Option(min=0, help="End after so many seconds without anything to do.")] = 300.0,
    device: DeviceOption = "auto",
    data_dir: DataDirOption = None,
    ledger: LedgerOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """Estimate candidates of searches that were begun with --executor ledger, on this machine, one at a time.

    Any number of workers may join and leave: a candidate whose worker is killed is estimated once more by another.
    Raises `WorkerError` where this machine has another version of naslab or torch than the search.

    Example: naslab worker --ledger postgresql://ada@db.example/lab --study digits
    """
    from naslab.lab.joining import join

    done = join(ledger, study, device, data_dir, idle, tell)
    if json:
        print_json(done._asdict())
    else:
        say(f"{done.worker} gave {counted(done.num_done, 'estimate')}, {done.num_late} came too late")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(worker)
