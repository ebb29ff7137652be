"""Metric: everything that other parts of naslab read of a number that networks are judged by, in one row."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from naslab.errors import SpecError

if TYPE_CHECKING:
    from torch import nn

    from naslab.arch.cost import Cost
    from naslab.arch.spec import ArchSpec

Stage: TypeAlias = Literal["description", "before training", "after training"]
"""From when on a metric is known: from the description, from the built network, or only from the trained one."""


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """A number that networks are judged by: what it is, when and by whom it is measured, and how it is printed.

    Raises `SpecError` where fields contradict each other.

    Args:
        name: the key in `Estimate.measured`, and the word of objectives, limits, JSON and table columns.
        maximise: whether large values are good.
        stage: from when on it is known. A search's limits bound what is known before training.
        measured_by: what puts it in `Estimate.measured`; metrics of one measurement have equal words here.
        read: a function of a description and its `Cost` that gives its value; for the stage `description`, only there.
        measure: a function of an untrained torch module, its description and the name of the device that it is on; it
            gives the value in workers, for the stage `before training`, only there.
        found_in: a function of a description that says what in it the value comes of, for refusals, where one can tell.
        summary: what it is, in a line of help.
        unit: as it is written on an axis and behind a value: `%`, `ms`, `bytes`.
        per: what a value is measured on, for the axis, where the label does not say it: `one image`.
        label: what it is called on an axis; its name by default.
        words: a sentence for a value, with `{}` in its place; by default the name, the value and the unit.
        brief: the same for a line of progress, with a format (`{:.2f} %`); by default `words` with four digits.
        digits: how a value is formatted in sentences (a format specification of Python).
        places: decimals that tables round to; four significant digits where nothing is said.
        is_whole: whether values are exact integers.
        is_log: whether its axes are logarithmic, with unit prefixes.
        least, most: the bounds of its values, infinite where there are none: a hypervolume is measured between them.
        standard_error: the key of its standard error in `Estimate.measured`, drawn as error bars; empty for none.
        interquartile_range: the key of its interquartile range over repeated measurements there; empty for none.

    >>> f1 = Metric(name="f1", maximise=True, least=0.0, most=1.0, digits=".3f")
    >>> f1.title, f1.sentence(0.8125), f1.is_limitable
    ('f1', 'f1 0.812', False)
    """

    name: str
    maximise: bool
    stage: Stage = "after training"
    measured_by: str = ""
    read: Callable[[ArchSpec, Cost], float] | None = None
    measure: Callable[[nn.Module, ArchSpec, str], float] | None = None
    found_in: Callable[[ArchSpec], str] | None = None
    summary: str = ""
    unit: str = ""
    per: str = ""
    label: str = ""
    words: str = ""
    brief: str = ""
    digits: str = ".4g"
    places: int | None = None
    is_whole: bool = False
    is_log: bool = False
    least: float = -math.inf
    most: float = math.inf
    standard_error: str = ""
    interquartile_range: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z_]\w*(@.+)?", self.name):
            raise SpecError("metric.name", f"must be letters, digits and underscores, got '{self.name}'")
        if (self.read is not None) != (self.stage == "description"):
            rule = "is for a metric of the description, and that needs one"
            raise SpecError("metric.read", f"{rule}; {self.name} has the stage '{self.stage}'")
        if self.measure is not None and self.stage != "before training":
            rule = f"is for a metric of the stage 'before training', and {self.name} has the stage '{self.stage}'"
            raise SpecError("metric.measure", rule)
        if not self.least < self.most:
            raise SpecError("metric.least", f"must be below most, got {self.least:g} and {self.most:g}")
        words = self.words or f"{self.name} {{}} {self.unit}".rstrip()
        if words.count("{}") != 1:
            raise SpecError("metric.words", f"must hold {{}} once, for the value, got '{words}'")
        defaults = {"label": self.name, "words": words, "brief": words.replace("{}", "{:.4g}")}
        for field, default in defaults.items():
            msgspec.structs.force_setattr(self, field, getattr(self, field) or default)

    @property
    def is_described(self) -> bool:
        """Whether the description alone tells it, before any training."""
        return self.read is not None

    @property
    def is_limitable(self) -> bool:
        """Whether a search's limit may bound it: limits are met before anything is trained."""
        return self.stage != "after training"

    @property
    def title(self) -> str:
        """The title of its axis: the label with the unit."""
        told = ", ".join(filter(None, (self.unit, self.per)))
        return f"{self.label} ({told})" if told else self.label

    @property
    def column(self) -> str:
        """The head of a table's column: the name, with the unit where the name does not say it.

        Counts are in no unit but themselves.
        """
        is_told = not self.unit or self.is_whole or self.name.endswith(f"_{self.unit}")
        return self.name if is_told else f"{self.name} ({self.unit})"

    @property
    def keys(self) -> tuple[str, ...]:
        """The names in `Estimate.measured` that it may fill: its own, and what is measured beside it."""
        return tuple(filter(None, (self.name, self.standard_error, self.interquartile_range)))

    @property
    def ideal(self) -> float:
        """The best value that there can be, by its bounds; infinite where there is no bound."""
        return self.most if self.maximise else self.least

    def of(self, arch: ArchSpec, cost: Cost) -> float:
        """Its value for the network `arch` and its `cost`. Only for a metric of the description (`is_described`)."""
        assert self.read is not None, f"{self.name} is measured, not described"
        return self.read(arch, cost)

    def measured(self, value: float, spread: float | None = None) -> dict[str, float]:
        """A measured `value` as `Estimate.measured` holds it, under the metric's keys.

        `spread` is its standard error, or its interquartile range for a metric without one.

        >>> from naslab.metrics import ACCURACY
        >>> ACCURACY.measured(91.5, 0.3)
        {'accuracy': 91.5, 'accuracy_sem': 0.3}
        """
        beside = self.standard_error or self.interquartile_range
        return {self.name: value} if spread is None else {self.name: value, beside: spread}

    def number(self, value: float, error: float | None = None) -> str:
        """A value for people, without its unit; `error` is one standard error."""
        return f"{value:{self.digits}}" + ("" if error is None else f" ± {error:{self.digits}}")

    def sentence(self, value: float, error: float | None = None) -> str:
        """A value for people with its name and unit, by `words`; `error` is one standard error."""
        return f"{self.name} not measured" if math.isnan(value) else self.words.format(self.number(value, error))

    def cell(self, value: float) -> float | int | str | None:
        """A value for a cell of a printed table; nothing where it was not measured."""
        if not math.isfinite(value):
            return None
        if self.is_whole:
            return int(value)
        if self.digits.endswith("f"):
            return self.number(value)
        return value if self.places is None else round(value, self.places)

    def plain(self, value: float) -> float | int | None:
        """A value for JSON: counts as integers, nothing for what is not a number."""
        if not math.isfinite(value):
            return None
        return int(value) if self.is_whole else value
