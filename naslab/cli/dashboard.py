"""`naslab dashboard`: the studies of a ledger in a browser, while they run."""

from __future__ import annotations

from typing import Annotated

import typer

from naslab.cli.help_text import Command
from naslab.cli.output import DEFAULT_LEDGER, LedgerOption


def dashboard(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 takes a free one.")] = 8384,
    host: Annotated[
        str, typer.Option(help="The address to listen on; others than this machine's own need the token it prints.")
    ] = "127.0.0.1",
    opens: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    ledger: LedgerOption = DEFAULT_LEDGER,
) -> None:
    """Show the studies of a ledger in a browser, live: fronts, progress, who trains what, failures, lineage.

    Nothing is written and nothing can be changed from the page. Ctrl-C ends it. Needs the extra `naslab[dashboard]`.

    Example: naslab dashboard --open
    """
    from naslab.live.serve import serve

    serve(ledger, host, port, opens, _tell)


def _tell(text: str) -> None:
    """A line on stderr as it is: the token in it is meant for who typed the command."""
    typer.echo(text, err=True)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(dashboard)
