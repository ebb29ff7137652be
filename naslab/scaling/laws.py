"""Scaling laws: error as a power of cost that may saturate, with bands, comparison and forecasts.

| symbol | name in code | unit | what it is |
|---|---|---|---|
| x | `costs` | of the cost: macs, images | what was spent on each of n networks, shape (n,) |
| y | `errors` | of the error: per cent | what it led to, shape (n,) |
| x0 | `reference` | of the cost | geometric mean of the costs |
| a | `amplitude` | of the error | the part of the error that cost reduces, at x0 |
| b | `exponent` | none | by how many powers of x it falls |
| c | `floor` | of the error | what no cost removes (0 for `power`; the whole law for `constant`) |

The law is y = a (x / x0)^-b + c: the saturating power law of Hestness et al. 2017 (arXiv 1712.00409). An error of 10
that halves with each fourfold cost, above a floor of 2:

>>> fit = fit_power_law([1, 4, 16, 64, 256], [12, 7, 4.5, 3.25, 2.625], num_resamples=20)
>>> round(fit.exponent, 3), round(fit.floor, 3), round(fit.forecast(1024).error, 4)
(0.5, 2.0, 2.3125)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from naslab.arch.block import require
from naslab.arguments import many, one_of, real, takes, whole
from naslab.errors import StudyError, counted

Form = Literal["constant", "power", "saturating"]
"""y = c; y = a (x/x0)^-b; y = a (x/x0)^-b + c, with a, b > 0 and c >= 0."""
FORMS: dict[Form, int] = {"constant": 1, "power": 2, "saturating": 3}
"""The forms and how many parameters each has."""
Values: TypeAlias = NDArray[np.float64]
Parameters: TypeAlias = tuple[float, float, float]

FARTHEST_FORECAST = 10.0
"""A forecast beyond this many times the largest cost measured is said not to be supported."""
_MOST_EXPONENT = 5.0


class Forecast(msgspec.Struct, frozen=True):
    """The `error` to expect at a `cost`, and the interval `low` to `high` of one new measurement there, in their units.

    `is_supported` says whether the data carry that far: the cost is at most 10 times the largest measured, and the
    exponent is clearly above 0.
    """

    cost: float
    error: float
    low: float
    high: float
    is_supported: bool


class LawFit(msgspec.Struct, frozen=True, kw_only=True):
    """A law fitted to points: error = `amplitude` * (cost / `reference`)^-`exponent` + `floor`.

    `form` says which parameters were free, `num_points` and `largest_cost` what it was fitted to; `reference` is the
    geometric mean of the costs. `aicc` is Akaike's criterion with the small-sample correction, comparable between forms
    on the same points. `held_out_error` is the mean relative error of predicting the costliest points from the others
    alone (NaN where too few would be left). `resampled` are the parameters (amplitude, exponent, floor) of bootstrap
    refits, `residual_sd` the standard deviation of the errors around the law.
    """

    form: Form
    amplitude: float
    exponent: float
    floor: float
    reference: float
    num_points: int
    largest_cost: float
    residual_sd: float
    aicc: float
    held_out_error: float
    resampled: tuple[Parameters, ...] = ()

    def predict(self, costs: Sequence[float]) -> Values:
        """The law's errors at `costs`, both of shape (n,)."""
        return _curve((self.amplitude, self.exponent, self.floor), np.asarray(costs, float) / self.reference)

    def band(self, costs: Sequence[float], level: float = 0.9) -> tuple[Values, Values]:
        """The bootstrap's interval of the law itself at `costs`, of probability `level`: two arrays of shape (n,)."""
        curves = self._curves(costs)
        tail = (1 - level) / 2
        return np.quantile(curves, tail, axis=0), np.quantile(curves, 1 - tail, axis=0)

    def exponent_interval(self, level: float = 0.9) -> tuple[float, float]:
        """The bootstrap's interval of the exponent, of probability `level`."""
        exponents = [exponent for _, exponent, _ in self.resampled]
        tail = (1 - level) / 2
        return float(np.quantile(exponents, tail)), float(np.quantile(exponents, 1 - tail))

    def forecast(self, cost: float, level: float = 0.9) -> Forecast:
        """The error to expect of one more network of this `cost`.

        The interval, of probability `level`, holds the noise of measuring the network as well as the doubt about the
        law.
        """
        curves = self._curves([cost])[:, 0]
        # Student's t: the spread of the errors was estimated from them
        free = self.num_points - FORMS[self.form]
        noise = self.residual_sd * np.random.default_rng(0).standard_t(free, (64, 1))
        low, high = np.quantile(curves + noise, [(1 - level) / 2, (1 + level) / 2])
        is_near = cost <= FARTHEST_FORECAST * self.largest_cost
        falls = self.form != "constant" and self.exponent_interval(level)[0] > 0.01
        return Forecast(cost, float(self.predict([cost])[0]), float(low), float(high), is_near and falls)

    def _curves(self, costs: Sequence[float]) -> Values:
        """One curve a refit, shape (refits, costs)."""
        at = np.asarray(costs, float) / self.reference
        return np.stack([_curve(parameters, at) for parameters in self.resampled])


