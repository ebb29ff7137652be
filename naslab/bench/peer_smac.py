"""SMAC's random forests (Lindauer et al. 2022, arXiv 2109.09831) as a contender of the bench."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ConfigSpace import CategoricalHyperparameter, Configuration, ConfigurationSpace, Integer
from smac import HyperparameterOptimizationFacade as Facade
from smac import Scenario
from smac.runhistory.dataclasses import TrialInfo, TrialValue
from threadpoolctl import threadpool_limits

from naslab.bench.peers import knobs_of, worst_loss
from naslab.space import Genome
from naslab.strategies.composed import Proposer
from naslab.strategies.domain import Domain
from naslab.strategies.outcome_history import Observation, OutcomeHistory
from naslab.strategies.strategy import Proposal

BUDGET = 200
"""How many evaluations it is told there will be: a quarter of them at most are its first, space-filling ones."""
MAX_SUGGESTIONS = 4


def propose(domain: Domain, seed: int) -> Proposer:
    """Its suggestions for categorical and integer choices with the package's defaults."""
    return Smac(domain, seed)


class Smac:
    """One optimiser for a search, told what came of its own suggestions and of those that took their place."""

    def __init__(self, domain: Domain, seed: int) -> None:
        self._space = domain.space
        self._places = {hole.path: f"knob{index}" for index, hole in enumerate(knobs_of(domain))}
        self._configs = ConfigurationSpace(seed=seed)
        for hole in knobs_of(domain):
            place, last = self._places[hole.path], len(hole.options) - 1
            parameter = (
                Integer(place, (0, last)) if hole.is_ordered else CategoricalHyperparameter(place, range(last + 1))
            )
            self._configs.add([parameter])
        folder = Path(tempfile.mkdtemp())  # it writes its run there, whatever it is asked
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        scenario = Scenario(self._configs, deterministic=True, n_trials=BUDGET, seed=seed, output_directory=folder)
        self._optimiser = Facade(scenario, lambda config, seed=0: 0.0, logging_level=False, overwrite=True)
        self._asked: dict[Genome, TrialInfo] = {}
        self._num_read = 0

    def drafts(self, history: OutcomeHistory, rng: np.random.Generator) -> Iterator[Proposal]:
        """A few suggestions; those that cannot be had are told as the worst so far."""
        with threadpool_limits(1):
            for told in history.told[self._num_read :]:
                self._tell(told, worst_loss(history))
            self._num_read = len(history.told)
        for _ in range(MAX_SUGGESTIONS):
            with threadpool_limits(1):
                info = self._optimiser.ask()
            values = dict(info.config)
            genome = self._space.fill(lambda hole: int(values.get(self._places.get(hole.path, ""), 0)))  # noqa: B023
            self._asked[genome] = info
            yield Proposal(genome, {"operator": "smac"})
            self._optimiser.tell(info, TrialValue(cost=worst_loss(history)))  # asked for another: this one was refused

    def _tell(self, told: Observation, worst: float) -> None:
        info = self._asked.get(told.genome) or TrialInfo(self._config(told.genome), seed=None)
        self._optimiser.tell(info, TrialValue(cost=worst if told.losses is None else told.losses[0]))

    def _config(self, genome: Genome) -> Configuration:
        values = {self._places[gene.hole]: gene.option for gene in genome.genes if gene.hole in self._places}
        return Configuration(self._configs, values=values)
