"""Losses told at several fidelities, brought to the scale of the highest: what a short training says of a long one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

PRIOR_PAIRS = 2.0
"""How many networks the assumption counts for that a difference at one fidelity is the same at the next (slope 1)."""
LEAST_SLOPE = 0.05
"""The least slope from one fidelity to the next: a lower loss at one never predicts a higher loss at the next."""


class AtHighest(NamedTuple):
    """Losses to expect at the highest effort, and the variances of what they may be instead: two of shape (n,)."""

    losses: Vector
    doubts: Vector


def at_highest(losses: Vector, efforts: Vector, networks: Sequence[str]) -> AtHighest:
    """What to expect at the highest effort of `losses` told at `efforts`, both of shape (n,), of networks of these ids.

    From each effort to the next by the line through the networks told at both, drawn towards a slope of 1 while they
    are few. The regression is upon the lower effort, so that it is right for all networks also where only the best went
    on. Efforts that share no network differ by their means. Kennedy and O'Hagan 2000, with one factor for each step.
    Doubts are what lies beside the lines, added up; while networks are few, as much as what lies along them.

    >>> found = at_highest(np.array([3.0, 5.0, 2.0]), np.array([1.0, 1.0, 9.0]), ["a", "b", "a"])
    >>> found.losses.tolist(), found.doubts.round(2).tolist()
    ([2.0, 4.0, 2.0], [0.67, 0.67, 0.0])
    """
    expected, doubts = losses.copy(), np.zeros_like(losses)
    names = np.asarray(networks)
    for lower, upper in pairwise(np.unique(efforts)):
        line = _line(losses, efforts == lower, efforts == upper, names)
        below = efforts <= lower
        expected[below] = line.offset + line.slope * expected[below]
        doubts[below] = line.beside + line.slope**2 * doubts[below]
    return AtHighest(expected, doubts)


def to_highest(losses: Vector, efforts: Vector, networks: Sequence[str]) -> Vector:
    """The `losses` alone of `at_highest`, which names its arguments: shape (n,).

    >>> to_highest(np.array([3.0, 5.0, 2.0]), np.array([1.0, 1.0, 9.0]), ["a", "b", "a"]).tolist()
    [2.0, 4.0, 2.0]
    """
    return at_highest(losses, efforts, networks).losses


class _Line(NamedTuple):
    """Losses of one effort upon those of the one below; `beside` is the variance of what lies beside the line."""

    slope: float
    offset: float
    beside: float


def _line(losses: Vector, is_low: NDArray[np.bool_], is_high: NDArray[np.bool_], names: NDArray[np.str_]) -> _Line:
    """The line from one effort to the next."""
    high_of = dict(zip(names[is_high].tolist(), losses[is_high].tolist(), strict=True))
    pairs = [(low, high_of[name]) for name, low in zip(names[is_low], losses[is_low], strict=True) if name in high_of]
    variance = float(losses[is_low].var())
    if not pairs:
        return _Line(1.0, float(losses[is_high].mean() - losses[is_low].mean()), variance)
    low, high = np.array(pairs).T
    belief = PRIOR_PAIRS * variance
    own = low - low.mean()
    spread = float(own @ own) + belief
    slope = max((float(own @ high) + belief) / spread, LEAST_SLOPE) if spread > 0 else 1.0
    beside = high - high.mean() - slope * own
    prior = PRIOR_PAIRS * slope**2 * variance
    return _Line(
        slope, float(high.mean() - slope * low.mean()), (float(beside @ beside) + prior) / (len(pairs) + PRIOR_PAIRS)
    )
