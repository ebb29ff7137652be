"""Surrogate: a Gaussian process for each measured objective, beside the objectives known before training.

| name in code | shape | what it is |
|---|---|---|
| `losses` | (told, objectives) | losses as told, in their own units, all to be small |
| `Scale` | | centre and spread of one objective: scaled = (loss - centre) / spread |
| `Warp` | | the scale on which a process sees scaled losses (`naslab.strategies.warping`) |
| `inputs` | (networks, columns) | what a model sees of networks (`Catalogue.inputs_of`), 0 to 1 |
| `spreads` | (told, objectives) | how uncertain each loss is, in its own unit (`naslab.strategies.uneven_noise`) |
| level | a last column of `inputs` | log10 of the effort of an estimate, in decades |
| `LossPrediction` | two of (networks, objectives) | mean and deviation, scaled and warped |
| `worthless` | (objectives,) | the losses from which on a network is worthless, in their own units |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import compress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from naslab.pareto import is_non_dominated
from naslab.strategies.candidates import Candidates, Catalogue
from naslab.strategies.fidelities import to_highest
from naslab.strategies.fitting import Fit, fit_warped
from naslab.strategies.gaussian_process import Belief, Posterior
from naslab.strategies.outcome_history import Observation, OutcomeHistory, Told, ToldColumns
from naslab.strategies.preferred_part import ranked_behind, shortfall
from naslab.strategies.uneven_noise import UnevenNoise, shares_of
from naslab.strategies.warping import Scale, Warp

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

MAX_FITTED = 160
"""How many observations a kernel is fitted to."""
FEW_ROWS = 8
"""Times so many rows as are asked for, fronts are looked for among all of them."""
STRIPS = 16
"""Parts of the range of the first objective, each of which leaves out others of a large number of rows."""
MAX_CONDITIONED = 320
"""How many of those told a prediction is conditioned on, beside the newest."""
CHOSEN_EVERY = 32
"""Where there are more, those to be conditioned on are chosen anew whenever as many outcomes were told."""
REFITS_AT_EACH_UNTIL = 20
REFIT_GROWTH = 1.1
REFERENCE_MARGIN = 0.1
NUM_BEST = 4
"""How many of the best told networks a search for candidates starts from."""
FAILED_QUANTILE = 0.75
"""The quantile of the measured losses that a failed network counts as."""


class LossPrediction(NamedTuple):
    """Independent normal losses of networks: `mean` and `deviation`, each of shape (networks, objectives).

    They are scaled and warped; `Surrogate.warps` bring them back.
    """

    mean: Matrix
    deviation: Matrix


def last_refit(number: int) -> int:
    """How many outcomes the kernels are fitted to when `number` were told.

    All of the first 20, then all of those at the last time that their number had grown by a tenth: a function of the
    number alone, so that a resumed study fits the same.

    >>> [last_refit(number) for number in (5, 20, 21, 22, 24, 25)]
    [5, 20, 20, 22, 22, 25]
    """
    last = min(number, REFITS_AT_EACH_UNTIL)
    while (following := math.ceil(last * REFIT_GROWTH)) <= number and following > last:
        last = following
    return last


def last_choice(number: int, fitted_to: int) -> int:
    """How many outcomes had been told when those to be conditioned on were chosen last, of `number` told by now.

    At the last fit (`fitted_to` outcomes) up to 320 of them, and beyond that at every 32nd outcome, too.

    >>> last_choice(300, 290), last_choice(700, 690), last_choice(705, 690)
    (290, 690, 704)
    """
    return fitted_to if number <= MAX_CONDITIONED else max(fitted_to, number - number % CHOSEN_EVERY)


def told_losses(told: ToldColumns, worthless: Vector | None = None) -> Matrix:
    """The losses of what was told, in their own units: shape (told, objectives).

    A failed network counts as the upper quartile of the measured ones in each objective. That keeps a search away from
    where much fails. Counted as the worst, a network that failed by chance would make its neighbours look worst, too.
    Where there are several fidelities, a loss is the one to expect at the highest (`to_highest`). With several
    objectives losses are cut off at `worthless`, shape (objectives,), where that is a number: beyond it nothing adds
    hypervolume, and a model need not learn to tell such networks apart.
    """
    has_worked = ~np.isnan(told.losses[:, 0])
    measured, efforts = told.losses[has_worked], told.efforts[has_worked]
    if len(efforts) and efforts.min() < efforts.max():
        names = list(compress(told.network_ids, has_worked.tolist()))
        measured = np.stack([to_highest(column, efforts, names) for column in measured.T], axis=1)
    losses = np.tile(np.quantile(measured, FAILED_QUANTILE, axis=0), (len(has_worked), 1))
    losses[has_worked] = measured
    return losses if worthless is None or losses.shape[1] == 1 else np.fmin(losses, worthless)


def reference_beyond(front: Matrix, known: Vector | None, preferred: Vector | None) -> Vector:
    """The losses from which on a network is worthless, from a `front` of shape (points, objectives): (objectives,).

    Those `preferred`, else those `known`, each of shape (objectives,) and NaN where there are none; else a tenth of the
    front's range (at least 0.1) beyond its worst end.
    """
    worst = front.max(axis=0)
    learned = worst + REFERENCE_MARGIN * np.maximum(worst - front.min(axis=0), 1.0)
    if known is not None:
        learned = np.where(np.isnan(known), learned, known)
    return np.asarray(learned if preferred is None else np.fmin(learned, preferred))


def level(effort: float) -> float:
    """An effort, in any unit above 0, as an input of a model: its logarithm to base 10."""
    return math.log10(effort)


def at_level(inputs: Matrix, levels: Vector | float) -> Matrix:
    """`inputs` of shape (n, columns) with a last column of `levels`, (n,) or one for all: shape (n, columns + 1)."""
    return np.column_stack((inputs, np.broadcast_to(levels, len(inputs))))


def instructive(losses: Matrix, most: int) -> NDArray[np.intp]:
    """The outcomes to learn from where there are many: sorted indices of at most `most` rows of `losses`.

    `losses` have the shape (n, objectives), the result (rows,). Half of them are the best, the rest are spread evenly
    over the others in the order told.
    """
    if len(losses) <= most:
        return np.arange(len(losses))
    best = best_rows(losses, most // 2)
    others = np.delete(np.arange(len(losses)), best)
    spread = others[np.linspace(0, len(others) - 1, most - most // 2).astype(np.intp)]
    return np.sort(np.concatenate((best, spread)))


def best_rows(losses: Matrix, number: int) -> NDArray[np.intp]:
    """The indices of the best `number` rows of `losses`, shape (n, objectives): shape (number,) or fewer.

    One objective in its own order; several front by front. Of equal rows the older comes first.
    """
    if losses.shape[1] == 1:
        return np.argsort(losses[:, 0], kind="stable")[:number]
    best = np.zeros(0, dtype=np.intp)
    left = may_be_best(losses, number)
    while len(best) < number and len(left):
        is_front = is_non_dominated(losses[left])
        best, left = np.concatenate((best, left[is_front])), left[~is_front]
    return best[:number]


def may_be_best(losses: Matrix, number: int) -> NDArray[np.intp]:
    """The indices, in order, of rows of `losses` that may be among the best `number`, front by front: shape (rows,).

    `losses` have the shape (n, objectives). A row that `number` others dominate is not: those are all on earlier
    fronts. So whatever is behind the worst, in every objective, of any `number` rows is left out. They are the best in
    the other objectives among those up to some value of the first, for `STRIPS` values of it. What dominates a row that
    is kept is kept, too, so that fronts stay.
    """
    low, spread = losses.min(axis=0), np.ptp(losses, axis=0)
    if len(losses) <= FEW_ROWS * number or not np.isfinite(spread).all():
        return np.arange(len(losses))
    left = np.argsort(losses[:, 0], kind="stable")
    for strip in range(1, STRIPS + 1):
        rows = losses[left]
        some = rows[: max(number, len(rows) * strip // STRIPS)]
        others = ((some[:, 1:] - low[1:]) / np.where(spread[1:] > 0, spread[1:], 1.0)).sum(axis=1)
        worst = some[np.argpartition(others, number - 1)[:number]].max(axis=0)
        left = left[~((rows >= worst).all(axis=1) & (rows > worst).any(axis=1))]
    return np.sort(left)


class SurrogateModel:
    """A Gaussian process for each objective, `None` for those known before training: a function of the outcomes told.

    Kernels are fitted when the number of outcomes has grown by a tenth, and conditioned on every outcome: on all at
    once after a fit, then one by one. Once there are several fidelities, the level of an estimate is an input of every
    part of the kernel: how much a short training says of a long one is learned like any length scale, and candidates
    are judged at the highest level told. Each objective has a scale of its own, as told or warped, chosen by evidence.
    """

    def __init__(self, catalogue: Catalogue, worthless: Vector | None = None, preferred: Vector | None = None) -> None:
        """`catalogue` gives the inputs of genomes.

        `worthless` has the shape (objectives,), NaN where unknown; so have the losses `preferred` at most, NaN where
        none is. Both are in the losses' own units.
        """
        self._catalogue = catalogue
        self.worthless = worthless
        self.preferred = preferred
        self._fits: list[Fit] = []
        self._noises: list[UnevenNoise | None] = []
        self._fitted_to = self._based_on = self._num_read = self._risen_at = 0
        self.lowest, self.highest = math.inf, -math.inf
        """The lowest and the highest level told."""
        self.posteriors: list[Posterior | None] = []
        self.kept = np.zeros(0, dtype=np.intp)
        """The indices of the outcomes told that the posteriors are conditioned on: shape (kept,)."""

    def learn(self, told: Told) -> None:
        """Condition on the outcomes of `told` beyond those of the last call; `told` only ever grows."""
        self._note_levels(told)
        fitted_to = max(last_refit(len(told)), self._risen_at)
        if fitted_to != self._fitted_to:
            self._fits = self._fit(told, fitted_to)
            self._fitted_to, self._based_on = fitted_to, 0
        based_on = last_choice(len(told), fitted_to)
        if based_on != self._based_on:
            self._condition(told, based_on)
            self._based_on = self._num_read = based_on
        columns = told.columns(len(told))
        for place, observation in enumerate(told[self._num_read :], start=self._num_read):
            [inputs] = self._inputs([observation])
            losses, spreads = columns.losses[place : place + 1], told.spreads([place])
            for objective, (posterior, noise) in enumerate(zip(self.posteriors, self._noises, strict=True)):
                if posterior is not None:
                    posterior.add(inputs, float(shares_of(noise, losses[:, objective], spreads[:, objective])[0]))
        self.kept = np.append(self.kept, np.arange(self._num_read, len(told)))
        self._num_read = len(told)

    @property
    def rooms(self) -> list[float]:
        """The room of each objective's warp, infinite for those on a plain scale and those known before training."""
        return [each.room for each in self._fits]

    def ranked(self, losses: Matrix) -> Matrix:
        """`losses` by which the best are chosen, those within what is preferred first: shape (told, objectives)."""
        return losses if self.preferred is None else ranked_behind(losses, self.preferred)

    def _note_levels(self, told: Told) -> None:
        """Where the highest level rises all is fitted anew; a fall of the lowest waits for the next fit."""
        efforts = told.columns(len(told)).efforts[self._num_read :]
        if not len(efforts):
            return
        self.lowest = min(self.lowest, level(float(efforts.min())))
        highest = level(float(efforts.max()))
        if highest > self.highest:
            self.highest, self._risen_at = highest, self._num_read + int(efforts.argmax()) + 1

    def _inputs(self, told: Sequence[Observation]) -> Matrix:
        levels = np.array([level(each.effort) for each in told])
        return at_level(self._catalogue.inputs_of([each.genome for each in told]), levels)

    def _fit(self, told: Told, count: int) -> list[Fit]:
        losses = told_losses(told.columns(count), self.worthless)
        kept = instructive(self.ranked(losses), MAX_FITTED)
        inputs = self._inputs(told.at(kept))
        parts = self._catalogue.parts()
        last = inputs.shape[1] - 1
        if np.ptp(inputs[:, last]) > 0:
            parts = tuple(np.append(part, last) for part in parts)
        scores = self._catalogue.score_columns
        return [
            Fit(None, math.inf)
            if is_known
            else fit_warped(parts, inputs, Scale.of(column).to(column), last, scores, spreads)
            for column, spreads, is_known in zip(
                losses[kept].T, told.spreads(kept).T, self._catalogue.is_known, strict=True
            )
        ]

    def _condition(self, told: Told, count: int) -> None:
        losses = told_losses(told.columns(count), self.worthless)
        self.kept = instructive(self.ranked(losses), MAX_CONDITIONED)
        measured = list(zip(losses[self.kept].T, told.spreads(self.kept).T, strict=True))
        self._noises = [
            UnevenNoise.of(fit.room, *each) if fit.is_uneven else None
            for fit, each in zip(self._fits, measured, strict=True)
        ]
        inputs = self._inputs(told.at(self.kept))
        room = max(CHOSEN_EVERY, math.ceil(len(self.kept) * (REFIT_GROWTH - 1)) + 1)
        standing = at_level(self._catalogue.standing.inputs, self.highest)
        self.posteriors = [
            None if fit.kernel is None else Posterior(fit.kernel, inputs, standing, room, shares_of(noise, *each))
            for fit, noise, each in zip(self._fits, self._noises, measured, strict=True)
        ]


