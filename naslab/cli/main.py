"""The `naslab` command: its parts, and what becomes of errors."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from naslab.cli.commands import LoadedCommands
from naslab.cli.many_values import spread
from naslab.cli.output import say, tell
from naslab.errors import MOST_OF_A_MESSAGE, NaslabError, shortened, shown
from naslab.passwords import without_passwords

UsageError: Any = typer.BadParameter.__base__
"""What typer raises for a command line that it cannot read; its message quotes what was typed."""


class Group(TyperGroup):
    """The commands; a command line that typer cannot read is refused in one line, without passwords."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands: Any = LoadedCommands()

    def make_context(self, *given: Any, **more: Any) -> Any:
        with _refused_in_one_line():
            return super().make_context(*given, **more)

    def invoke(self, ctx: Any) -> Any:
        with _refused_in_one_line():
            return super().invoke(ctx)


@contextmanager
def _refused_in_one_line() -> Iterator[None]:
    try:
        yield
    except UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # the help where nothing was asked for
            raise
        told = " ".join(error.format_message().split()).removesuffix(".")
        place = "naslab" if error.ctx is None else error.ctx.command_path
        raise NaslabError(f"{without_passwords(told)}; see {place} --help") from None


app = typer.Typer(
    name="naslab",
    cls=Group,
    help="Search, measure and scale convolutional networks.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version as installed

        tell(f"naslab {installed('naslab')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Search, measure and scale convolutional networks."""


def refuse(message: str) -> NoReturn:
    """End with one message on stderr and exit code 2."""
    say(f"naslab: {shortened(without_passwords(message), MOST_OF_A_MESSAGE)}")
    sys.exit(2)


def run() -> None:
    """Entry point. A `NaslabError` is one message on stderr and exit code 2, an interrupt exit code 130."""
    for each in sys.argv[1:]:
        if not each.isascii() and any("\ud800" <= letter <= "\udfff" for letter in each):
            refuse(f"an argument is no text in UTF-8, got {shown(each)}")
    try:
        app(args=spread(sys.argv[1:]))
    except NaslabError as error:
        refuse(str(error))
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        refuse(f"cannot use {shown(str(error.filename or 'a file'))}: {error.strerror or error}")
    except MemoryError:
        refuse("the memory does not hold this: take a smaller network, batch or file")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
