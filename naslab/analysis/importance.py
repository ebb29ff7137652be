"""How much each choice matters to an objective, by a model of the outcomes, and how far that model can be trusted.

A Gaussian process learns the objective from the choices alone. A choice matters as much as the model's predictions
change when its options are shuffled between the networks that make it (Breiman 2001, permutation importance). Whether
the model is right is asked by leaving each network out in turn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from naslab.analysis.front import widest
from naslab.analysis.preferences import place_in_words
from naslab.ledger.genomes import require_genomes_of
from naslab.space import SearchSpace
from naslab.space.genome import Hole
from naslab.strategies.gaussian_process import Belief, Kernel, Posterior, fit_kernel
from naslab.study.outcome import Outcome
from naslab.study.problem import Objective

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

LEAST_NETWORKS = 12
"""Fewer networks say nothing about choices."""
MOST_NETWORKS = 160
LEAST_EXPLAINED = 0.2
"""A model that explains less of the variance of networks left out says nothing about choices."""
NUM_SHUFFLES = 20
HALF_WIDTHS = {50: 0.6744897501960817, 90: 1.6448536269514722}
"""Deviations to either side that hold 50 and 90 per cent of a normal distribution."""


class Importance(msgspec.Struct, frozen=True, kw_only=True):
    """How much a choice matters: `share` of the predictions' variance that changes when it is shuffled.

    `sem` is the standard error over shuffles. Shares of choices that work together do not add up to 1. `place` is the
    hole for people.
    """

    hole: str
    place: str
    share: float
    sem: float


class Calibration(msgspec.Struct, frozen=True):
    """How well networks left out are predicted.

    `explained` is the share of the variance of the values that the predictions explain, below 0 where they are worse
    than the mean. `coverage` says how many in 100 values lie in intervals made for 50 and 90 in 100.
    """

    explained: float
    coverage: dict[int, float]


class ImportanceTable(msgspec.Struct, frozen=True):
    """Choices from the one that matters most for one `metric`, from `num_networks` networks.

    `calibration` says how far the model that they come from is to be trusted.
    """

    metric: str
    choices: tuple[Importance, ...]
    calibration: Calibration
    num_networks: int

    @property
    def is_known(self) -> bool:
        """Whether the model predicts networks left out well enough to say anything of choices."""
        return self.calibration.explained >= LEAST_EXPLAINED


def importance(outcomes: Sequence[Outcome], objective: Objective, space: SearchSpace) -> ImportanceTable | None:
    """How much each choice of `space` matters to `objective`, from the complete `outcomes` of a search.

    `None` where fewer than 12 networks of the space have a value, or all have the same. Of more than 160 networks as
    many are taken, spread over the search.
    """
    made = [each for each in widest(outcomes) if each.candidate.genome.genes]
    measured = [each for each in made if math.isfinite(each.value(objective.metric))]
    if len(measured) > MOST_NETWORKS:
        measured = [measured[int(index)] for index in np.linspace(0, len(measured) - 1, MOST_NETWORKS)]
    values = np.array([each.value(objective.metric) for each in measured])
    if len(values) < LEAST_NETWORKS or np.ptp(values) == 0:
        return None
    require_genomes_of(space, (each.candidate for each in measured))
    inputs = np.array([space.encode(each.candidate.genome) for each in measured])
    targets = (values - values.mean()) / values.std()
    varying = np.flatnonzero(np.ptp(inputs, axis=0) > 0)
    kernel = fit_kernel((varying,), inputs, targets)
    belief = Belief(Posterior(kernel, inputs, inputs[:0]), targets, inputs[:0])
    holes = space.holes()
    found = [
        Importance(hole=hole.path, place=place_in_words(hole.path, holes), share=share, sem=sem)
        for hole, columns in zip(holes, _columns_of(holes), strict=True)
        if np.isin(columns, varying).any()
        for share, sem in [_shuffled(belief, inputs, columns)]
    ]
    ranked = tuple(sorted(found, key=lambda each: -each.share))
    return ImportanceTable(objective.metric, ranked, calibration(kernel, inputs, targets), len(values))


def calibration(kernel: Kernel, inputs: Matrix, targets: Vector) -> Calibration:
    """How well each network is predicted from all others (Rasmussen and Williams 2006, equations 5.10 to 5.12).

    `inputs` of shape (n, columns) and standardised `targets` of shape (n,), to which `kernel` was fitted.
    """
    inverse = np.linalg.inv(kernel.of_measurements(inputs))
    variance = 1.0 / np.diag(inverse)
    error = (inverse @ targets) * variance
    explained = 1.0 - float((error**2).mean() / targets.var())
    inside = {each: float((np.abs(error) <= width * np.sqrt(variance)).mean()) for each, width in HALF_WIDTHS.items()}
    return Calibration(explained, {each: 100 * share for each, share in inside.items()})


def _columns_of(holes: Sequence[Hole]) -> list[NDArray[np.intp]]:
    """The columns of every hole in the space's encoding."""
    edges = np.cumsum([0, *(1 if hole.is_ordered else len(hole.options) for hole in holes)])
    return [np.arange(first, last) for first, last in pairwise(edges)]


def _shuffled(belief: Belief, inputs: Matrix, columns: NDArray[np.intp]) -> tuple[float, float]:
    """The mean squared change of predictions over their variance when columns are shuffled, with its standard error."""
    rng = np.random.default_rng(0)
    own = inputs[:, columns]
    active = np.flatnonzero((own >= 0).all(axis=1) if len(columns) == 1 else own.any(axis=1))
    plain = belief.mean(inputs)
    mixed = np.repeat(inputs[None], NUM_SHUFFLES, axis=0)
    for each in mixed:
        each[np.ix_(active, columns)] = own[rng.permutation(active)]
    told = belief.mean(mixed.reshape(-1, inputs.shape[1])).reshape(NUM_SHUFFLES, len(inputs))
    # Two networks that swap an option each move by the difference: half of it is the choice's own variance.
    shares = 0.5 * ((told - plain) ** 2).mean(axis=1) / max(float(plain.var()), 1e-12)
    return float(shares.mean()), float(shares.std(ddof=1) / math.sqrt(NUM_SHUFFLES))
