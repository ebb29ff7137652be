"""Scaling laws of a study: error against each cost or the number of images, and what the law forecasts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from naslab.analysis.law_points import (
    CHOICES,
    LAW_METRICS,
    NEEDED,
    LawPoint,
    chosen_outcomes,
    holds_numbers_of_images,
    points_over_costs,
    points_over_images,
)
from naslab.analysis.study import StudyView
from naslab.arch.spec import ArchSpec
from naslab.errors import SpecError, StudyError, UnknownNameError
from naslab.metrics import COUNTED_METRICS, IMAGES, MACS, in_words
from naslab.scaling.family import Scaling
from naslab.scaling.laws import Forecast, LawFit, fit_laws

LEVEL = 0.9
_CURVE_POINTS = 48
_NEXT_MEMBERS = 3
_LARGEST_HELD_OUT_ERROR = 0.25


class NamedForecast(msgspec.Struct, frozen=True):
    """A forecast and what it is of: the next member's phi where the family has one rule, else a multiple."""

    name: str
    forecast: Forecast


class Law(msgspec.Struct, frozen=True, kw_only=True):
    """The laws of one metric, the best supported first, with curve and band of that one, and its forecasts."""

    metric: str
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
    def best_metric(self) -> str | None:
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


def scaling_laws(view: StudyView, metrics: Sequence[str] = (), of: str = "auto", num_resamples: int = 200) -> LawTable:
    """The laws of error (per cent) against each of `metrics` over the complete outcomes of `view`.

    Without `metrics`, those of every cost, or of the number of images where the study is about that. `of` says which
    networks are taken: `auto` or one of `CHOICES`; `num_resamples` is how often the bootstrap refits. Over costs only
    trainings of the study's own number of epochs count. Trainings of one network with several seeds are one point.
    Networks without any error are left out, for a power law has none.

    Raises `StudyError` saying how many points are there and needed, and `UnknownNameError` for other metrics or
    choices.
    """
    for metric in metrics:
        if metric not in LAW_METRICS:
            raise UnknownNameError("metric of a law", metric, LAW_METRICS)
    if of not in CHOICES:
        raise UnknownNameError("choice of networks", of, CHOICES)
    wanted = metrics or ((IMAGES.name,) if holds_numbers_of_images(view) else COUNTED_METRICS)
    if IMAGES.name in wanted and len(wanted) > 1:
        costs = in_words(COUNTED_METRICS)
        raise StudyError(f"a law of images is over one network, one of {costs} over many: ask apart")
    taken, points = (IMAGES.name, points_over_images(view)) if IMAGES.name in wanted else points_over_costs(view, of)
    usable = tuple(each for each in points if each.error > 0)
    if not metrics:  # whatever has enough networks, and where none has, the first tells what is missing
        wanted = tuple(each for each in wanted if _num_costs(usable, each) >= NEEDED) or wanted[:1]
    for metric in wanted:
        _require_enough(view, taken, usable, metric)
    return LawTable(
        study=view.record.name,
        dataset=view.problem.data.name,
        epochs=view.record.epochs,
        of=taken,
        points=usable,
        num_left_out=len(points) - len(usable),
        laws=tuple(_law(view, usable, metric, num_resamples) for metric in LAW_METRICS if metric in wanted),
    )


def family_law(view: StudyView) -> LawTable | None:
    """The law of the family of `view` over macs, or of its numbers of images; `None` where it has too few of both."""
    is_of_images = holds_numbers_of_images(view)
    if not is_of_images and chosen_outcomes(view, "auto")[0] != "family":
        return None
    try:
        return scaling_laws(view, (IMAGES.name if is_of_images else MACS.name,))
    except StudyError:
        return None


def _require_enough(view: StudyView, taken: str, points: Sequence[LawPoint], metric: str) -> None:
    found = _num_costs(points, metric)
    if found < NEEDED and metric == "images":
        raise StudyError(
            f"a law of images needs at least {NEEDED} numbers of them, study '{view.record.name}' has {found}: "
            f"train on {NEEDED - found} more with naslab data-law"
        )
    if found < NEEDED:
        raise StudyError(
            f"a scaling law needs at least {NEEDED} trained networks at different {metric}, study '{view.record.name}' "
            f"has {found} (networks taken: {taken}): train {NEEDED - found} more, as with naslab rescale --train"
        )


def _num_costs(points: Sequence[LawPoint], metric: str) -> int:
    return len({each.costs[metric] for each in points})


def _law(view: StudyView, points: Sequence[LawPoint], metric: str, num_resamples: int) -> Law:
    costs = [each.costs[metric] for each in points]
    fits = fit_laws(costs, [each.error for each in points], num_resamples)
    best = fits[0]
    upcoming = next_costs(view, points, metric)
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


def next_costs(view: StudyView, points: Sequence[LawPoint], metric: str) -> list[tuple[str, float]]:
    """The next members by name with their exact costs where one rule made the family, else multiples of two."""
    largest = max(each.costs[metric] for each in points)
    doubled = [(f"{2**step} x the largest", largest * 2**step) for step in range(1, _NEXT_MEMBERS + 1)]
    last = max((each.phi for each in points if math.isfinite(each.phi)), default=math.nan)
    rule = rule_of_family(view)
    if metric == "images" or rule is None or not math.isfinite(last):
        return doubled
    base, scaling = rule
    phis = [math.floor(last) + step for step in range(1, _NEXT_MEMBERS + 1)]
    try:
        costs = [float(getattr(scaling.member(base, phi).cost, metric)) for phi in phis]
    except (SpecError, OverflowError):  # the rule ends here: no such members
        return doubled
    return [(f"phi {phi:g}", cost) for phi, cost in zip(phis, costs, strict=True)] if costs[0] > largest else doubled


def rule_of_family(view: StudyView) -> tuple[ArchSpec, Scaling] | None:
    """The network and the rule that made all of a study's family; `None` where there is not one of each.

    The network itself, which is trained again where the family is trained from several seeds, was made by no rule.
    """
    origins = [each.candidate.origin for each in view.family if each.candidate.origin.get("phi") != 0.0]
    rules = {msgspec.json.encode(origin["scaling"]) for origin in origins if "scaling" in origin}
    trials = {origin.get("base_trial", 0) for origin in origins}
    bases = {each.candidate.arch for each in view.outcomes if each.candidate.trial in trials}
    if len(rules) != 1 or len(bases) != 1 or not all("scaling" in origin for origin in origins):
        return None
    return bases.pop(), msgspec.json.decode(rules.pop(), type=Scaling)


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
