"""Freeze and thaw: after every epoch, which paused training goes on, or whether a new network is begun.

Freeze-thaw Bayesian optimisation (Swersky et al. 2014, arXiv 1406.3896) asks which next epoch tells most of the best
network. Here each candidate is worth what the best plan of this form gains a second: train it for h more epochs, and go
on to the last one only if it is then expected to be better than all that were trained to the end.

| symbol | name in code | what it is |
|---|---|---|
| r | `left` | the epochs that a candidate still has to go |
| h | `steps` | the epochs of the plan after which it is judged: 1, 2, 4, ..., r |
| G(h) | `gain` | the expected gain (`gains`) of its end as it will be predicted then, of deviation `deviations_after` |
| q(h) | `chance` | how likely it is then expected to gain at all |
| worth | `Plan.worth` | the largest of G(h) / (s (h + q(h) (r - h))), s the seconds of an epoch |
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from naslab.space import Genome
from naslab.strategies.bayes import Bayes, seconds_of
from naslab.strategies.candidates import Candidates, Catalogue
from naslab.strategies.curve_surrogate import CurveModel, CurveSurrogate
from naslab.strategies.domain import Domain
from naslab.strategies.gains import Gains
from naslab.strategies.outcome_history import OutcomeHistory
from naslab.strategies.strategy import Proposal
from naslab.strategies.surrogate import LossPrediction, best_rows
from naslab.strategies.training_seconds import TrainingSeconds

LOOKED_AT = 500
"""How many networks that were not begun are looked at for the best of them."""
PLANNED = 64
"""The most promising of those, for which plans are made."""
PARENTS, MUTANTS_EACH = 4, 5
DRAFTS = 64

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Indices = NDArray[np.intp]


class Plan(NamedTuple):
    """The best networks of some: their numbers among those, best first, and what their best plans gain a second."""

    order: Indices
    worth: Vector


class Pausing:
    """Proposes new networks for trainings of `epochs` epochs in `domain`, and weighs them against paused ones.

    The first `num_starts` networks are those of `Bayes`, one epoch each. Draws follow from `seed`. With `is_per_second`
    gains are divided by the seconds that an epoch is predicted to take, else by epochs. Raises `SpecError` where
    `num_starts` is below 2.
    """

    def __init__(
        self, domain: Domain, epochs: int, seed: int = 0, num_starts: int = 5, is_per_second: bool = False
    ) -> None:
        self._domain = domain
        self._seed = seed
        self._weighed: tuple[tuple[int, int], _Weighing] | None = None
        self._epochs = epochs
        self._num_starts = num_starts
        self._is_per_second = is_per_second
        self._bayes = Bayes(domain, num_starts)
        self._model: CurveModel | None = None

    def drafts(self, history: OutcomeHistory, rng: np.random.Generator) -> Iterator[Proposal]:
        """The first networks far from each other, later ones by their worth, the largest first."""
        if self._is_first(history):
            yield from self._bayes.first(history, rng)
        with self._bayes.one_thread():
            found, plan = self._weighing(history).new
        yield from (Proposal(found.genomes[row], {"operator": "expected_gain"}) for row in plan.order[:DRAFTS])

    def next_paused(self, history: OutcomeHistory, paused: Sequence[str], may_begin: bool) -> str | None:
        """The network of the largest worth among those `paused`, `None` where a new one is worth more."""
        if may_begin and (not paused or self._is_first(history)):
            return None
        if _num_measured(history) < 2:
            return paused[0]
        with self._bayes.one_thread():
            weighing = self._weighing(history)
            known = [each for each in paused if each in weighing.surrogate.number_of]
            plan = weighing.paused(known)
            fresh = weighing.new[1] if may_begin else None
        best = plan.worth[plan.order[0]] if known else -np.inf
        if fresh is not None and len(fresh.order) and fresh.worth[fresh.order[0]] > best:
            return None
        return known[plan.order[0]] if known else paused[0]

    def model(self, history: OutcomeHistory) -> tuple[Catalogue, CurveModel]:
        """The catalogue of the domain, and the model of its curves after `history`."""
        catalogue = self._bayes.catalogue()
        domain = self._domain
        if self._model is None or self._model.catalogue is not catalogue:
            self._model = CurveModel(catalogue, self._epochs, domain.reference, domain.preferred)
        self._model.learn(history.told)
        return catalogue, self._model

    def mutants(self, parents: Sequence[Genome], rng: np.random.Generator) -> list[Genome]:
        """A few mutations of each of the `parents`."""
        return [self._domain.space.mutate(each, rng) for each in parents for _ in range(MUTANTS_EACH)]

    def seconds(self, history: OutcomeHistory, catalogue: Catalogue) -> TrainingSeconds | None:
        """How long first epochs take by the costs of networks, `None` where all count as equally long."""
        return seconds_of(history, catalogue) if self._is_per_second else None

    def _weighing(self, history: OutcomeHistory) -> _Weighing:
        """That of this moment: made when it is first asked for."""
        moment = len(history.told), history.num_proposed
        is_known = self._weighed is not None and self._weighed[1].catalogue is self._bayes.catalogue()
        if self._weighed is None or self._weighed[0] != moment or not is_known:
            self._weighed = moment, _Weighing(self, history, np.random.default_rng([self._seed, 1, *moment]))
        return self._weighed[1]

    def _is_first(self, history: OutcomeHistory) -> bool:
        return history.num_searched < self._num_starts or _num_measured(history) < 2


def _num_measured(history: OutcomeHistory) -> int:
    """How many networks have a result."""
    columns = history.told.columns(len(history.told))
    worked = ~np.isnan(columns.losses[:, 0])
    return len({name for name, has_worked in zip(columns.network_ids, worked.tolist(), strict=True) if has_worked})


class _Weighing:
    """One decision of `pausing`: what is believed after `history`, and what the best plans are worth."""

    def __init__(self, pausing: Pausing, history: OutcomeHistory, rng: np.random.Generator) -> None:
        self._pausing = pausing
        self._history = history
        self._rng = rng
        self.catalogue, model = pausing.model(history)
        self._last = model.last
        self.surrogate = CurveSurrogate(model, history)
        self._gains = Gains(self.surrogate, rng)
        self._seconds = pausing.seconds(history, self.catalogue)

    def paused(self, ids: Sequence[str]) -> Plan:
        """The plans of networks that were begun."""
        curves = self.surrogate.curves
        own = np.array([self.surrogate.number_of[each] for each in ids], dtype=np.intp)
        if not len(own):
            return Plan(own, np.zeros(0))
        genomes = [curves.genomes[number] for number in own]
        known, features = self.catalogue.known_losses_of(genomes), self.catalogue.features_of(genomes)
        return self._plans(curves.inputs[own], known, features, own, curves.epochs[own])

    @cached_property
    def new(self) -> tuple[Candidates, Plan]:
        """Networks that were not begun, and the plans of the most promising of them."""
        found = self._candidates()
        if not found.genomes:
            return found, Plan(np.zeros(0, dtype=np.intp), np.zeros(0))
        nobody = np.full(len(found.genomes), -1, dtype=np.intp)
        end = self.surrogate.end(found.inputs, self.surrogate.known(found.known_losses), nobody)
        gains = np.where(found.is_unseen(self._history.seen), self._gains.of(end) / self._pace(found.features), -np.inf)
        rows = np.argsort(-gains, kind="stable")[:PLANNED]
        rows = rows[gains[rows] > -np.inf]
        own, begun = nobody[rows], np.zeros(len(rows), dtype=np.intp)
        plan = self._plans(found.inputs[rows], found.known_losses[rows], found.features[rows], own, begun)
        worth = np.full(len(found.genomes), -np.inf)
        worth[rows] = plan.worth
        return found, Plan(rows[plan.order], worth)

    def _candidates(self) -> Candidates:
        """A random part of the standing candidates, and mutations of the best networks begun."""
        standing = self.catalogue.standing
        if len(standing.genomes) > LOOKED_AT:
            standing = standing.part(np.sort(self._rng.permutation(len(standing.genomes))[:LOOKED_AT]))
        if self.catalogue.is_complete:
            return standing
        best = [self.surrogate.curves.genomes[row] for row in best_rows(self.surrogate.curves.ends, PARENTS)]
        return self.catalogue.described([*standing.genomes, *self._pausing.mutants(best, self._rng)])

    def _plans(self, inputs: Matrix, known: Matrix, features: Matrix, own: Indices, begun: Indices) -> Plan:
        """The best plan of each network: `own` and `begun`, its number and the epochs trained, have the shape (n,)."""
        mean = self.surrogate.end(inputs, self.surrogate.known(known), own).mean
        left = self._last - begun
        worth = np.full(len(own), -np.inf)
        plans = [np.minimum(2**power, left) for power in range(1 + (int(left.max()) - 1).bit_length())]
        deviations = self.surrogate.deviations_after(inputs, own, [begun + steps for steps in plans])
        for steps, deviation in zip(plans, deviations, strict=True):
            told = LossPrediction(mean, deviation)
            gain, chance = self._gains.of(told), self._gains.chance(told)
            worth = np.maximum(worth, gain / (steps + chance * (left - steps)))
        worth = worth / self._pace(features)
        return Plan(np.argsort(-worth, kind="stable"), worth)

    def _pace(self, features: Matrix) -> Vector:
        """The seconds to expect of an epoch: shape (networks,)."""
        return np.ones(len(features)) if self._seconds is None else self._seconds.of(features)
