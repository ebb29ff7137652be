"""The loggers by name: `tensorboard:DIR`, `mlflow:URI`, `wandb:DIR`. A new one is a file and a row."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from naslab.errors import SpecError, UnknownNameError, shown

if TYPE_CHECKING:
    from naslab.loggers.logger import Logger


class LoggerRow(NamedTuple):
    """A logger: its `name`, what `target` stands for, what it writes, the `package` and the `extra` that it needs.

    `module` holds its `open_destination`, a function of the target.
    """

    name: str
    target: str
    summary: str
    package: str
    extra: str
    module: str


ROWS: tuple[LoggerRow, ...] = (
    LoggerRow(
        "tensorboard", "DIR", "a run a trial", "tensorboard", "tensorboard", "naslab.loggers.tensorboard_destination"
    ),
    LoggerRow("mlflow", "URI", "a nested run a trial", "mlflow", "mlflow", "naslab.loggers.mlflow_destination"),
    LoggerRow("wandb", "DIR", "an offline run a trial", "wandb", "wandb", "naslab.loggers.wandb_destination"),
)


def logger_words() -> list[str]:
    """The loggers in words, for help.

    >>> logger_words()[0]
    'tensorboard:DIR (a run a trial)'
    """
    return [f"{row.name}:{row.target} ({row.summary})" for row in ROWS]


def open_logger(name: str) -> Logger:
    """The logger called `name`, such as `tensorboard:runs`; give its `show` as `on_event` to a search.

    Raises `UnknownNameError` for another name, `SpecError` where its target or its package is missing, or it
    cannot be opened.

    >>> import naslab
    >>> with open_logger("tensorboard:runs") as logger:  # doctest: +SKIP
    ...     naslab.search("digits_demo", dataset="digits", on_event=logger.show)
    """
    from naslab.loggers.logger import Logger  # which loads the ledger

    kind, colon, target = name.partition(":")
    row = next((row for row in ROWS if row.name == kind), None)
    if row is None:
        raise UnknownNameError("logger", kind, [row.name for row in ROWS])
    if not colon or not target.strip():
        raise SpecError("log", f"must say where to, as {row.name}:{row.target}, got '{shown(name)}'")
    if find_spec(row.package) is None:
        raise SpecError("log", f"{row.name} needs the package {row.package}: pip install 'naslab[{row.extra}]'")
    try:
        return Logger(import_module(row.module).open_destination(target))
    except Exception as error:  # noqa: BLE001 - the packages' own; a trace would show the address, password and all
        raise SpecError("log", f"'{shown(name)}' could not be opened ({type(error).__name__}: {error})") from None
