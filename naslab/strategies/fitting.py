"""What is fitted to one objective: a kernel, the scale of the losses, which scores of a prior and spreads are trusted.

A score of a prior is trusted where losses that follow it along a line are more likely than such that do not, by more
than what its slope costs: half the logarithm of the number of losses (Schwarz 1978). One that is not trusted is no
input at all, so that the model is that of a search without it. What measurements say of how sure they are is trusted
where the losses are more likely with it than with one noise for all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from naslab.strategies.gaussian_process import NO_COLUMNS, Kernel, fit_kernel, log_evidence
from naslab.strategies.uneven_noise import UnevenNoise
from naslab.strategies.warping import FIRST_ROOM, ROOMS, Warp

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]


class Fit(NamedTuple):
    """What is fitted to an objective: a kernel, `None` where it is known before training, and the room of its warp.

    `is_uneven` says whether measurements are as sure as they say (`UnevenNoise`), instead of all alike.
    """

    kernel: Kernel | None
    room: float
    is_uneven: bool = False


def fit_warped(
    parts: Sequence[NDArray[np.intp]],
    inputs: Matrix,
    scaled: Vector,
    last: int,
    scores: NDArray[np.intp] = NO_COLUMNS,
    spreads: Vector | None = None,
) -> Fit:
    """A kernel for `scaled` losses, shape (n,), on the scale of the largest evidence.

    `parts` are the columns of `inputs`, shape (n, columns), that belong together; `last` is the column of the level,
    `scores` are those of a prior, shape (scores,). `spreads`, shape (n,), say how uncertain each loss is, in any unit,
    NaN where that is not known. The scales are judged by one kernel, fitted on the first of them, and so are the scores
    and the spreads.
    """

    def fit(room: float, trusted: NDArray[np.intp], shares: Vector | float = 1.0) -> Kernel:
        return fit_kernel(parts, inputs, Warp.of(room, scaled).to(scaled), last, trusted, shares)

    def evidence(kernel: Kernel, room: float, shares: Vector | float = 1.0) -> float:
        warp = Warp.of(room, scaled)
        return log_evidence(kernel, inputs, warp.to(scaled), shares) + warp.log_slope(scaled)

    judge, trusted = fit(FIRST_ROOM, scores), scores
    while len(trusted):
        kept = trusted_scores(judge, inputs, Warp.of(FIRST_ROOM, scaled).to(scaled))
        if len(kept) == len(trusted):
            break
        judge, trusted = fit(FIRST_ROOM, kept), kept
    room = max(ROOMS, key=lambda each: evidence(judge, each))
    noise = None if spreads is None else UnevenNoise.of(room, scaled, spreads)
    if noise is not None and spreads is not None:
        shares = noise.shares(scaled, spreads)
        if evidence(judge, room, shares) > evidence(judge, room):
            return Fit(fit(room, trusted, shares), room, is_uneven=True)
    return Fit(judge if room == FIRST_ROOM else fit(room, trusted), room)


def trusted_scores(kernel: Kernel, inputs: Matrix, targets: Vector) -> NDArray[np.intp]:
    """Which of the columns that `kernel` follows along lines make `targets` more likely: shape (trusted,).

    `inputs` have the shape (n, columns), `targets` (n,). Columns are looked at from the smallest slope to the largest,
    each beside those that were kept before it and those that are still to be looked at.
    """
    margin = 0.5 * math.log(len(targets))
    best = log_evidence(kernel, inputs, targets)
    for column in kernel.sloping[np.argsort(kernel.slopes, kind="stable")]:
        without = kernel.without_slope(int(column))
        evidence = log_evidence(without, inputs, targets)
        if best - evidence < margin:
            kernel, best = without, evidence
    return kernel.sloping
