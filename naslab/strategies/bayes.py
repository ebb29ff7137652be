"""Bayesian search: Gaussian processes over choices and costs, and the network with the largest expected gain next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import NamedTuple

import numpy as np
from threadpoolctl import ThreadpoolController

from naslab.arch.block import require
from naslab.space import Genome
from naslab.strategies.candidates import Candidates, Catalogue
from naslab.strategies.domain import Domain
from naslab.strategies.first_networks import is_by_chance, promising
from naslab.strategies.gains import Gains
from naslab.strategies.outcome_history import OutcomeHistory
from naslab.strategies.random_search import samples
from naslab.strategies.strategy import Proposal
from naslab.strategies.surrogate import LossPrediction, Surrogate, SurrogateModel
from naslab.strategies.training_seconds import TrainingSeconds

START_DRAWS = 32
BEAM = 4
BEAM_ROUNDS = 3
MUTANTS_EACH = 5
DRAFTS = 64


class Worth(NamedTuple):
    """A network that was not proposed, and its expected gain of improvement or hypervolume (see `acquisition`)."""

    gain: float
    genome: Genome


class Bayes:
    """`num_starts` networks spread over the space of `domain`, then always the one of the largest expected gain.

    Where the domain has a prior, two of three of the first networks are those that it promises most of, and its scores
    are inputs of the model as far as they make the outcomes more likely.

    Raises `SpecError` where `num_starts` is below 2.

    One objective: expected improvement. Two or three: expected hypervolume improvement, exact. More: the same by random
    directions. Where a part of the front is preferred and no network is within it yet: the expected fall of the
    distance from it; then the gain within it. Of spaces of up to 10,000 genomes every network is a candidate; in larger
    ones candidates are a fixed random sample, and mutations of the best of it and of the best networks told. With
    `is_per_second` gains are divided by the seconds that a training is predicted to take (`training_seconds`).
    """

    def __init__(self, domain: Domain, num_starts: int = 5, is_per_second: bool = False) -> None:
        require(num_starts >= 2, "num_starts", f"must be at least 2, got {num_starts}")
        self._domain = domain
        self._num_starts = num_starts
        self._catalogue: Catalogue | None = None
        self._model: SurrogateModel | None = None
        self._is_per_second = is_per_second
        self._threads = ThreadpoolController()

    def drafts(self, history: OutcomeHistory, rng: np.random.Generator) -> Iterator[Proposal]:
        """The first networks far from each other, later ones by expected gain, the largest first."""
        losses = history.told.columns(len(history.told)).losses
        num_measured = len(losses) - int(np.isnan(losses[:, 0]).sum())
        if history.num_searched < self._num_starts or num_measured < 2:
            yield from self.first(history, rng)
        for worth in self._by_gain(history, rng):
            yield Proposal(worth.genome, {"operator": "expected_gain"})

    def first(self, history: OutcomeHistory, rng: np.random.Generator) -> Iterator[Proposal]:
        """What a prior promises, two times of three, else networks spread over the space."""
        catalogue = self.catalogue() if self._domain.prior is not None else None
        if catalogue is not None and catalogue.standing.genomes and not is_by_chance(history.num_searched):
            with self.one_thread():
                found = list(promising(catalogue, history, rng))
            yield from (Proposal(genome, {"operator": "prior"}) for genome in found)
        yield from self._spread(history, rng)

    def one_thread(self) -> AbstractContextManager[object]:
        """Within it algebra takes one core: the workers have the others, and small matrices gain nothing from more."""
        limited: AbstractContextManager[object] = self._threads.limit(limits=1)
        return limited

    def catalogue(self) -> Catalogue:
        """The catalogue by the domain's prior as it is now; what was learned by another one is forgotten."""
        if self._catalogue is None or self._catalogue.prior is not self._domain.prior:
            self._catalogue, self._model = Catalogue(self._domain), None
        return self._catalogue

    def _spread(self, history: OutcomeHistory, rng: np.random.Generator) -> Iterator[Proposal]:
        """Random genomes, those farthest from all that was proposed first."""
        space = self._domain.space
        drawn = [space.sample(rng) for _ in range(START_DRAWS)]
        known = [each.genome for each in history.told] + list(history.pending.values())
        if known:
            codes, others = (np.array([space.encode(each) for each in group]) for group in (drawn, known))
            nearest = ((codes[:, None] - others[None]) ** 2).sum(axis=2).min(axis=1)
            drawn = [drawn[index] for index in np.argsort(-nearest, kind="stable")]
        yield from (Proposal(genome, {"operator": "spread"}) for genome in drawn)
        yield from samples(space, rng)

    def _by_gain(self, history: OutcomeHistory, rng: np.random.Generator) -> list[Worth]:
        catalogue = self.catalogue()
        if not catalogue.standing.genomes:
            return []
        with self.one_thread():
            return self._best_found(history, catalogue, rng)

    def _best_found(self, history: OutcomeHistory, catalogue: Catalogue, rng: np.random.Generator) -> list[Worth]:
        model = self._model = self._model or SurrogateModel(catalogue, self._domain.reference, self._domain.preferred)
        model.learn(history.told)
        seconds = seconds_of(history, catalogue) if self._is_per_second else None
        look = _Look(Surrogate(model, history, catalogue), history, rng, seconds)
        found = look.worth_of_standing(catalogue.standing)
        if not catalogue.is_complete:
            told = [Worth(0.0, each.genome) for each in history.told.at(look.surrogate.best_told)]
            found += self._beam(found[:BEAM] + told, look, catalogue, rng)
        return sorted(found, key=lambda worth: -worth.gain)[:DRAFTS]

    def _beam(self, beam: list[Worth], look: _Look, catalogue: Catalogue, rng: np.random.Generator) -> list[Worth]:
        """Mutations of the beam, and of the best of those, for a few rounds."""
        found: list[Worth] = []
        for _ in range(BEAM_ROUNDS):
            mutants = (self._domain.space.mutate(each.genome, rng) for each in beam for _ in range(MUTANTS_EACH))
            found = sorted(found + look.worth(catalogue.described(mutants)), key=lambda worth: -worth.gain)
            beam = found[:BEAM] or beam
        return found


