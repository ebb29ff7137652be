"""Made-up tables of what trainings give: skewed results with collapsed networks, noise that differs, measured costs.

| kind | its results |
|---|---|
| `collapsed` | `accuracy` with a long bad tail, one network in 25 collapsed to chance, and the noise of one seed |
| `uneven_noise` | `accuracy` whose noise is large for bad networks and small for good ones |
| `measured` | `accuracy` and a `latency_ms` that is measured: half of it is told by macs, half by what no cost says |
| `three` | the same and macs, which are known before training |
| `four` | the same and params, which are known, too, and half told by macs |

Each is drawn from a made-up table of knobs (`make_table`) by a seed of its own. In a further one, `told_noise`, what a
search is shown of a network is a measurement that says how sure it is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from naslab.bench.made_table import make_scores, make_table
from naslab.bench.table import TableDomain
from naslab.errors import UnknownNameError
from naslab.metrics import ACCURACY, LATENCY, MACS, PARAMS
from naslab.study.problem import Objective

Vector = NDArray[np.float64]

CHANCE, CEILING = 1.0, 62.0
COSTS = (MACS.name, PARAMS.name)
COLLAPSED_EVERY = 25
LEAST_NOISE, MOST_NOISE = 0.1, 2.0
"""Of measurements that say how sure they are, in deviations of the table."""


def make_kind(kind: str, seed: int = 0) -> TableDomain:
    """The made-up table of a `kind`, a row of `KINDS`, by `seed`. Raises `UnknownNameError` for another one.

    >>> make_kind("measured").num_objectives
    2
    """
    if kind not in KINDS:
        raise UnknownNameError("kind of made-up table", kind, KINDS)
    base = make_table(objectives=("score", MACS.name), seed=seed)
    rng = np.random.default_rng([seed, 23])
    columns = KINDS[kind](base, rng)
    return TableDomain(
        base.space,
        np.stack(list(columns.values()), axis=1),
        is_known=[name in COSTS for name in columns],
        features=np.log(
            np.column_stack([base.losses[:, 1], *(columns[name] for name in columns if name == PARAMS.name)])
        ),
        objectives=[Objective(metric=name, maximise=name == ACCURACY.name) for name in columns],
        durations=base.durations,
    )


def told_noise(seed: int = 0, is_told: bool = True) -> TableDomain:
    """A made-up table with one measurement of each network, whose noise has a deviation of its own, drawn by `seed`.

    Deviations are log-uniform from a tenth to two of those of the table. Searches are shown the measurement, with its
    deviation where that `is_told`, and judged without the noise.

    >>> table = told_noise()
    >>> table.look_up(table.space.genome(0)).spreads == tuple(table.spreads[0])
    True
    """
    base = make_table(objectives=("score",), seed=seed)
    rng = np.random.default_rng([seed, 29])
    deviation = LEAST_NOISE * (MOST_NOISE / LEAST_NOISE) ** rng.random(len(base.losses))
    base.shown = (base.losses[:, 0] + deviation * rng.standard_normal(len(deviation)))[None]
    base.spreads = deviation[:, None] if is_told else None
    return base


def _accuracy(score: Vector) -> Vector:
    """Per cent: close to a ceiling for good scores, of a long tail for bad ones."""
    return np.asarray(np.maximum(CEILING - 14.0 * np.exp(-0.6 * score), CHANCE))


def _collapsed(base: TableDomain, rng: np.random.Generator) -> dict[str, Vector]:
    accuracy = _accuracy(-base.losses[:, 0]) + rng.standard_normal(len(base.losses))
    accuracy[rng.random(len(accuracy)) < 1 / COLLAPSED_EVERY] = CHANCE
    return {ACCURACY.name: -accuracy}


def _uneven_noise(base: TableDomain, rng: np.random.Generator) -> dict[str, Vector]:
    accuracy = _accuracy(-base.losses[:, 0])
    deviation = 0.1 + 0.15 * (CEILING - accuracy)
    return {ACCURACY.name: -(accuracy + deviation * rng.standard_normal(len(accuracy)))}


def _measured(base: TableDomain, rng: np.random.Generator) -> dict[str, Vector]:
    accuracy = _accuracy(-base.losses[:, 0]) + 0.3 * rng.standard_normal(len(base.losses))
    log_macs = np.log(base.losses[:, 1])
    told = (log_macs - log_macs.mean()) / log_macs.std()
    own = make_scores(base.space.knobs, base.space.keys, rng)
    latency = 5.0 * np.exp(0.3 * (told + own) + 0.01 * rng.standard_normal(len(own)))
    return {ACCURACY.name: -accuracy, LATENCY.name: latency}


def _three(base: TableDomain, rng: np.random.Generator) -> dict[str, Vector]:
    return {**_measured(base, rng), MACS.name: base.losses[:, 1]}


def _four(base: TableDomain, rng: np.random.Generator) -> dict[str, Vector]:
    told = np.log(base.losses[:, 1])
    own = make_scores(base.space.knobs, base.space.keys, rng)
    params = 1e6 * np.exp(0.5 * ((told - told.mean()) / told.std() + own))
    return {**_three(base, rng), PARAMS.name: params}


KINDS: dict[str, Callable[[TableDomain, np.random.Generator], dict[str, Vector]]] = {
    "collapsed": _collapsed,
    "uneven_noise": _uneven_noise,
    "measured": _measured,
    "three": _three,
    "four": _four,
}
