"""Networks beside the search: a rescaled family with what was asked and achieved, and baselines of the literature."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from naslab.analysis.front import metrics_of, plain_metrics
from naslab.analysis.labels import label_of
from naslab.analysis.ranking import score_of
from naslab.analysis.study import StudyView
from naslab.arch.summary import describe_arch
from naslab.metrics import ACCURACY, COST_METRICS, MACS
from naslab.scaling.scale import Factors
from naslab.study.outcome import Outcome


class MeasuredMember(msgspec.Struct, frozen=True, kw_only=True):
    """A network of a family, or a baseline: what was asked of it, its metrics, and why it failed where it did.

    `asked` holds the cost that rescaling was to meet, by metric; `factors` what depth, width and resolution were
    multiplied with before rounding.
    """

    trial: int
    arch_id: str
    label: str
    metrics: dict[str, float]
    stages: tuple[str, ...]
    epochs: int
    resolution: tuple[int, int]
    phi: float = math.nan
    asked: dict[str, float] = {}
    factors: dict[str, float] = {}
    failure: str = ""

    def value(self, metric: str) -> float:
        """The value of `metric`, in its own unit; NaN where it was not measured."""
        return self.metrics.get(metric, math.nan)


class FamilyTable(msgspec.Struct, frozen=True):
    """Members from the cheapest to the costliest, judged by `metric`."""

    members: tuple[MeasuredMember, ...]
    metric: str = ACCURACY.name

    @property
    def measured(self) -> tuple[MeasuredMember, ...]:
        """The members whose metric was measured."""
        return tuple(each for each in self.members if math.isfinite(each.value(self.metric)))

    def rows(self) -> list[dict[str, Any]]:
        """The table as JSON values, one a member."""
        return [
            {
                "trial": each.trial,
                "arch_id": each.arch_id,
                "label": each.label,
                "phi": None if math.isnan(each.phi) else each.phi,
                "asked": each.asked,
                "factors": each.factors,
                "resolution": list(each.resolution),
                "epochs": each.epochs,
                **plain_metrics(each.metrics),
                "failure": each.failure or None,
                "stages": list(each.stages),
            }
            for each in self.members
        ]


def family(outcomes: Sequence[Outcome], metric: str = ACCURACY.name) -> FamilyTable:
    """The members of a rescaled family, or the baselines, with what their origin says was asked of them.

    They are judged by `metric`, or by accuracy where none of them has that.
    """
    return _table([_member(each) for each in outcomes], metric)


def rescaled_family(view: StudyView) -> FamilyTable:
    """The family of a study with the searched networks that it was made from, as its members at phi 0."""
    bases = {each.candidate.origin.get("base_trial") for each in view.family}
    found = [_member(each) for each in view.outcomes if each.candidate.trial in bases]
    at_zero = [msgspec.structs.replace(each, phi=0.0, label=f"phi 0 ({each.label})") for each in found]
    return _table([*at_zero, *map(_member, view.family)], score_of(view.record))


def _table(members: Sequence[MeasuredMember], metric: str) -> FamilyTable:
    has_any = any(math.isfinite(each.value(metric)) for each in members)
    ordered = sorted(members, key=lambda each: (each.value(MACS.name), each.trial))
    return FamilyTable(tuple(ordered), metric if has_any else ACCURACY.name)


def _member(outcome: Outcome) -> MeasuredMember:
    candidate = outcome.candidate
    origin, failure = candidate.origin, outcome.estimate.failure
    return MeasuredMember(
        trial=candidate.trial,
        arch_id=candidate.arch_id,
        label=label_of(outcome),
        metrics=metrics_of(outcome),
        stages=tuple(describe_arch(candidate.arch)),
        epochs=candidate.fidelity.epochs,
        resolution=candidate.arch.input[1:],
        phi=float(origin.get("phi", math.nan)),
        asked=_numbers(origin, {f"target_{metric}": metric for metric in COST_METRICS}),
        factors=_numbers(origin, {name: name for name in Factors.__struct_fields__}),
        failure=f"{failure.reason}: {failure.message}" if failure is not None else "",
    )


def _numbers(origin: dict[str, Any], names: dict[str, str]) -> dict[str, float]:
    """The numbers of an origin that are there, under other names."""
    return {name: float(origin[key]) for key, name in names.items() if origin.get(key) is not None}
