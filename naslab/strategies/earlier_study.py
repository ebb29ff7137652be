"""What an earlier study says of the networks of another space: by what their choices share, and by what they cost.

A Gaussian process over the earlier study's networks sees of each the options of the choices that both spaces have, and
the logarithms of its costs; what it expects of the other networks is their score. The choices of both spaces are those
of the same place; an option is the same where it reads the same, and numbers are also compared as numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from naslab.arch import cost
from naslab.metrics import COST_METRICS
from naslab.space import Genome, SearchSpace
from naslab.space.genome import Hole
from naslab.strategies.fitting import fit_warped
from naslab.strategies.gaussian_process import Belief, Posterior
from naslab.strategies.surrogate import MAX_FITTED, instructive
from naslab.strategies.warping import Scale

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]


def scores_of_transfer(
    earlier: SearchSpace, known: Sequence[Genome], losses: Vector, space: SearchSpace, genomes: Sequence[Genome]
) -> Vector:
    """The scores of `genomes` of `space`, larger for better, by the `losses` of `known` genomes of an `earlier` space.

    `losses` have the shape (known,), to be small; the scores (genomes,), in deviations of the losses.
    """
    shared = _Shared(earlier, space)
    kept = instructive(losses[:, None], MAX_FITTED)
    told = shared.inputs(earlier, [known[row] for row in kept])
    asked = shared.inputs(space, genomes)
    low = np.vstack((told, asked)).min(axis=0)
    span = np.ptp(np.vstack((told, asked)), axis=0)
    told, asked = ((each - low) / np.where(span > 0, span, 1.0) for each in (told, asked))
    varying = np.ptp(told, axis=0) > 0
    parts = [part[varying[part]] for part in shared.parts() if varying[part].any()]
    scaled = Scale.of(losses).to(losses)[kept]
    if not parts:
        return np.zeros(len(genomes))
    level = np.zeros((len(told), 1))
    fit = fit_warped(parts, np.hstack((told, level)), scaled, told.shape[1])
    assert fit.kernel is not None, "the losses are measured"
    posterior = Posterior(fit.kernel, told, asked)
    mean, _ = Belief(posterior, scaled, np.zeros((0, told.shape[1]))).predict_standing()
    return -mean


class _Shared:
    """The columns that networks of two spaces have in common."""

    def __init__(self, one: SearchSpace, two: SearchSpace) -> None:
        holes = [{hole.path: hole for hole in space.holes()} for space in (one, two)]
        self._holes = [holes[0][path] for path in holes[0] if path in holes[1]]
        self._place: dict[tuple[str, str], int] = {}
        self._number: dict[str, int] = {}
        for first in self._holes:
            for label in dict.fromkeys((*first.labels, *holes[1][first.path].labels)):
                self._place[(first.path, label)] = len(self._place)
        for first in self._holes:
            if all(_as_number(each) is not None for each in (*first.options, *holes[1][first.path].options)):
                self._number[first.path] = len(self._place) + len(self._number)
        self._num_choices = len(self._place) + len(self._number)

    def parts(self) -> list[NDArray[np.intp]]:
        """The columns of choices and those of costs."""
        return [np.arange(self._num_choices), self._num_choices + np.arange(len(COST_METRICS))]

    def inputs(self, space: SearchSpace, genomes: Sequence[Genome]) -> Matrix:
        """What is seen of `genomes` of `space`: shape (genomes, columns)."""
        holes: dict[str, Hole] = {hole.path: hole for hole in space.holes()}
        found = np.zeros((len(genomes), self._num_choices + len(COST_METRICS)))
        for row, genome in enumerate(genomes):
            for gene in genome.genes:
                hole = holes[gene.hole]
                place = self._place.get((gene.hole, hole.labels[gene.option]))
                if place is not None:
                    found[row, place] = 1.0
                if gene.hole in self._number:
                    found[row, self._number[gene.hole]] = _as_number(hole.options[gene.option])
            spent = cost(space.decode(genome))
            found[row, self._num_choices :] = [math.log1p(getattr(spent, metric)) for metric in COST_METRICS]
        return found


def _as_number(option: object) -> float | None:
    return float(option) if isinstance(option, int | float) else None
