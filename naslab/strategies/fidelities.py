"""Losses told at several fidelities, brought to the scale of the highest: what a short training says of a long one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

PRIOR_PAIRS = 2.0
"""How many networks the assumption counts for that a difference at one fidelity is the same at the next (slope 1)."""
LEAST_SLOPE = 0.05
"""The least slope from one fidelity to the next: a lower loss at one never predicts a higher loss at the next."""


def to_highest(losses: Vector, efforts: Vector, networks: Sequence[str]) -> Vector:
    """The losses to expect at the highest effort, shape (n,), of `losses` told at `efforts`, both of shape (n,).

    `networks` are the ids of the n networks. From each effort to the next by the line through the networks told at
    both, drawn towards a slope of 1 while they are few. The regression is upon the lower effort, so that it is right
    for all networks also where only the best went on. Efforts that share no network differ by their means. Kennedy and
    O'Hagan 2000, with one factor for each step.

    >>> to_highest(np.array([3.0, 5.0, 2.0]), np.array([1.0, 1.0, 9.0]), ["a", "b", "a"]).tolist()
    [2.0, 4.0, 2.0]
    """
    expected = losses.copy()
    names = np.asarray(networks)
    for lower, upper in pairwise(np.unique(efforts)):
        slope, offset = _line(losses, efforts == lower, efforts == upper, names)
        below = efforts <= lower
        expected[below] = offset + slope * expected[below]
    return expected


def _line(losses: Vector, is_low: NDArray[np.bool_], is_high: NDArray[np.bool_], names: NDArray[np.str_]) -> Vector:
    """Slope and offset of the losses of one effort upon those of the one below."""
    high_of = dict(zip(names[is_high].tolist(), losses[is_high].tolist(), strict=True))
    pairs = [(low, high_of[name]) for name, low in zip(names[is_low], losses[is_low], strict=True) if name in high_of]
    if not pairs:
        return np.array([1.0, losses[is_high].mean() - losses[is_low].mean()])
    low, high = np.array(pairs).T
    belief = PRIOR_PAIRS * float(losses[is_low].var())
    own = low - low.mean()
    spread = float(own @ own) + belief
    slope = max((float(own @ high) + belief) / spread, LEAST_SLOPE) if spread > 0 else 1.0
    return np.array([slope, high.mean() - slope * low.mean()])
