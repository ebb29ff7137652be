"""Problem: what a search is after. A space, objectives with directions, hard limits, the data set and the recipe."""

from __future__ import annotations

import math
import re
from typing import Literal, get_args

import msgspec

from naslab.arch.block import Spec, require
from naslab.arch.cost import Cost
from naslab.errors import SpecError, UnknownNameError
from naslab.space import SearchSpace
from naslab.study.data_choice import DataChoice as DataChoice
from naslab.study.recipe import Recipe

AnalyticMetric = Literal["macs", "params", "activations", "peak_activation_bytes"]
"""What the description alone tells, before any training."""
MeasuredMetric = Literal["accuracy", "latency_ms"]
"""What only an estimate tells: validation accuracy in per cent, milliseconds of a forward pass of one image."""
Metric = AnalyticMetric | MeasuredMetric

ANALYTIC_METRICS: tuple[str, ...] = get_args(AnalyticMetric)
METRICS: tuple[str, ...] = (*get_args(MeasuredMetric), *ANALYTIC_METRICS)
MAXIMISED_METRICS: tuple[str, ...] = ("accuracy",)


class Objective(Spec, frozen=True):
    """A metric to make as large or as small as possible."""

    metric: str
    maximise: bool

    @classmethod
    def named(cls, metric: str) -> Objective:
        """The objective that a metric's name stands for: accuracy up, every cost down.

        >>> Objective.named("macs")
        Objective(metric='macs', maximise=False)
        """
        if metric not in METRICS:
            raise UnknownNameError("objective", metric, METRICS)
        return cls(metric=metric, maximise=metric in MAXIMISED_METRICS)

    @classmethod
    def of_score(cls, metric: str) -> Objective:
        """The objective on the number by which an estimator ranks networks: larger is better.

        >>> Objective.of_score("naswot")
        Objective(metric='naswot', maximise=True)
        """
        return cls(metric=metric, maximise=True)

    def loss(self, value: float) -> float:
        """The value as something to make small."""
        return -value if self.maximise else value


class Limit(Spec, frozen=True):
    """A hard bound on analytic cost, met before anything is trained."""

    metric: str
    most: float = math.inf
    least: float = -math.inf

    @classmethod
    def parse(cls, text: str) -> Limit:
        """A limit as written on the command line.

        >>> Limit.parse("macs<=50e6")
        Limit(metric='macs', most=50000000.0, least=-inf)
        """
        match = re.fullmatch(r"\s*(\w+)\s*(<=|>=)\s*([0-9.eE+_-]+)\s*", text)
        try:
            assert match is not None
            bound = float(match[3])
        except (AssertionError, ValueError):
            raise SpecError("limit", f"must look like 'macs<=50e6', got '{text}'") from None
        if match[1] not in ANALYTIC_METRICS:
            raise UnknownNameError("metric of a limit", match[1], ANALYTIC_METRICS)
        require(math.isfinite(bound) and bound > 0, "limit", f"needs a positive bound, got '{text}'")
        return cls(metric=match[1], most=bound) if match[2] == "<=" else cls(metric=match[1], least=bound)

    def excess(self, cost: Cost) -> float:
        """By what share of the bound the cost breaks the limit; at most 0 where it is met."""
        value = float(getattr(cost, self.metric))
        return value / self.most - 1 if self.most < math.inf else 1 - value / self.least

    def __str__(self) -> str:
        return f"{self.metric}<={self.most:g}" if self.most < math.inf else f"{self.metric}>={self.least:g}"


class Problem(msgspec.Struct, frozen=True):
    """What a search is after. Equal problems may share a study."""

    space: SearchSpace
    objectives: tuple[Objective, ...]
    data: DataChoice
    recipe: Recipe
    limits: tuple[Limit, ...] = ()

    def is_feasible(self, cost: Cost) -> bool:
        """Whether a cost meets every limit."""
        return all(limit.excess(cost) <= 0 for limit in self.limits)

    def excess(self, cost: Cost) -> float:
        """The sum of the shares by which a cost breaks the limits; 0 where all are met."""
        return sum(max(0.0, limit.excess(cost)) for limit in self.limits)
