"""Networks beside the search: a rescaled family with what was asked and achieved, and baselines of the literature."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

import msgspec

from naslab.analysis.front import metrics_of, plain_metrics
from naslab.analysis.labels import label_of
from naslab.analysis.ranking import score_of
from naslab.analysis.study import StudyView
from naslab.arch.summary import describe_arch
from naslab.metrics import ACCURACY, COST_METRICS, MACS, shown_as
from naslab.scaling.scale import Factors
from naslab.study.outcome import Outcome

GAIN_DEVIATIONS = 1.96
"""A gain of fewer standard errors is what chance explains, 95 times in 100."""


class MeasuredMember(msgspec.Struct, frozen=True, kw_only=True):
    """A network of a family, or a baseline: what was asked of it, its metrics, and why it failed where it did.

    `asked` holds the cost that rescaling was to meet, by metric; `factors` what depth, width and resolution were
    multiplied with before rounding. Of a network trained with `num_seeds` seeds the metrics are means, and standard
    errors those over the seeds.
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
    num_seeds: int = 1

    def value(self, metric: str) -> float:
        """The value of `metric`, in its own unit; NaN where it was not measured."""
        return self.metrics.get(metric, math.nan)

    def expected_macs(self, base_macs: float) -> float:
        """The macs that the rule expects of it: those of the base times depth, width squared and resolution squared.

        By the rule of EfficientNet about `base_macs` times 2 to the power of phi; NaN where no factors are known.
        """
        if not self.factors:
            return math.nan
        depth, width, side = (self.factors.get(name, 1.0) for name in ("depth", "width", "resolution"))
        return base_macs * depth * width**2 * side**2


class FamilyTable(msgspec.Struct, frozen=True):
    """Members from the cheapest to the costliest, judged by `metric`."""

    members: tuple[MeasuredMember, ...]
    metric: str = ACCURACY.name

    @property
    def base(self) -> MeasuredMember | None:
        """The member at phi 0, which the others were made from; `None` where it is not among them."""
        return next((each for each in self.members if each.phi == 0), None)

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
    again = {each.candidate.arch_id for each in view.family if each.candidate.origin.get("phi") == 0}
    found = [
        _member(each) for each in view.outcomes if each.candidate.trial in bases and each.candidate.arch_id not in again
    ]
    at_zero = [msgspec.structs.replace(each, phi=0.0, label=f"phi 0 ({each.label})") for each in found]
    by_network: dict[str, list[MeasuredMember]] = {}
    for outcome in view.family:
        by_network.setdefault(outcome.candidate.arch_id, []).append(_member(outcome))
    return _table([*at_zero, *map(_over_seeds, by_network.values())], score_of(view.record))


def gain_words(table: FamilyTable) -> str:
    """What the costliest member gains over the one at phi 0, in words with its sign, and whether chance explains it.

    Empty where one of them was not measured. Two scores with standard errors are compared by their difference over its
    standard error, 1.96 of which chance explains.
    """
    base, members = table.base, table.measured
    if base is None or not members or not math.isfinite(base.value(table.metric)) or members[-1] is base:
        return ""
    last, row = members[-1], shown_as(table.metric)
    gain = last.value(table.metric) - base.value(table.metric)
    better = gain if row.maximise else -gain
    words = "gains" if better > 0 else "loses" if better < 0 else "gains nothing:"
    times = last.value(MACS.name) / base.value(MACS.name)
    spread = math.hypot(*(each.metrics.get(row.standard_error, math.nan) for each in (base, last)))
    unit = "points" if row.unit == "%" else row.unit
    amount = f"{row.number(abs(gain))}{'' if math.isnan(spread) else ' ± ' + row.number(spread)} {unit}".rstrip()
    told = f"From {base.label} to {last.label}, at {times:.3g} times the macs, {table.metric} {words} {amount}"
    seeds = f" over {last.num_seeds} seeds" if last.num_seeds > 1 else ""
    if math.isnan(spread):
        return f"{told}{seeds}; no standard error says whether that is more than chance."
    if abs(gain) <= GAIN_DEVIATIONS * spread:
        return f"{told}{seeds}: no more than chance explains (95 %)."
    return f"{told}{seeds}: more than chance explains (95 %)."


def _over_seeds(members: Sequence[MeasuredMember]) -> MeasuredMember:
    """The members that are one network trained with several seeds, as one; metrics are means of those that worked."""
    worked = [each for each in members if not each.failure]
    if len(worked) < 2:
        return worked[0] if worked else members[0]
    known = {
        name: [each.value(name) for each in worked if math.isfinite(each.value(name))] for name in worked[0].metrics
    }
    metrics = {name: fmean(values) if values else math.nan for name, values in known.items()}
    for name, values in known.items():
        error = shown_as(name).standard_error
        if error and len(values) > 1:
            metrics[error] = stdev(values) / math.sqrt(len(values))
    return msgspec.structs.replace(worked[0], metrics=metrics, num_seeds=len(worked))


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
