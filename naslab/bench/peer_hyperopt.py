"""Hyperopt's tree-structured Parzen estimator (Bergstra et al. 2013) as a contender of the bench."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from hyperopt import JOB_STATE_DONE, STATUS_OK, Trials, hp, tpe
from hyperopt.base import Domain as Objective

from naslab.bench.peers import knobs_of, worst_loss
from naslab.space import Genome
from naslab.strategies.composed import Proposer
from naslab.strategies.domain import Domain
from naslab.strategies.outcome_history import OutcomeHistory
from naslab.strategies.strategy import Proposal

MAX_SUGGESTIONS = 8
"""It knows of no repeats: further suggestions come of further seeds."""


def propose(domain: Domain, seed: int) -> Proposer:
    """Hyperopt's proposer on `domain`, with the package's defaults."""
    return Hyperopt(domain)


class Hyperopt:
    """Trials made anew of the history at every ask, so that a search continues exactly."""

    def __init__(self, domain: Domain) -> None:
        self._space = domain.space
        self._knobs = knobs_of(domain)
        made = {
            # A quantised range knows an order, a choice knows none; either is an integer from 0.
            hole.path: hp.quniform(hole.path, -0.5, len(hole.options) - 0.5, 1)
            if hole.is_ordered
            else hp.randint(hole.path, len(hole.options))
            for hole in self._knobs
        }
        self._objective = Objective(lambda config: 0.0, made)

    def drafts(self, history: OutcomeHistory, rng: np.random.Generator) -> Iterator[Proposal]:
        """A few suggestions."""
        trials = self._trials(history)
        for _ in range(MAX_SUGGESTIONS):
            [found] = tpe.suggest([len(history.told)], self._objective, trials, seed=int(rng.integers(2**31)))
            values = {path: int(value[0]) for path, value in found["misc"]["vals"].items()}
            yield Proposal(self._genome(values), {"operator": "hyperopt"})

    def _genome(self, values: dict[str, int]) -> Genome:
        # The ends of a quantised range may round to the numbers beside it.
        return self._space.fill(lambda hole: min(max(values.get(hole.path, 0), 0), len(hole.options) - 1))

    def _trials(self, history: OutcomeHistory) -> Trials:
        trials, worst = Trials(), worst_loss(history)
        paths = {hole.path for hole in self._knobs}
        documents = []
        for number, told in enumerate(history.told):
            values = {gene.hole: [gene.option] for gene in told.genome.genes if gene.hole in paths}
            loss = worst if told.losses is None else told.losses[0]
            misc = {
                "tid": number,
                "cmd": ("domain_attachment", "FMinIter_Domain"),
                "idxs": {path: [number] for path in values},
                "vals": values,
            }
            [document] = trials.new_trial_docs([number], [None], [{"status": STATUS_OK, "loss": loss}], [misc])
            document["state"] = JOB_STATE_DONE
            documents.append(document)
        trials.insert_trial_docs(documents)
        trials.refresh()
        return trials
