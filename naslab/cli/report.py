"""`naslab report`: everything about a study in one file that opens offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from naslab.cli.help_text import Command
from naslab.cli.output import DEFAULT_LEDGER, JsonOption, LedgerOption, print_json, say


def report(
    study: Annotated[str, typer.Argument(help="The study's name.")],
    out: Annotated[Path, typer.Option(help="The HTML file to write.")] = Path("report.html"),
    ledger: LedgerOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """Write one self-contained HTML file: the front, progress, learning curves, choices, family, failures, facts.

    Of more than 8,000 trials the page draws the front, what made the search progress, and a sample of the others.

    Example: naslab report mystudy --out report.html
    """
    from naslab.analysis.thinned import read_thinned
    from naslab.figures.report import write_report
    from naslab.ledger.ledger import Ledger

    with Ledger.open(ledger, create=False) as opened:
        view = read_thinned(opened, study)
    write_report(view, out, ledger)
    if json:
        print_json({"file": str(out), "bytes": out.stat().st_size})
    else:
        say(f"wrote {out}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=Command)(report)