class Surrogate:
    """What `model` predicts after `history`, with what is in flight taken as if it came back as predicted.

    `achieved` are the scaled losses of the networks told, without measurement noise, and of those in flight: shape
    (networks, objectives); `warped` the same as predictions have them. `best_told` are the indices of the best
    outcomes, `scales` and `warps` those of the objectives. `preferred` are the scaled losses that are preferred at
    most, shape (objectives,), NaN where none is; `None` without a preference.
    """

    def __init__(self, model: SurrogateModel, history: OutcomeHistory, catalogue: Catalogue) -> None:
        self._worthless = model.worthless
        self._model = model
        losses = told_losses(history.told.columns(len(history.told)), model.worthless)
        kept = losses[model.kept]
        self.scales = [Scale.of(column) for column in kept.T]
        scaled = np.stack([scale.to(column) for scale, column in zip(self.scales, kept.T, strict=True)], axis=1)
        self.warps = [Warp.of(room, column) for room, column in zip(model.rooms, scaled.T, strict=True)]
        warped = np.stack([warp.to(column) for warp, column in zip(self.warps, scaled.T, strict=True)], axis=1)
        in_flight = catalogue.described(history.pending.values())
        started = at_level(in_flight.inputs, model.lowest)
        self._beliefs = [
            None if posterior is None else Belief(posterior, targets, started)
            for posterior, targets in zip(model.posteriors, warped.T, strict=True)
        ]
        self.warped = np.vstack((self._denoised(warped), self.predict(in_flight).mean))
        self.achieved = self.back(self.warped)
        self.best_told = model.kept[best_rows(model.ranked(kept), NUM_BEST)]
        self.preferred = None if model.preferred is None else self.scaled(model.preferred)

    def back(self, warped: Matrix) -> Matrix:
        """The scaled losses that `warped` ones of shape (n, objectives) stand for, of the same shape."""
        return np.stack([warp.back(column) for warp, column in zip(self.warps, warped.T, strict=True)], axis=1)

    def predict(self, networks: Candidates) -> LossPrediction:
        """The losses to expect of any networks at the highest level told: arrays of shape (networks, objectives)."""
        return self._predicted(networks, lambda belief: belief.predict(at_level(networks.inputs, self._model.highest)))

    def predict_standing(self, standing: Candidates) -> LossPrediction:
        """The same of the catalogue's standing candidates, from covariances that are kept between calls."""
        return self._predicted(standing, Belief.predict_standing)

    def _predicted(self, networks: Candidates, predict: Callable[[Belief], tuple[Vector, Vector]]) -> LossPrediction:
        mean = np.empty(networks.known_losses.shape)
        deviation = np.zeros_like(mean)
        for objective, (belief, scale) in enumerate(zip(self._beliefs, self.scales, strict=True)):
            if belief is None:
                mean[:, objective] = scale.to(networks.known_losses[:, objective])
            elif len(mean):
                mean[:, objective], variance = predict(belief)
                deviation[:, objective] = np.sqrt(variance)
        return LossPrediction(mean, deviation)

    def _denoised(self, warped: Matrix) -> Matrix:
        """The losses told without what the processes take for noise, at the highest level: luck is not to be beaten."""
        columns = [
            warped[:, objective] if belief is None else self._at_highest(belief)
            for objective, belief in enumerate(self._beliefs)
        ]
        return np.stack(columns, axis=1)

    def _at_highest(self, belief: Belief) -> Vector:
        if self._model.lowest == self._model.highest:
            return belief.denoised()
        return belief.predict(at_level(belief.inputs[:, :-1], self._model.highest))[0]

    def reference(self) -> NDArray[np.float64]:
        """The scaled losses from which on a network is worthless: shape (objectives,).

        Those that are preferred; of other objectives a tenth of the front's range (at least 0.1) beyond its worst end
        where the domain does not know them.
        """
        known = None if self._worthless is None else self.scaled(self._worthless)
        return reference_beyond(self.achieved[is_non_dominated(self.achieved)], known, self.preferred)

    @property
    def is_within(self) -> bool:
        """Whether some network told or in flight is within what is preferred, as all are without a preference."""
        return self.preferred is None or bool((shortfall(self.achieved, self.preferred) <= 0).any())

    def scaled(self, losses: Vector) -> Vector:
        """`losses` of shape (objectives,), in their own units, as this surrogate scales them: the same shape."""
        return np.array([scale.to(loss) for scale, loss in zip(self.scales, losses, strict=True)])
