"""Scaling laws of a study: error against each cost, what law the points support, and what it forecasts."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Literal, get_args

import msgspec
import numpy as np

from naslab.analysis.labels import label_of
from naslab.analysis.study import StudyView
from naslab.errors import StudyError, UnknownNameError
from naslab.outcome import Outcome
from naslab.scaling.laws import FORMS, Forecast, LawFit, fit_laws

LawMetric = Literal["macs", "params", "activations"]
LAW_METRICS: tuple[LawMetric, ...] = get_args(LawMetric)
Chosen = Literal["auto", "family", "search", "baselines", "all"]
"""Which networks a law is of; `auto` takes the family where it has enough, else everything."""
CHOICES: tuple[str, ...] = get_args(Chosen)

NEEDED = FORMS["saturating"] + 2
"""Networks at different costs that a law needs."""
LEVEL = 0.9
_CURVE_POINTS = 48
_NEXT_MEMBERS = 3
_LARGEST_HELD_OUT_ERROR = 0.25


class LawPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A network with its error in per cent, the mean over its trainings; `sem` is NaN for one training."""

    label: str
    arch_id: str
    role: str
    costs: dict[str, float]
    error: float
    sem: float
    num_trainings: int
    phi: float
    rule: str


class NamedForecast(msgspec.Struct, frozen=True):
    """A forecast and what it is of: the next member's phi where the family has one rule, else a multiple."""

    name: str
    forecast: Forecast


class Law(msgspec.Struct, frozen=True, kw_only=True):
    """The laws of one metric, the best supported first, with curve and band of that one, and its forecasts."""

    metric: LawMetric
    fits: tuple[LawFit, ...]
    curve_costs: tuple[float, ...]
    curve: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    forecasts: tuple[NamedForecast, ...]

    @property
    def best(self) -> LawFit:
        """The fit that Akaike's criterion prefers."""
        return self.fits[0]

    @property
    def warnings(self) -> tuple[str, ...]:
        """Where the points do not carry a forecast."""
        best, found = self.best, []
        if best.form == "constant":
            found.append(f"the errors do not fall with {self.metric} more than chance explains: no forecast holds")
        elif best.exponent_interval(LEVEL)[0] <= 0.01:
            found.append(
                f"the exponent's interval reaches 0: the points do not show that {self.metric} lower the error"
            )
        if best.held_out_error > _LARGEST_HELD_OUT_ERROR:
            found.append(
                f"the costliest networks are missed by {best.held_out_error:.0%} from the others: do not extrapolate"
            )
        if not found and not all(each.forecast.is_supported for each in self.forecasts):
            found.append("forecasts beyond 10 times the largest network are not supported")
        return tuple(found)


class LawTable(msgspec.Struct, frozen=True, kw_only=True):
    """The points of a study and the law of each metric. `of` says which networks were taken."""

    study: str
    dataset: str
    epochs: int
    of: str
    points: tuple[LawPoint, ...]
    num_left_out: int
    laws: tuple[Law, ...]

    @property
    def best_metric(self) -> LawMetric | None:
        """The cost that explains the errors best by Akaike's criterion; `None` where none of them does."""
        falling = [law for law in self.laws if law.best.form != "constant"]
        return min(falling, key=lambda law: law.best.aicc).metric if falling else None

    def rows(self) -> dict[str, Any]:
        """The table as JSON values."""
        return {
            "study": self.study,
            "dataset": self.dataset,
            "epochs": self.epochs,
            "of": self.of,
            "num_points": len(self.points),
            "left_out": self.num_left_out,
            "best_metric": self.best_metric,
            "laws": [_law_row(law) for law in self.laws],
            "points": [
                {
                    "label": each.label,
                    "role": each.role,
                    **each.costs,
                    "error": each.error,
                    "error_sem": None if math.isnan(each.sem) else each.sem,
                    "trainings": each.num_trainings,
                }
                for each in self.points
            ],
        }


def scaling_laws(
    view: StudyView, metrics: Sequence[str] = LAW_METRICS, of: str = "auto", num_resamples: int = 200
) -> LawTable:
    """The laws of error against each metric over a study's complete outcomes of its own number of epochs.

    Trainings of one network with several seeds are one point. Networks without any error are left out, for a power
    law has none. Raises `StudyError` saying how many networks at different costs are there and needed.
    """
    for metric in metrics:
        if metric not in LAW_METRICS:
            raise UnknownNameError("metric of a law", metric, LAW_METRICS)
    if of not in CHOICES:
        raise UnknownNameError("choice of networks", of, CHOICES)
    taken, outcomes = chosen_outcomes(view, of)
    points = law_points([each for each in outcomes if each.candidate.fidelity.epochs == view.record.epochs])
    usable = tuple(each for each in points if each.error > 0)
    for metric in metrics:
        _require_enough(view, taken, usable, metric)
    return LawTable(
        study=view.record.name,
        dataset=view.problem.data.name,
        epochs=view.record.epochs,
        of=taken,
        points=usable,
        num_left_out=len(points) - len(usable),
        laws=tuple(_law(usable, metric, num_resamples) for metric in LAW_METRICS if metric in metrics),
    )


