"""Problem: what a search is after. A space, objectives with directions, hard limits, the data set and the recipe."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence

import msgspec

from naslab.arch.block import Spec, require
from naslab.arch.cost import Cost
from naslab.arch.spec import ArchSpec
from naslab.errors import SpecError, UnknownNameError
from naslab.metrics import (
    DETECTOR_METRICS,
    MACS,
    MICROCONTROLLER_METRICS,
    find_metric,
    is_declared,
    is_described,
    metrics,
    named_at,
    named_metric,
    names_for,
)
from naslab.outside import OutsideError, is_outside
from naslab.space import SearchSpace
from naslab.study.data_choice import DataChoice as DataChoice
from naslab.study.recipe import Recipe

DIRECTIONS = {"max": True, "min": False}
THOUSANDS = {"": 1, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}
"""What the letter behind a bound multiplies it by."""


def read_number(text: str) -> float:
    """The number in `text`, where k or K, M or G behind it stand for thousands, millions and thousands of millions.

    Raises `ValueError` for anything else.

    >>> read_number("50M"), read_number("1.5 G"), read_number("500K")
    (50000000.0, 1500000000.0, 500000.0)
    """
    letter = text[-1:] if text[-1:] in THOUSANDS else ""
    return float(text.removesuffix(letter)) * THOUSANDS[letter]


class Objective(Spec, frozen=True):
    """A `metric`, by its name, to make as large as possible where `maximise` holds, else as small."""

    metric: str
    maximise: bool

    @classmethod
    def named(cls, metric: str) -> Objective:
        """The objective that a metric's name stands for, in the metric's own direction: accuracy up, every cost down.

        A metric that nobody declared comes with its direction, as `f1:max` or `loss:min`; one of the user's own may be
        named by its row, as `my_code:ENERGY`. Raises `UnknownNameError` for an unknown name without a direction,
        `SpecError` for a direction that is none, or not the declared metric's own, and for a row that is none.

        >>> Objective.named("macs"), Objective.named("f1:max")
        (Objective(metric='macs', maximise=False), Objective(metric='f1', maximise=True))
        """
        if named_at(metric) is not None:
            return cls(metric=metric, maximise=find_metric(metric).maximise)
        name, colon, direction = metric.partition(":")
        if is_outside(metric) and direction not in DIRECTIONS:
            try:
                row = named_metric(metric)
            except OutsideError as error:
                rule = f"must look like 'f1:max' or 'f1:min', got '{metric}', which is no metric of yours either"
                raise SpecError("objective", f"{rule}: {error.rule}") from None
            return cls(metric=row.name, maximise=row.maximise)
        if not colon:
            if not is_declared(name) and re.fullmatch(r"[A-Za-z_]\w*", name):
                mend = f"a number that your own estimator returns needs its direction, as {name}:max or {name}:min"
                raise UnknownNameError("objective", name, names_for(name), mend)
            return cls(metric=name, maximise=find_metric(name, "objective").maximise)
        is_right = direction in DIRECTIONS and re.fullmatch(r"[A-Za-z_]\w*", name)
        require(bool(is_right), "objective", f"must look like 'f1:max' or 'f1:min', got '{metric}'")
        maximise = DIRECTIONS[direction]
        if is_declared(name) and find_metric(name).maximise != maximise:
            raise SpecError("objective", f"{name} is made {'small' if maximise else 'large'}, got '{metric}'")
        return cls(metric=name, maximise=maximise)

    @classmethod
    def of_score(cls, metric: str) -> Objective:
        """The objective on the number by which an estimator ranks networks: larger is better.

        >>> Objective.of_score("naswot")
        Objective(metric='naswot', maximise=True)
        """
        return cls(metric=metric, maximise=True)

    def loss(self, value: float) -> float:
        """The `value` with the sign by which smaller is better."""
        return -value if self.maximise else value


class Limit(Spec, frozen=True):
    """A hard bound on what the description of a network tells, met before anything is trained.

    `metric` is the name of one that is known from the description; `most` is its upper bound, `least` its lower one.
    """

    metric: str
    most: float = math.inf
    least: float = -math.inf

    @classmethod
    def parse(cls, text: str) -> Limit:
        """A limit as written on the command line: a metric, `<=` or `>=`, and a positive bound, as 50e6, 50M or 1.5G.

        Metrics may be known from the description, or measured on the untrained network, also the user's own, as
        `my_code:ENERGY<=5`. Raises `OutsideError` for a row that is none, `UnknownNameError` for a
        metric that no limit may bound, `SpecError` for a bound that is none.

        >>> Limit.parse("macs<=50M")
        Limit(metric='macs', most=50000000.0, least=-inf)
        """
        name, text = _named(text)
        if name is not None:
            is_declared(name)  # a published one is declared by this
        found = cls._read(
            text, [row.name for row in (*metrics(), *MICROCONTROLLER_METRICS, *DETECTOR_METRICS)], is_any=True
        )
        row = find_metric(found.metric)
        if not row.is_limitable:
            told = f"is known after training, so that it limits the front: naslab pareto STUDY --limit '{found}'"
            raise SpecError("limit", f"{row.name} {told}")
        return found

    @property
    def is_described(self) -> bool:
        """Whether the description alone tells whether a network meets it."""
        return is_described(self.metric)

    @classmethod
    def on_results(cls, text: str, known: Collection[str]) -> Limit:
        """A limit on what trials have, described or measured, for a front; `known` are the names that they have.

        Raises `UnknownNameError` for another name, `SpecError` for a bound that is none.

        >>> str(Limit.on_results("accuracy>=90", ["accuracy", "macs"]))
        'accuracy>=90'
        """
        return cls._read(text, known)

    @classmethod
    def preferred(cls, text: str, objectives: Sequence[Objective]) -> Limit:
        """A preference for a part of the front: a bound on one of several `objectives`, from the side that is better.

        It is no limit: a network beyond it is trained like others, and ranks behind those within it. Raises
        `UnknownNameError` for what is no objective, `SpecError` for a bound that is none, and where there is one
        objective alone.

        >>> str(Limit.preferred("accuracy>=90", (Objective.named("accuracy"), Objective.named("macs"))))
        'accuracy>=90'
        """
        goals = {goal.metric: goal for goal in objectives}
        found = cls._read(text, list(goals), of="prefer")
        rule = f"chooses a part of a front, and of one objective alone ({found.metric}) there is none: leave it out"
        require(len(goals) > 1, "prefer", rule)
        is_up = found.least > -math.inf
        if goals[found.metric].maximise != is_up:
            side = ">=" if goals[found.metric].maximise else "<="
            made = "large" if goals[found.metric].maximise else "small"
            raise SpecError("prefer", f"{found.metric} is made {made}: write {found.metric}{side}..., got '{found}'")
        return found

    @property
    def bound(self) -> float:
        """The bound, of whichever side."""
        return self.most if self.most < math.inf else self.least

    @classmethod
    def _read(cls, text: str, known: Collection[str], is_any: bool = False, of: str = "limit") -> Limit:
        match = re.fullmatch(r"\s*(\w+(?:@.*?\S)?)\s*(<=|>=)\s*([0-9.eE+_-]+ ?[kKMG]?)\s*", text)
        try:
            assert match is not None
            bound = read_number(match[3])
        except (AssertionError, ValueError):
            raise SpecError(of, f"must look like 'macs<=50e6', got '{text}'") from None
        if match[1].lower() in ("flops", "mult_adds"):
            meant = "half of the floating-point operations: 50e6 flops are macs<=25e6"
            raise SpecError(of, f"what is counted here is {MACS.name}, multiplications with their additions, {meant}")
        if match[1] not in known and not (is_any and named_at(match[1]) is not None):
            raise UnknownNameError("metric of a limit" if of == "limit" else f"objective to {of}", match[1], known)
        require(math.isfinite(bound) and bound > 0, of, f"needs a positive bound, got '{text}'")
        return cls(metric=match[1], most=bound) if match[2] == "<=" else cls(metric=match[1], least=bound)

    def holds(self, value: float) -> bool:
        """Whether a `value` of the metric meets the limit; not one that was not measured."""
        return self.least <= value <= self.most

    def excess(self, arch: ArchSpec, cost: Cost) -> float:
        """By what share of the bound the network `arch` of this `cost` breaks the limit; at most 0 where it is met.

        A metric that is no field of `cost` is read from the description, and must be declared: `UnknownNameError`.
        """
        value = getattr(cost, self.metric, None)  # costs are most of what is bounded, and asked for a million times
        if value is None:
            value = find_metric(self.metric, "metric of a limit").of(arch, cost)
        return value / self.most - 1 if self.most < math.inf else 1 - value / self.least

    def __str__(self) -> str:
        return f"{self.metric}<={self.most:g}" if self.most < math.inf else f"{self.metric}>={self.least:g}"


def _named(text: str) -> tuple[str | None, str]:
    """The metric that a limit's text begins with, if any, and the text with the row's name for one from outside."""
    match = re.match(r"\s*([\w.:]+?)\s*(?=[<>]=)", text)
    if match is None or not is_outside(match[1]):
        return None if match is None else match[1], text
    name = named_metric(match[1], "metric of a limit").name
    return name, name + text[match.end() :]


class Problem(msgspec.Struct, frozen=True):
    """What a search is after. A study can be continued with an equal problem alone.

    `space` holds the candidates. `objectives` are traded against each other, the first one first where one number is
    needed. `data` says what candidates are trained on, `recipe` how. `limits` must hold of every candidate, by
    its description; `measured_limits` by what is measured of the untrained network, or it is not trained.
    `preferences` say which part of the front is searched, at most one of an objective (`Limit.preferred`).
    """

    space: SearchSpace
    objectives: tuple[Objective, ...]
    data: DataChoice
    recipe: Recipe
    limits: tuple[Limit, ...] = ()
    measured_limits: tuple[Limit, ...] = ()
    preferences: tuple[Limit, ...] = ()

    def is_feasible(self, arch: ArchSpec, cost: Cost) -> bool:
        """Whether the network `arch` of this `cost` meets every limit."""
        return all(limit.excess(arch, cost) <= 0 for limit in self.limits)

    def excess(self, arch: ArchSpec, cost: Cost) -> float:
        """The sum of the shares by which the network `arch` of this `cost` breaks the limits; 0 where all are met."""
        return sum(max(0.0, limit.excess(arch, cost)) for limit in self.limits)

    def measured_by(self, measurer: str) -> tuple[str, ...]:
        """The names of the objectives whose metrics name `measurer` as `measured_by`, such as `naslab.metrics.TIMING`.

        An objective that nobody declared is not among them.
        """
        rows = (find_metric(goal.metric) for goal in self.objectives if is_declared(goal.metric))
        return tuple(row.name for row in rows if row.measured_by == measurer)
