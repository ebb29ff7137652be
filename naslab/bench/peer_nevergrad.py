"""Nevergrad's NGOpt, which chooses among its optimisers, as a contender of the bench (Meunier et al. 2021)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import nevergrad as ng
import numpy as np

from naslab.bench.peers import knobs_of, worst_loss
from naslab.strategies.composed import Proposer
from naslab.strategies.domain import Domain
from naslab.strategies.outcome_history import OutcomeHistory
from naslab.strategies.strategy import Proposal

BUDGET = 200
"""How many evaluations it is told there will be: it chooses an optimiser by that."""
MAX_SUGGESTIONS = 8


def propose(domain: Domain, seed: int) -> Proposer:
    """Nevergrad's proposer on `domain`, with the package's defaults."""
    return Nevergrad(domain, seed)


class Nevergrad:
    """One optimiser for a search, told what came of its own suggestions and of those that took their place."""

    def __init__(self, domain: Domain, seed: int) -> None:
        self._space = domain.space
        made = {
            hole.path: ng.p.TransitionChoice(range(len(hole.options)))
            if hole.is_ordered
            else ng.p.Choice(range(len(hole.options)))
            for hole in knobs_of(domain)
        }
        space = ng.p.Dict(**made)
        space.random_state.seed(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._optimiser = ng.optimizers.NGOpt(parametrization=space, budget=BUDGET)
        self._num_read = 0

    def drafts(self, history: OutcomeHistory, rng: np.random.Generator) -> Iterator[Proposal]:
        """A few suggestions; those that cannot be had are told as the worst so far."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of its own defaults
            worst = worst_loss(history)
            for told in history.told[self._num_read :]:
                options = {gene.hole: gene.option for gene in told.genome.genes}
                value = {path: options[path] for path in self._optimiser.parametrization.value}
                candidate = self._optimiser.parametrization.spawn_child(new_value=value)
                self._optimiser.tell(candidate, worst if told.losses is None else told.losses[0])
            self._num_read = len(history.told)
        for _ in range(MAX_SUGGESTIONS):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                value = self._optimiser.ask().value
            yield Proposal(self._space.fill(lambda hole: int(value.get(hole.path, 0))), {"operator": "nevergrad"})  # noqa: B023