def chosen_outcomes(view: StudyView, of: str) -> tuple[str, Sequence[Outcome]]:
    """Which networks are taken, in words of `CHOICES`, and their outcomes."""
    everything = (*view.outcomes, *view.family, *view.baselines)
    # The network that a family comes from is its member at phi 0.
    family = (*view.family, *_alone(view)) if view.family else ()
    sets = {"family": family, "search": view.outcomes, "baselines": view.baselines, "all": everything}
    if of == "auto":
        of = "family" if len({each.arch_id for each in law_points(family)}) >= NEEDED else "all"
    return of, sets[of]


def law_points(outcomes: Sequence[Outcome]) -> list[LawPoint]:
    """Complete outcomes as points, one a network, by macs."""
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.is_complete and math.isfinite(outcome.value("accuracy")):
            groups[outcome.candidate.arch_id].append(outcome)
    points = [_point(group) for group in groups.values()]
    return sorted(points, key=lambda point: (point.costs["macs"], point.arch_id))


def _alone(view: StudyView) -> Sequence[Outcome]:
    """The searched outcomes, where they are all of one network: the baseline that the study's family is of."""
    return view.outcomes if len({each.candidate.arch_id for each in view.outcomes}) == 1 else ()


def _point(group: Sequence[Outcome]) -> LawPoint:
    first = group[0]
    errors = np.array([100 - each.value("accuracy") for each in group])
    return LawPoint(
        label=label_of(first),
        arch_id=first.candidate.arch_id,
        role=first.candidate.role,
        costs={metric: first.value(metric) for metric in LAW_METRICS},
        error=float(errors.mean()),
        sem=float(errors.std(ddof=1) / math.sqrt(len(errors))) if len(errors) > 1 else math.nan,
        num_trainings=len(errors),
        phi=float(first.candidate.origin.get("phi", math.nan)),
        rule=str(first.candidate.origin.get("rule", "")),
    )


def _require_enough(view: StudyView, taken: str, points: Sequence[LawPoint], metric: str) -> None:
    found = len({each.costs[metric] for each in points})
    if found < NEEDED:
        raise StudyError(
            f"a scaling law needs at least {NEEDED} trained networks at different {metric}, study '{view.record.name}' "
            f"has {found} (networks taken: {taken}): train {NEEDED - found} more, as with naslab rescale --train"
        )


def _law(points: Sequence[LawPoint], metric: LawMetric, num_resamples: int) -> Law:
    costs = [each.costs[metric] for each in points]
    fits = fit_laws(costs, [each.error for each in points], num_resamples)
    best = fits[0]
    upcoming = next_costs(points, metric)
    at = np.geomspace(min(costs), max(max(costs), *(cost for _, cost in upcoming)), _CURVE_POINTS)
    low, high = best.band(list(at), LEVEL)
    return Law(
        metric=metric,
        fits=tuple(fits),
        curve_costs=tuple(map(float, at)),
        curve=tuple(map(float, best.predict(list(at)))),
        low=tuple(map(float, low)),
        high=tuple(map(float, high)),
        forecasts=tuple(NamedForecast(name, best.forecast(cost, LEVEL)) for name, cost in upcoming),
    )


def next_costs(points: Sequence[LawPoint], metric: LawMetric) -> list[tuple[str, float]]:
    """The next members by name with their costs: further phi where one rule made the family, else multiples of two.

    The costs of further phi go on growing as they did, which rounding moves by a few per cent.
    """
    members = sorted((each.phi, each.costs[metric]) for each in points if math.isfinite(each.phi))
    phis, costs = [phi for phi, _ in members], [cost for _, cost in members]
    largest = max(each.costs[metric] for each in points)
    is_one_rule = len({each.rule for each in points if math.isfinite(each.phi)}) == 1
    rises = all(one < other for one, other in itertools.pairwise(costs))
    if len(set(phis)) < 3 or len(set(phis)) < len(phis) or not rises or not is_one_rule or largest > costs[-1]:
        return [(f"{2**step} x the largest", largest * 2**step) for step in range(1, _NEXT_MEMBERS + 1)]
    slope = np.polyfit(phis, np.log(costs), 1)[0]
    steps = [math.floor(phis[-1]) + step for step in range(1, _NEXT_MEMBERS + 1)]
    return [(f"phi {phi:g}", float(costs[-1] * math.exp(slope * (phi - phis[-1])))) for phi in steps]


def _law_row(law: Law) -> dict[str, Any]:
    best = law.best
    return {
        "metric": law.metric,
        "form": best.form,
        **_parameters(best),
        "exponent_interval": list(best.exponent_interval(LEVEL)),
        "aicc": best.aicc,
        "held_out_error": best.held_out_error,
        "residual_sd": best.residual_sd,
        "forms": [
            {"form": fit.form, "aicc": fit.aicc, "held_out_error": fit.held_out_error, **_parameters(fit)}
            for fit in law.fits
        ],
        "forecasts": [{"name": each.name, **msgspec.structs.asdict(each.forecast)} for each in law.forecasts],
        "warnings": list(law.warnings),
    }


def _parameters(fit: LawFit) -> dict[str, float]:
    return {name: getattr(fit, name) for name in ("amplitude", "exponent", "floor", "reference")}
