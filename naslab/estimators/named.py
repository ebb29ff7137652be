"""Estimators by name, as the command line and benchmarks write them: `naswot`, `short:epochs=2,images=5000`.

Every name is a row of `naslab.estimators.rows`, or leads to a user's own (`naslab.estimators.own`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from naslab.arch.block import require
from naslab.errors import SpecError, UnknownNameError
from naslab.estimators.options import LATER_OPTIONS, Options
from naslab.estimators.own import own_name, own_row
from naslab.estimators.rows import DENSE_ROWS, FORMER_NAMES, ROWS, EstimatorRow, MadeEstimator
from naslab.estimators.rows import Setting as Setting
from naslab.outside import name_of


class EstimatorName(NamedTuple):
    """An estimator asked for by name, its options read and checked; `str` writes it in its one form."""

    row: EstimatorRow
    options: Options

    def __str__(self) -> str:
        said = ",".join(
            f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}" for key, value in self._said()
        )
        return f"{self.row.name}:{said}" if said else self.row.name

    def _said(self) -> Iterable[tuple[str, Any]]:
        return msgspec.to_builtins(self.options).items()  # type: ignore[no-any-return]

    @property
    def whole(self) -> str:
        """The name with every option, also those that were not said."""
        said = msgspec.structs.asdict(self.options)
        for key in LATER_OPTIONS:
            if said.get(key) == getattr(type(self.options)(), key, None):
                said.pop(key, None)
        return f"{self.row.name} {', '.join(f'{key}={value}' for key, value in said.items())}".strip()

    @property
    def metric(self) -> str:
        """Which of `measured` ranks networks, larger for better."""
        return self.options.metric or self.row.metrics[0]

    @property
    def num_known(self) -> int:
        """How many known results a calibration teaches it."""
        return self.options.num_known

    @property
    def trains(self) -> bool:
        """Whether it trains the networks that it is given."""
        return self.row.kind == "training"

    @property
    def way(self) -> str:
        """How networks are ranked by it, in words.

        >>> read_name("naswot").way
        'ranked by the proxy naswot, nothing was trained'
        """
        if self.trains:
            return f"ranked by {self}"
        return f"ranked by {'the proxy ' if self.row.kind == 'proxy' else ''}{self}, nothing was trained"

    def make(self, setting: Setting) -> MadeEstimator:
        """The estimator for the problem and data of a `setting`. Raises `NaslabError` for what does not fit them."""
        return self.row.make(setting, self.options)


def estimator_names() -> tuple[str, ...]:
    """Every name of naslab's estimators, proxies first; those of `naslab search --task detection` and users' are more.

    >>> estimator_names()[-4:]
    ('full', 'supernet', 'predictor', 'table')
    """
    return tuple(row.name for row in ROWS)


def named(asked: str | object) -> EstimatorName:
    """The estimator that is `asked` for by name, or that is given itself: a training function, or an estimator.

    Raises what `read_name` raises.

    >>> def train_mine(network, trial): ...
    >>> named(train_mine).row.is_own, named("short").row.kind
    (True, 'training')
    """
    if isinstance(asked, str):
        return read_name(asked)
    return EstimatorName(own_row(name_of(asked), asked), Options())


def read_name(text: str) -> EstimatorName:
    """The estimator that `text` asks for, its options behind a colon, as `short:epochs=2,images=5000`.

    One of a user's, as `my_code:evaluate`, is not loaded before it is made; one of an entry point is, for its name.
    Raises `UnknownNameError` for unknown names and options, `SpecError` for values that do not fit, and `OutsideError`
    for an entry point that leads nowhere.

    >>> str(read_name("short:images=5000,epochs=2")), str(read_name("short:epochs=1"))
    ('short:epochs=2,images=5000', 'short')
    """
    name, _, rest = text.strip().partition(":")
    name = FORMER_NAMES.get(name, name)
    row = next((row for row in (*ROWS, *DENSE_ROWS) if row.name == name), None)
    if row is None:
        return EstimatorName(own_row(own_name(text.strip())), Options())
    said: dict[str, str] = {}
    for part in filter(None, (each.strip() for each in rest.split(","))):
        key, equals, value = part.partition("=")
        require(bool(equals and value), name, f"an option looks like epochs=1, got '{part}'")
        if key not in row.options.__struct_fields__:
            raise UnknownNameError(f"option of {name}", key, row.options.__struct_fields__)
        said[key] = value
    return EstimatorName(row, _checked(name, row.options, said))


def read_names(text: str) -> tuple[EstimatorName, ...]:
    """The estimators of `text`, a list with commas, options and all; each once. Raises what `read_name` raises.

    >>> [str(each) for each in read_names("short:epochs=2,images=500,naswot,ensemble")]
    ['short:epochs=2,images=500', 'naswot', 'ensemble']
    """
    parts: list[str] = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        if parts and "=" in part and ":" not in part:  # an option of the name before it
            parts[-1] += f",{part}"
        else:
            parts.append(part)
    return tuple({str(name): name for name in map(read_name, parts)}.values())


def _checked(name: str, kind: type[Options], said: dict[str, str]) -> Options:
    """Options of the types and sizes that they must have."""
    try:
        options = msgspec.convert(said, kind, strict=False)
    except msgspec.ValidationError as error:
        wanted, _, place = str(error).partition(" - at ")
        key = place.strip("`").removeprefix("$.")
        raise SpecError(f"{name}:{key}", f"{wanted[:1].lower()}{wanted[1:]}, as in {said.get(key)!r}") from None
    for key in kind.__struct_fields__:
        value = getattr(options, key)
        if isinstance(value, int | float):
            is_fit = 0 < value < math.inf
            require(is_fit, f"{name}:{key}", f"must be above 0 and finite, got {value:g}")
    return options
