"""What is believed of the ends of learning curves: the processes of `curves` over everything that a search was told.

| name in code | shape | what it is |
|---|---|---|
| `losses` | (told, objectives) | losses as told, in their own units, all to be small |
| ends | (networks, objectives) | the losses to expect at the last epoch from the last told (`fidelities`) |
| `Scale`, `Warp` | | the scale on which a process sees losses; those of the ends, chosen by evidence |
| `inputs` | (networks, columns) | what a model sees of networks (`Catalogue.inputs_of`), 0 to 1 |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from naslab.pareto import is_non_dominated
from naslab.space import Genome
from naslab.strategies.candidates import Catalogue
from naslab.strategies.curves import MEANS, ConditionedCurves, CurveKernel, Points, fit_curves, power_falls
from naslab.strategies.fidelities import at_highest
from naslab.strategies.fitting import Fit, fit_warped
from naslab.strategies.gaussian_process import Kernel
from naslab.strategies.outcome_history import OutcomeHistory, Told, ToldColumns
from naslab.strategies.preferred_part import ranked_behind, shortfall
from naslab.strategies.surrogate import (
    FAILED_QUANTILE,
    LossPrediction,
    at_level,
    instructive,
    last_refit,
    reference_beyond,
)
from naslab.strategies.warping import Scale, Warp

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Indices = NDArray[np.intp]

MOST_FITTED = 60
"""How many networks kernels are fitted to."""
MOST_NETWORKS = 160
"""How many networks predictions are conditioned on."""
LEAST_DOUBT = 0.01
"""Ends that were measured have this share of the doubt of the least sure: measurements are noisy, too."""


class CurveFit(NamedTuple):
    """What is fitted to an objective that is measured: how alike networks are, their curves, the room of the warp."""

    networks: Kernel
    curves: CurveKernel
    room: float

    def alike(self, one: Matrix, two: Matrix) -> Matrix:
        """How alike networks of the inputs `one`, (n, columns), and `two`, (m, columns), are: shape (n, m)."""
        return self.networks.between(one, two) / float(self.networks.amplitudes.sum())


class ToldCurves(NamedTuple):
    """Everything told of some networks: `genomes`, `ids` and `inputs` of each, and the rows measured.

    `rows` say of which network and after how many epochs, `losses` what, shape (rows, objectives), in their own units;
    `ends` and `doubts`, the variances of what ends may be instead, have the shape (networks, objectives), `epochs`
    (networks,): how far each was trained, 0 where it failed.
    """

    genomes: list[Genome]
    ids: list[str]
    inputs: Matrix
    rows: Points
    losses: Matrix
    ends: Matrix
    doubts: Matrix
    epochs: Indices

    def scales(self) -> list[Scale]:
        """Those of the objectives, on which the ends of whole trainings are expected to have a spread of 1."""
        return [Scale.of(*each) for each in zip(self.ends.T, self.doubts.T, strict=True)]


def told_curves(
    told: Told, count: int, catalogue: Catalogue, last: int, most: int, preferred: Vector | None = None
) -> ToldCurves:
    """The curves of at most `most` networks of the first `count` `told`: the best half, others spread evenly.

    Of each network the epochs 1, 2, 4, 8 and so on are kept, and its last. One that failed counts, at the `last` epoch,
    as the upper quartile of the others' ends. `catalogue` gives their inputs; losses `preferred` at most, shape
    (objectives,), say which are the best.
    """
    columns = told.columns(count)
    worked = ~np.isnan(columns.losses[:, 0])
    ends, doubts = _ends(columns, worked, catalogue.is_known)
    place_of: dict[str, int] = {name: place for place, name in enumerate(columns.network_ids)}
    places = np.array(sorted(place_of.values()), dtype=np.intp)
    best = ends[places] if preferred is None else ranked_behind(ends[places], preferred)
    places = places[instructive(best, most)]
    number_of = {columns.network_ids[place]: number for number, place in enumerate(places)}
    genomes = [each.genome for each in told.at(places)]
    efforts = columns.efforts.astype(np.intp)
    kept = [
        place
        for place, (name, epochs) in enumerate(zip(columns.network_ids, efforts.tolist(), strict=True))
        if name in number_of and worked[place] and (place == place_of[name] or epochs & (epochs - 1) == 0)
    ]
    failed = np.array([place for place in places if not worked[place]], dtype=np.intp)
    own = np.array([number_of[columns.network_ids[place]] for place in (*kept, *failed)], dtype=np.intp)
    epochs = np.concatenate((efforts[kept], np.full(len(failed), last)))
    losses = np.concatenate((columns.losses[kept], ends[failed]))
    reached = np.where(worked[places], efforts[places], 0)
    inputs = catalogue.inputs_of(genomes)
    return ToldCurves(
        genomes, list(number_of), inputs, Points(own, epochs), losses, ends[places], doubts[places], reached
    )


def _ends(columns: ToldColumns, worked: NDArray[np.bool_], is_known: Sequence[bool]) -> tuple[Matrix, Matrix]:
    """The losses to expect at the last epoch of all that was told, and their doubts: (told, objectives) each.

    `is_known` says which objectives are known before training: of those nothing is in doubt.
    """
    names = [name for name, has_worked in zip(columns.network_ids, worked.tolist(), strict=True) if has_worked]
    found = [at_highest(losses, columns.efforts[worked], names) for losses in columns.losses[worked].T]
    measured = np.stack([each.losses for each in found], axis=1)
    ends, doubts = np.empty(columns.losses.shape), np.zeros(columns.losses.shape)
    ends[:] = np.quantile(measured, FAILED_QUANTILE, axis=0)
    ends[worked] = measured
    doubts[worked] = np.where(is_known, 0.0, np.stack([each.doubts for each in found], axis=1))
    return ends, doubts


class CurveModel:
    """Fits the kernels of each objective anew whenever the number of outcomes has grown by a tenth.

    A function of the outcomes told: `told` only ever grows. `catalogue` gives inputs, `last` is a whole training's
    epochs, `worthless` and `preferred` are losses of shape (objectives,), NaN where there are none, or `None`.
    """

    def __init__(
        self, catalogue: Catalogue, last: int, worthless: Vector | None = None, preferred: Vector | None = None
    ) -> None:
        self.catalogue = catalogue
        self.last = last
        self.worthless = worthless
        self.preferred = preferred
        self.fits: list[CurveFit | None] = []
        """One an objective, `None` for those known before training."""
        self._fitted_to = 0

    def learn(self, told: Told) -> None:
        """Fit what is to be fitted anew."""
        fitted_to = last_refit(len(told))
        if fitted_to != self._fitted_to:
            self._fitted_to = fitted_to
            curves = self.curves(told, fitted_to, MOST_FITTED)
            self.fits = [
                None if is_known else self._fit(curves, objective)
                for objective, is_known in enumerate(self.catalogue.is_known)
            ]

    def curves(self, told: Told, count: int, most: int) -> ToldCurves:
        """The curves of at most `most` networks of the first `count` told, ends cut off where they add no hypervolume.

        First epochs are not: all may be worse than any end that counts, and yet tell networks apart.
        """
        curves = told_curves(told, count, self.catalogue, self.last, most, self.preferred)
        if self.worthless is None or curves.ends.shape[1] == 1:
            return curves
        is_end = (curves.rows.epochs == self.last)[:, None]
        losses = np.where(is_end, np.fmin(curves.losses, self.worthless), curves.losses)
        return curves._replace(losses=losses, ends=np.fmin(curves.ends, self.worthless))

    def _fit(self, curves: ToldCurves, objective: int) -> CurveFit:
        ends, doubts = curves.ends[:, objective], curves.doubts[:, objective]
        scale = curves.scales()[objective]
        inputs = at_level(curves.inputs, 0.0)
        found: Fit = fit_warped(
            self.catalogue.parts(),
            inputs,
            scale.to(ends),
            inputs.shape[1] - 1,
            self.catalogue.score_columns,
            np.sqrt(np.maximum(doubts, LEAST_DOUBT * doubts.max())),
        )
        assert found.kernel is not None, "fitted to what is measured"
        warp = Warp.of(found.room, scale.to(ends))
        targets = warp.to(scale.to(curves.losses[:, objective]))
        fit = CurveFit(found.kernel, CurveKernel(MEANS, power_falls(0.0, self.last), 1.0), found.room)
        alike = fit.alike(curves.inputs, curves.inputs)[np.ix_(curves.rows.own, curves.rows.own)]
        return fit._replace(curves=fit_curves(alike, curves.rows, targets, self.last))


class CurveSurrogate:
    """What `model` believes after `history`: of networks that were begun, and of any others.

    `achieved` are the scaled ends of the networks trained to the last epoch, without measurement noise, shape
    (networks, objectives); `warped` the same as predictions have them. Where there are none it is one network as bad as
    the worst in all. `warps` are those of the objectives, `preferred` the scaled losses that are preferred at most.
    Networks in flight for their first epoch are taken as if they came back as predicted.
    """

    def __init__(self, model: CurveModel, history: OutcomeHistory) -> None:
        told = history.told
        self._model = model
        self.curves = curves = model.curves(told, len(told), MOST_NETWORKS)
        self.number_of = {name: number for number, name in enumerate(curves.ids)}
        self._scales = curves.scales()
        ends = self._scaled(curves.ends)
        rooms = [np.inf if fit is None else fit.room for fit in model.fits]
        self.warps = [Warp.of(room, column) for room, column in zip(rooms, ends.T, strict=True)]
        self._targets = self._warped(self._scaled(curves.losses))
        self._inputs = curves.inputs
        self._rows = curves.rows
        self._posteriors = [self._posterior(objective, fit) for objective, fit in enumerate(model.fits)]
        self._believe(list(history.pending.values()))
        everyone = np.arange(len(curves.ids), dtype=np.intp)
        self._ends = self.end(curves.inputs, self._warped(ends), everyone).mean
        finished = curves.epochs == model.last
        self.warped = self._ends[finished] if finished.any() else self._ends.max(axis=0, keepdims=True)
        self.achieved = self.back(self.warped)
        self.preferred = None if model.preferred is None else self._scaled(model.preferred[None])[0]

    def end(self, inputs: Matrix, known: Matrix, own: Indices) -> LossPrediction:
        """The losses to expect at the last epoch, scaled and warped: two arrays of shape (networks, objectives).

        `inputs` have the shape (networks, columns), `known` (networks, objectives) are the warped losses known before
        training; `own` are the numbers of networks that were begun, -1 for others: (networks,).
        """
        last = np.full(len(own), self._model.last)
        mean, deviation = known.copy(), np.zeros(known.shape)
        for objective, (fit, posterior) in enumerate(zip(self._model.fits, self._posteriors, strict=True)):
            if fit is not None and posterior is not None:
                alike = fit.alike(self._inputs, inputs)
                mean[:, objective], variance, _ = posterior.predict(alike, Points(own, last))
                deviation[:, objective] = np.sqrt(variance)
        return LossPrediction(mean, deviation)

    def deviations_after(self, inputs: Matrix, own: Indices, epochs: Sequence[Indices]) -> list[Matrix]:
        """How far predicted ends may move by measurements after each of some `epochs`, each of shape (networks,).

        It is the deviation of the mean that will then be predicted, of shape (networks, objectives). `inputs` and
        `own` are those of `end`.
        """
        last = np.full(len(own), self._model.last)
        found = [np.zeros((len(own), len(self._posteriors))) for _ in epochs]
        for objective, (fit, posterior) in enumerate(zip(self._model.fits, self._posteriors, strict=True)):
            if fit is not None and posterior is not None:
                alike = fit.alike(self._inputs, inputs)
                _, _, at_end = posterior.predict(alike, Points(own, last))
                for deviation, each in zip(found, epochs, strict=True):
                    _, variance, then = posterior.predict(alike, Points(own, each))
                    shared = fit.curves.of_end - np.einsum("ij,ij->j", at_end, then)
                    deviation[:, objective] = np.abs(shared) / np.sqrt(variance + fit.curves.noise(each))
        return found

    def known(self, losses: Matrix) -> Matrix:
        """Losses known before training, in their own units, as predictions have them: (networks, objectives)."""
        return self._warped(self._scaled(losses))

    def back(self, warped: Matrix) -> Matrix:
        """The scaled losses that `warped` ones of shape (n, objectives) stand for, of the same shape."""
        return np.stack([warp.back(column) for warp, column in zip(self.warps, warped.T, strict=True)], axis=1)

    def reference(self) -> Vector:
        """The scaled losses from which on a network is worthless: shape (objectives,)."""
        believed = self.back(self._ends)
        worthless = None if self._model.worthless is None else self._scaled(self._model.worthless[None])[0]
        return reference_beyond(believed[is_non_dominated(believed)], worthless, self.preferred)

    @property
    def is_within(self) -> bool:
        """Whether a network trained to the end is within what is preferred, as all are without a preference."""
        return self.preferred is None or bool((shortfall(self.achieved, self.preferred) <= 0).any())

    def _posterior(self, objective: int, fit: CurveFit | None) -> ConditionedCurves | None:
        if fit is None:
            return None
        alike = fit.alike(self._inputs, self._inputs)
        return ConditionedCurves(fit.curves, alike, self._rows, self._targets[:, objective])

    def _believe(self, pending: Sequence[Genome]) -> None:
        """Add networks in flight as if their first epochs came back as predicted."""
        if not pending:
            return
        inputs = self._model.catalogue.inputs_of(list(pending))
        new = Points(len(self._inputs) + np.arange(len(pending)), np.ones(len(pending), dtype=np.intp))
        means = np.zeros((len(pending), len(self._posteriors)))
        for objective, (fit, posterior) in enumerate(zip(self._model.fits, self._posteriors, strict=True)):
            if fit is not None and posterior is not None:
                means[:, objective] = posterior.predict(fit.alike(self._inputs, inputs), new)[0]
        self._inputs = np.vstack((self._inputs, inputs))
        self._rows = Points(np.append(self._rows.own, new.own), np.append(self._rows.epochs, new.epochs))
        self._targets = np.vstack((self._targets, means))
        self._posteriors = [self._posterior(objective, fit) for objective, fit in enumerate(self._model.fits)]

    def _scaled(self, losses: Matrix) -> Matrix:
        return np.stack([scale.to(column) for scale, column in zip(self._scales, losses.T, strict=True)], axis=1)

    def _warped(self, scaled: Matrix) -> Matrix:
        return np.stack([warp.to(column) for warp, column in zip(self.warps, scaled.T, strict=True)], axis=1)
