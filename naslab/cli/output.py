"""What commands print: one JSON value on stdout, or tables for people; everything else goes to stderr."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from naslab.lab.search_options import TOLD
from naslab.passwords import without_passwords

if TYPE_CHECKING:
    from naslab.arch import ArchSpec

JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON value on stdout and nothing else.", rich_help_panel="Output"),
]
LedgerOption = Annotated[
    str,
    typer.Option(
        "--ledger",
        envvar="NASLAB_LEDGER",
        help=TOLD["ledger"].help,
        show_default=True,
        rich_help_panel=TOLD["ledger"].panel,
    ),
]
DEFAULT_LEDGER = "naslab.db"


def print_json(value: Any) -> None:
    """One JSON value on stdout, without passwords; numbers that are not finite become null."""
    text = msgspec.json.format(msgspec.json.encode(_printable(msgspec.to_builtins(value))), indent=2)
    sys.stdout.write(text.decode() + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
    """A table for people on stdout; numbers are aligned to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    heading = None if title is None else without_passwords(title)
    table = Table(
        title=heading,
        title_justify="left",
        box=None,
        header_style="bold",
        pad_edge=False,
    )
    shown = [[_cell(value) for value in row] for row in rows]
    for index, column in enumerate(columns):
        numeric = all(_is_number(row[index]) for row in shown)
        table.add_column(column, justify="right" if numeric and shown else "left", overflow="fold")
    for row in shown:
        table.add_row(*(Text(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def say(text: str) -> None:
    """A line for people on stderr."""
    print(without_passwords(text), file=sys.stderr)


def ask(question: str) -> str:
    """The line that is typed in answer to `question`, without spaces around it; asked where somebody sees it.

    The question is printed on stderr, and only where stdin is a terminal.
    """
    if sys.stdin.isatty():
        print(without_passwords(question), end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


def tell(text: str = "") -> None:
    """A line for people on stdout."""
    print(without_passwords(text))


def idle_strides_note(arch: ArchSpec) -> str:
    """What is to be said of strides of a network that have no effect: its map is a single position before them."""
    from naslab.arch.summary import idle_strides

    places = idle_strides(arch)
    if not places:
        return ""
    height, width = arch.input[1:]
    few = ", ".join(places[:4]) + (", ..." if len(places) > 4 else "")
    return f"note: on an input of {height} x {width} the stride of {few} has no effect, the map is 1 x 1 before it"


def say_idle_strides(arch: ArchSpec) -> None:
    """A line on stderr where strides of a network have no effect."""
    if note := idle_strides_note(arch):
        say(note)


def quantity(value: float) -> str:
    """A count with three significant digits and its unit prefix.

    >>> quantity(385_814_752), quantity(24), quantity(5_288_548)
    ('386 M', '24', '5.29 M')
    """
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            scaled = value / size
            digits = max(0, 2 - int(math.log10(abs(scaled))))
            return f"{scaled:.{digits}f} {unit}"
    return f"{value:g}"


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return f"{value:,}" if is_number else without_passwords(str(value))


def _is_number(cell: str) -> bool:
    return cell == "-" or cell.replace(",", "").replace(".", "").replace("-", "").replace("%", "")[:1].isdigit()


def _printable(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        return without_passwords(value)
    if isinstance(value, dict):
        return {key: _printable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(each) for each in value]
    return value
