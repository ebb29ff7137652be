"""The `naslab` command: its parts, and what becomes of errors."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

import typer

from naslab.cli import (
    calibrate,
    compare,
    convert,
    cost,
    data_law,
    doctor,
    estimators,
    export,
    fit_scaling,
    mirror,
    pareto,
    report,
    rescale,
    scaling_law,
    search,
    show,
    spaces,
    studies,
    supernet,
    table,
    train,
    zoo,
)
from naslab.cli.many_values import spread
from naslab.errors import NaslabError, shortened, shown

app = typer.Typer(
    name="naslab",
    help="Search, measure and scale convolutional networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for each in (
    search,
    pareto,
    report,
    rescale,
    fit_scaling,
    scaling_law,
    data_law,
    compare,
    convert,
    calibrate,
    train,
    supernet,
    export,
    cost,
    show,
    spaces,
    zoo,
    estimators,
    studies,
    table,
    mirror,
    doctor,
):
    each.register(app)


MOST_OF_A_MESSAGE = 2000
"""Characters of the message that the command ends with."""


def refuse(message: str) -> NoReturn:
    """End with one message on stderr and exit code 2."""
    print(f"naslab: {shortened(message, MOST_OF_A_MESSAGE)}", file=sys.stderr)
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
