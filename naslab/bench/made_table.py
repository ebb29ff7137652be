"""Made-up tables of knobs of mixed kinds, so that strategies are not judged on one table alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from naslab.bench.table import TableDomain, TableSpace, full_keys
from naslab.metrics import MACS
from naslab.space.genome import Hole
from naslab.study.problem import Objective

Keys = NDArray[np.int64]
NUMBERS = (4, 8, 12, 16, 24, 32, 48, 64)


def make_table(
    num_options: tuple[int, ...] = (6, 5, 4),
    num_kinds: tuple[int, ...] = (4, 3, 3, 2),
    share_absent: float = 0.1,
    objectives: tuple[str, ...] = ("score",),
    seed: int = 0,
    ruggedness: float = 0.0,
) -> TableDomain:
    """A table with ordered knobs of `num_options` values and unordered ones of `num_kinds`.

    Of its rows the share `share_absent` is left out; `objectives` are of `score` and `macs`. `score` (up, of deviation
    1) sums what each knob brings, a hump over ordered ones and anything over the others, what every two knobs bring
    together, and the logarithm of macs, the latter two of half the deviation of the first. What every three knobs bring
    together comes with `ruggedness` times the deviation of the first: no smooth model knows it before it has seen it,
    so that tables of 1 and more take hundreds of evaluations. `macs` (down) multiplies what the knobs cost; it is known
    before training, which takes time in proportion. Equal seeds make equal tables.

    >>> make_table((3, 2), (2,), share_absent=0).space.size()
    12
    """
    rng = np.random.default_rng([seed, 11])
    knobs = [Hole(path=f"number{index}", options=NUMBERS[:count]) for index, count in enumerate(num_options)]
    knobs += [Hole(path=f"kind{index}", options=tuple("abcdefgh"[:count])) for index, count in enumerate(num_kinds)]
    keys = full_keys(knobs)
    keys = keys[np.sort(rng.permutation(len(keys))[: max(2, round((1 - share_absent) * len(keys)))])]
    paired = list(zip(knobs, keys.T, strict=True))
    log_macs = np.sum([rng.uniform(0.2, 1.0, len(knob.options)).cumsum()[column] for knob, column in paired], axis=0)
    score = _own_and_joint(knobs, keys, rng) + 0.5 * _standard(log_macs)
    if ruggedness > 0:
        triples = [_table_of(three, rng) for three in combinations(keys.T, 3)]
        score += ruggedness * _standard(np.sum(triples, axis=0))
    columns = {"score": -_standard(score), MACS.name: 1e8 * np.exp(0.6 * _standard(log_macs))}
    return TableDomain(
        TableSpace(knobs, keys),
        np.stack([columns[name] for name in objectives], axis=1),
        [name == MACS.name for name in objectives],
        np.log(columns[MACS.name])[:, None],
        objectives=[Objective(metric=name, maximise=name == "score") for name in objectives],
        durations=columns[MACS.name],
    )


def make_scores(knobs: Sequence[Hole], keys: Keys, rng: np.random.Generator) -> NDArray[np.float64]:
    """A made-up result of each key, shape (rows,), of mean 0 and deviation 1: what `knobs` bring alone and in pairs.

    `keys` have the shape (rows, knobs).
    """
    return _standard(_own_and_joint(knobs, keys, rng))


def _own_and_joint(knobs: Sequence[Hole], keys: Keys, rng: np.random.Generator) -> NDArray[np.float64]:
    own = np.sum([_effect(knob, column, rng) for knob, column in zip(knobs, keys.T, strict=True)], axis=0)
    joint = np.sum([_table_of(two, rng) for two in combinations(keys.T, 2)], axis=0)
    return np.asarray(_standard(own) + 0.5 * _standard(joint))


def _effect(knob: Hole, column: Keys, rng: np.random.Generator) -> NDArray[np.float64]:
    """What a knob brings by itself, shape (rows,): a hump where it is ordered, anything where it is not."""
    if not knob.is_ordered:
        return rng.standard_normal(len(knob.options))[column]
    place = column / (len(knob.options) - 1)
    return np.asarray(-4.0 * rng.uniform(0.5, 1.5) * (place - rng.uniform(0.2, 1.0)) ** 2)


def _table_of(columns: tuple[Keys, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """What knobs bring together, anything at all: shape (rows,)."""
    return rng.standard_normal([int(column.max()) + 1 for column in columns])[columns]


def _standard(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values with mean 0 and deviation 1."""
    deviation = float(values.std())
    return np.asarray((values - values.mean()) / (deviation if deviation > 0 else 1.0))