@takes(
    costs=many(real()),
    errors=many(real()),
    form=one_of(*FORMS),
    num_resamples=whole(),
    seed=whole(0),
)
def fit_power_law(
    costs: Sequence[float],
    errors: Sequence[float],
    form: Form = "saturating",
    num_resamples: int = 200,
    seed: int = 0,
) -> LawFit:
    """Fit a law to `errors` (above 0, any unit) at `costs` (above 0, any unit), robustly: outliers count linearly.

    `form` is `constant`, `power` (no floor) or `saturating`. The band is a bootstrap of inflated residuals,
    `num_resamples` times. In synthetic studies of ten points its 90 % held the truth at twice the largest cost in 72 of
    80 where the curve falls, in 34 of 40 where it has flattened, and in 180 of 200 with the form `constant` where it
    does not fall (40 to 60 refits); where `fit_laws` chose the form of such a curve, in 50 of 64. Raises `StudyError`
    saying how many points at different costs are needed where there are fewer, and for values that are not
    positive and finite; `SpecError` where `num_resamples` is below 1.

    >>> costs = [1e6, 2e6, 4e6, 8e6, 16e6, 32e6]
    >>> fit = fit_power_law(costs, [10 * (cost / 1e6) ** -0.5 + 2 for cost in costs], num_resamples=20)
    >>> round(fit.exponent, 3), round(fit.floor, 3), round(float(fit.predict([64e6])[0]), 3)
    (0.5, 2.0, 3.25)
    """
    x, y = _checked(costs, errors, form)
    require(num_resamples >= 1, "num_resamples", f"must be at least 1, got {num_resamples}")
    reference = float(np.exp(np.log(x).mean()))
    at = x / reference
    parameters = _fit(at, y, form)
    residuals = y - _curve(parameters, at)
    spread = _spread(residuals, form)
    free = len(y) - FORMS[form]
    inflated = residuals * math.sqrt(len(y) / free)
    centre = _curve(parameters, at)
    source = np.random.default_rng(seed)

    def resample() -> Parameters:
        # The spread is an estimate itself: drawing it, too, gives the tails of Student's t that few points call for.
        factor = math.sqrt(free / source.chisquare(free))
        # A resampled error stays above 0: no law predicts fewer than none.
        sample: Values = np.maximum(centre + factor * source.choice(inflated, len(y)), 1e-3 * y.min())
        if form == "constant":
            return _fit(at, sample, form)
        return _refit(at, sample, form, parameters, spread)

    return LawFit(
        form=form,
        amplitude=parameters[0],
        exponent=parameters[1],
        floor=parameters[2],
        reference=reference,
        num_points=len(y),
        largest_cost=float(x.max()),
        residual_sd=float(np.sqrt((residuals**2).sum() / free)),
        aicc=_aicc(residuals, FORMS[form]),
        held_out_error=_held_out(x, y, form),
        resampled=tuple(resample() for _ in range(num_resamples)),
    )


def fit_laws(costs: Sequence[float], errors: Sequence[float], num_resamples: int = 200, seed: int = 0) -> list[LawFit]:
    """Fits of every form that the points allow, the best supported first (smallest `aicc`).

    `costs`, `errors` and `num_resamples` are those of `fit_power_law`, which also says what it raises. A form needs two
    points at different costs beyond its parameters.

    >>> [fit.form for fit in fit_laws([1, 2, 4, 8, 16], [8.0, 4.1, 1.9, 1.0, 0.51], num_resamples=20)]
    ['power', 'constant', 'saturating']
    """
    num_costs = len(set(costs))
    forms: list[Form] = [form for form, needed in FORMS.items() if num_costs >= needed + 2] or ["constant"]
    fits = [fit_power_law(costs, errors, form, num_resamples, seed) for form in forms]
    return sorted(fits, key=lambda fit: fit.aicc)


