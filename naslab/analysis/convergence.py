"""Whether a search converged: what its last third gained, what as many trials again may gain, and how right that was.

The expected gain comes from the surrogate of `naslab.strategies`: a Gaussian process for each objective that must be
measured, told the outcomes of the search. Networks that were not tried are drawn by the process all at once, with the
noise of a measurement, and the hypervolume with them is compared with that without. Which networks would be tried is
not known; those taken have the largest expected gain among random ones and mutants of the front, as a search by this
surrogate would. The same was asked after a quarter and half of the trials, and is shown beside what came.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from naslab.analysis.front import FrontTable, front, losses_of, widest
from naslab.analysis.progress import ProgressTable
from naslab.analysis.reference import ReferencePoint
from naslab.errors import counted
from naslab.pareto import hypervolume, is_non_dominated
from naslab.space import Genome
from naslab.strategies.acquisition import expected_hypervolume_improvement
from naslab.strategies.candidates import Candidates, Catalogue
from naslab.strategies.domain import ArchDomain
from naslab.strategies.gaussian_process import Belief, Kernel, Posterior, fit_kernel
from naslab.strategies.surrogate import instructive
from naslab.strategies.warping import Scale
from naslab.study.outcome import Outcome
from naslab.study.problem import Problem

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

LEAST_NETWORKS = 16
"""Fewer networks teach a model nothing."""
MOST_TOLD = 160
MOST_AGAIN = 128
"""As many networks stand for the trials to come; where more would, the gain is that of as many."""
MUTANTS = 96
DRAWS = 64
HALF_WIDTH = 1.645
"""Deviations on either side of 90 % of a normal distribution."""


class Expected(NamedTuple):
    """The gain to expect of `num_again` trials after `num_told`, as a share of the box, and what came of it.

    `low` and `high` hold nine draws of ten. `came` is NaN where the trials are still to come.
    """

    num_told: int
    num_again: int
    mean: float
    low: float
    high: float
    came: float = math.nan

    @property
    def held(self) -> bool:
        """Whether what came lies between `low` and `high`."""
        return self.low <= self.came <= self.high


class Foreseen(NamedTuple):
    """A network that was not tried: its `genome`, the mean and a deviation of each objective, and its expected gain.

    `means` and `deviations` have the shape (objectives,), in their own units; `gain` is a share of the box.
    """

    genome: Genome
    means: Vector
    deviations: Vector
    gain: float


class Convergence(NamedTuple):
    """`last_third` is the share of the hypervolume reached that the last third of the `num_trials` gained.

    `again` is what as many trials may gain, `record` the same after a quarter and half of them; `foreseen` are the
    networks of the largest expected gain. Without a model `again` is `None`, and `unknown` says why. Where others were
    trained for longer than the most, `lower` is the front at the fidelity of the most, which all of this is of.
    """

    num_trials: int
    last_third: float
    again: Expected | None
    record: tuple[Expected, ...] = ()
    foreseen: tuple[Foreseen, ...] = ()
    unknown: str = ""
    lower: FrontTable | None = None

    @property
    def fidelity_words(self) -> str:
        """How long the networks that are compared were trained; empty where none was trained for longer."""
        return f"after {counted(self.lower.points[0].epochs, 'epoch')}" if self.lower else ""

    @property
    def words(self) -> str:
        """The answer in sentences."""
        told = f"The last third of the trials gained {100 * self.last_third:.2g} % of the hypervolume reached."
        if self.lower:
            told = f"Compared {self.fidelity_words}, the training that most networks had. {told}"
        if self.again is None:
            return f"{told} {self.unknown}: what more trials would gain is not known."
        more = f"{self.again.num_again} more"
        if self.again.num_again == self.again.num_told:
            more = f"As many again ({more})"
        told += (
            f" {more} may gain {_span(self.again)} points of what an ideal network would dominate, by a Gaussian "
            "process that learned from the networks so far."
        )
        if not self.record:
            return f"{told} It has no record yet of having been right."
        parts = [
            f"after {each.num_told} it expected {_span(each)} of {each.num_again} more, and {100 * each.came:.2g} came"
            for each in self.record
        ]
        held = f"{sum(each.held for each in self.record)} of {len(self.record)}"
        return f"{told} Its record: {'; '.join(parts)}. {held} lay within what nine draws of ten say."


def converged(outcomes: Sequence[Outcome], problem: Problem, reference: ReferencePoint) -> Convergence | None:
    """Whether the search with these `outcomes` converged on `problem`; `None` where fewer than three finished.

    Hypervolumes are measured from `reference`, networks compared at the fidelity that most have.
    """
    wide = widest(outcomes)
    is_measured = np.all(np.isfinite(losses_of(wide, problem.objectives)), axis=1).tolist()
    done = [each for each, is_whole in zip(wide, is_measured, strict=True) if is_whole]
    done.sort(key=lambda each: (each.finished, each.candidate.trial))
    if len(done) < 3:
        return None
    losses = losses_of(done, problem.objectives)
    volume = _volume(losses, reference)
    before = _volume(losses[: len(done) - len(done) // 3], reference)
    last = (volume - before) / volume if volume > 0 else 0.0
    made = [each for each in done if each.candidate.genome.genes]
    is_lower = any(each.is_complete and each.candidate.fidelity > done[0].candidate.fidelity for each in outcomes)
    told = Convergence(len(done), last, None, lower=front(done, problem.objectives, reference) if is_lower else None)
    if len(problem.objectives) != 2:
        return told._replace(unknown=f"This is asked of two objectives, and here are {len(problem.objectives)}")
    if len(made) < LEAST_NETWORKS:
        return told._replace(unknown=f"{counted(len(made), 'network')} teach a model too little, {LEAST_NETWORKS} may")
    catalogue = Catalogue(ArchDomain(problem))
    if all(catalogue.is_known):
        return told._replace(unknown="All objectives are known before training, and no model is asked")
    if not catalogue.standing.genomes:
        return told._replace(unknown="No other network within the limits was found in the space")
    record = []
    for num_told in (len(made) // 4, len(made) // 2):
        if num_told >= LEAST_NETWORKS // 2:
            found, _ = _expected(made[:num_told], catalogue, problem, reference)
            later = made[: num_told + found.num_again]
            came = _volume(losses_of(later, problem.objectives), reference)
            came -= _volume(losses_of(made[:num_told], problem.objectives), reference)
            record.append(found._replace(came=came / reference.box_volume))
    again, foreseen = _expected(made, catalogue, problem, reference)
    return told._replace(again=again, record=tuple(record), foreseen=foreseen)


def converged_in_part(course: ProgressTable, num_trials: int) -> Convergence:
    """What the last third of all `num_trials` gained, of a study read in part whose `course` is that of all.

    Its part has more good networks than the study: a model would learn too much from it, so it is not asked.
    """
    before = [
        share
        for number, share in zip(course.numbers, course.hypervolume_share, strict=True)
        if number <= num_trials - num_trials // 3
    ]
    reached = course.hypervolume_share[-1]
    last = (reached - max(before, default=0.0)) / reached if reached > 0 else 0.0
    return Convergence(num_trials, last, None, unknown="A part of the trials was read")


def _expected(
    told: Sequence[Outcome], catalogue: Catalogue, problem: Problem, reference: ReferencePoint
) -> tuple[Expected, tuple[Foreseen, ...]]:
    losses = losses_of(told, problem.objectives)
    num_again = min(len(told), MOST_AGAIN)
    rng = np.random.default_rng(0)
    seen = {each.candidate.arch_id for each in told}
    untried = _untried(told, losses, catalogue, problem, seen, rng)
    if not untried.genomes:
        return Expected(len(told), num_again, 0.0, 0.0, 0.0), ()
    kept = instructive(losses, MOST_TOLD)
    inputs = catalogue.inputs_of([told[index].candidate.genome for index in kept])
    models = [
        None if is_known else _Objective(catalogue, inputs, losses[kept, column])
        for column, is_known in enumerate(catalogue.is_known)
    ]
    means = np.array(untried.known_losses)
    spreads = np.zeros_like(means)
    for column, model in enumerate(models):
        if model is not None:
            means[:, column], spreads[:, column] = model.predict(untried.inputs)
    corner = np.asarray(reference.losses)
    scale = np.abs(corner - _ideal(problem, reference))
    front = losses[is_non_dominated(losses)]
    gains = expected_hypervolume_improvement(means / scale, spreads / scale, front / scale, corner / scale)
    chosen = np.argsort(-gains, kind="stable")[:num_again]
    drawn = np.repeat(means[None, chosen], DRAWS, axis=0)
    for column, model in enumerate(models):
        if model is not None:
            drawn[:, :, column] = model.draw(untried.inputs[chosen], rng)
    before = _volume(front, reference)
    more = [(_volume(np.vstack((front, each)), reference) - before) / reference.box_volume for each in drawn]
    low, high = np.quantile(more, (0.05, 0.95))
    foreseen = tuple(
        Foreseen(untried.genomes[row], means[row], spreads[row], float(gains[row])) for row in chosen.tolist()
    )
    return Expected(len(told), num_again, float(np.mean(more)), float(low), float(high)), foreseen


class _Objective:
    """A Gaussian process of one objective, told `losses` of shape (n,) at `inputs` of shape (n, columns)."""

    def __init__(self, catalogue: Catalogue, inputs: Matrix, losses: Vector) -> None:
        self._scale = Scale.of(losses)
        targets = self._scale.to(losses)
        self._kernel: Kernel = fit_kernel(catalogue.parts(), inputs, targets)
        self._posterior = Posterior(self._kernel, inputs, inputs[:0])
        self._belief = Belief(self._posterior, targets, inputs[:0])

    def predict(self, inputs: Matrix) -> tuple[Vector, Vector]:
        """Mean and deviation of a measurement at `inputs` (k, columns), in the loss's unit: two of shape (k,)."""
        mean, variance = self._belief.predict(inputs)
        return self._own(mean), np.sqrt(variance + self._kernel.noise) * self._scale.spread

    def draw(self, inputs: Matrix, rng: np.random.Generator) -> Matrix:
        """Measurements at `inputs` (k, columns), drawn together: shape (`DRAWS`, k)."""
        rows = self._posterior.whitened(inputs)
        covariance = self._kernel.of_measurements(inputs) - rows.T @ rows
        root = np.linalg.cholesky(covariance + 1e-6 * np.eye(len(inputs)))
        mean = self._belief.predict(inputs)[0]
        return self._own(mean + rng.standard_normal((DRAWS, len(inputs))) @ root.T)

    def _own(self, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._scale.centre + self._scale.spread * scaled


def _untried(
    told: Sequence[Outcome],
    losses: Matrix,
    catalogue: Catalogue,
    problem: Problem,
    seen: set[str],
    rng: np.random.Generator,
) -> Candidates:
    """Networks within the limits that were not tried: the standing ones, and mutants of the front."""
    best = [told[int(index)].candidate.genome for index in np.flatnonzero(is_non_dominated(losses))]
    mutants = [problem.space.mutate(best[index % len(best)], rng) for index in range(MUTANTS)]
    standing = catalogue.standing.genomes
    spread = np.linspace(0, len(standing) - 1, min(len(standing), 2 * MOST_AGAIN)).astype(np.intp)
    every = catalogue.described([*mutants, *(standing[index] for index in spread)])
    rows = np.flatnonzero(every.is_unseen(seen))
    genomes = [every.genomes[row] for row in rows]
    names = [str(row) for row in rows]
    return Candidates(genomes, names, every.inputs[rows], every.known_losses[rows], every.features[rows])


def _volume(losses: Matrix, reference: ReferencePoint) -> float:
    return hypervolume(losses, np.asarray(reference.losses)) if len(losses) else 0.0


def _ideal(problem: Problem, reference: ReferencePoint) -> Vector:
    return np.array([goal.loss(value) for goal, value in zip(problem.objectives, reference.ideals, strict=True)])


def _span(found: Expected) -> str:
    """An expected gain in percentage points, with what nine draws of ten hold."""
    return f"{100 * found.mean:.2g} ({100 * found.low:.2g} to {100 * found.high:.2g})"