def seconds_of(history: OutcomeHistory, catalogue: Catalogue) -> TrainingSeconds:
    """What the trainings told say of how long others take, by those at the lowest fidelity, as new ones begin there.

    Failed ones are left out: they ended when they did.
    """
    told = list(history.told)
    lowest = min((each.effort for each in told), default=0.0)
    done = [each for each in told if each.losses is not None and each.effort == lowest]
    return TrainingSeconds.learned(catalogue.features_of(each.genome for each in done), [each.seconds for each in done])


class _Look:
    """One look for the next network: a surrogate, and what counts as gain over what it has achieved."""

    def __init__(
        self,
        surrogate: Surrogate,
        history: OutcomeHistory,
        rng: np.random.Generator,
        seconds: TrainingSeconds | None = None,
    ) -> None:
        self.surrogate = surrogate
        self._gains = Gains(surrogate, rng)
        self._seconds = seconds
        self._seen = history.seen

    def worth(self, candidates: Candidates) -> list[Worth]:
        """The best candidates among those never proposed, best first."""
        return self._ranked(candidates, self.surrogate.predict(candidates)) if candidates.genomes else []

    def worth_of_standing(self, standing: Candidates) -> list[Worth]:
        """The same of the catalogue's standing candidates."""
        return self._ranked(standing, self.surrogate.predict_standing(standing))

    def _ranked(self, candidates: Candidates, prediction: LossPrediction) -> list[Worth]:
        gains = self._gains.of(prediction)
        if self._seconds is not None:
            gains = gains / self._seconds.of(candidates.features)
        gains = np.where(candidates.is_unseen(self._seen), gains, -np.inf)
        order = np.argsort(-gains, kind="stable")[:DRAFTS]
        return [Worth(float(gains[row]), candidates.genomes[row]) for row in order if gains[row] > -np.inf]