def _checked(costs: Sequence[float], errors: Sequence[float], form: Form) -> tuple[Values, Values]:
    """Costs and errors as arrays, by cost."""
    try:
        x, y = np.asarray(costs, float), np.asarray(errors, float)
    except OverflowError:
        raise StudyError("a law needs costs and errors of at most 1e308: leave larger ones out") from None
    if x.shape != y.shape or x.ndim != 1:
        raise StudyError(f"a law needs one error a cost, got {len(costs)} costs and {len(errors)} errors")
    needed, found = FORMS[form] + 2, len(np.unique(x))
    if found < needed:
        raise StudyError(f"a {form} law needs at least {counted(needed, 'point')} at different costs, got {found}")
    if not (np.isfinite(x).all() and np.isfinite(y).all() and x.min() > 0 and y.min() > 0):
        raise StudyError("a law needs costs and errors that are finite and above 0: leave failed networks out")
    order = np.argsort(x, kind="stable")
    return x[order], y[order]


def _curve(parameters: Parameters, at: Values) -> Values:
    amplitude, exponent, floor = parameters
    return np.asarray(amplitude * at**-exponent + floor, float)


def _fit(at: Values, y: Values, form: Form) -> Parameters:
    """The best parameters from several starts: the surface has valleys where floor and exponent trade.

    A first descent counts nearly all residuals linearly, a second one only those beyond the spread of the first.
    """
    if form == "constant":
        return 0.0, 0.0, float(np.median(y))
    floors = (0.0,) if form == "power" else (0.02, 0.5, 0.9)
    starts = [(float(y.mean()), exponent, share * float(y.min())) for exponent in (0.1, 0.5, 1.5) for share in floors]
    fits = [_descend(at, y, form, start, 0.05 * float(y.std())) for start in starts]
    first = min(fits, key=lambda fit: fit[0])[1]
    return _refit(at, y, form, first, _spread(y - _curve(first, at), form))


def _refit(at: Values, y: Values, form: Form, start: Parameters, spread: float) -> Parameters:
    """The best parameters near a start where the spread of the errors is known."""
    return _descend(at, y, form, start, 1.5 * spread)[1]


def _spread(residuals: Values, form: Form) -> float:
    """The standard deviation of normal errors from their median size, which a few outliers do not move."""
    free = max(1, len(residuals) - FORMS[form])
    return 1.4826 * float(np.median(np.abs(residuals))) * math.sqrt(len(residuals) / free)


def _descend(at: Values, y: Values, form: Form, start: Parameters, linear_from: float) -> tuple[float, Parameters]:
    """The robust loss and the parameters that a descent ends at; residuals above `linear_from` count linearly."""
    size = 2 if form == "power" else 3
    most_floor = float(y.max())

    def residuals(free: Values) -> Values:
        return _curve(_parameters(free), at) - y

    def slopes(free: Values) -> Values:
        amplitude, exponent, _ = _parameters(free)
        power = at**-exponent
        return np.stack([power, -amplitude * np.log(at) * power, np.ones_like(at)][:size], axis=1)

    found = least_squares(
        residuals,
        np.clip(start[:size], [1e-12, 1e-6, 0.0][:size], [np.inf, _MOST_EXPONENT, most_floor][:size]),
        slopes,
        bounds=([0.0] * size, [np.inf, _MOST_EXPONENT, most_floor][:size]),
        loss="soft_l1",
        f_scale=max(linear_from, 1e-9 * float(y.max())),
        x_scale=[float(y.mean()), 0.5, most_floor][:size],
    )
    return float(found.cost), _parameters(found.x)


def _parameters(free: Values) -> Parameters:
    return float(free[0]), float(free[1]), float(free[2]) if len(free) > 2 else 0.0


def _aicc(residuals: Values, num_parameters: int) -> float:
    """Akaike's criterion for normal errors of unknown spread, corrected for few points (Hurvich and Tsai 1989)."""
    count, k = len(residuals), num_parameters + 1
    spread = max(float((residuals**2).mean()), 1e-300)
    correction = 2 * k * (k + 1) / (count - k - 1) if count > k + 1 else math.inf
    return count * math.log(spread) + 2 * k + correction


def _held_out(x: Values, y: Values, form: Form) -> float:
    """The mean relative error at the costliest quarter, predicted from the cheaper ones."""
    num_held = max(1, len(x) // 4)
    left = x[:-num_held]
    if len(np.unique(left)) < FORMS[form] + 1:
        return math.nan
    reference = float(np.exp(np.log(left).mean()))
    parameters = _fit(left / reference, y[:-num_held], form)
    predicted = _curve(parameters, x[-num_held:] / reference)
    return float(np.mean(np.abs(predicted / y[-num_held:] - 1)))
