"""A sampler of OptunaHub as a strategy. Its packages are loaded from a folder, as they are from its registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from naslab.execution.source import make_candidate
from naslab.space import load_space
from naslab.strategies.optuna_bridge import sampler_strategy
from naslab.study.outcome import Estimate, Outcome
from naslab.study.problem import DataChoice, Objective, Problem
from naslab.study.recipe import Recipe

PACKAGE = '''
import numpy as np
import optunahub


class Last(optunahub.samplers.SimpleBaseSampler):
    """Takes the last option of every choice, now and then a random one."""

    def __init__(self, search_space=None, seed=None):
        super().__init__(search_space)
        self._rng = np.random.RandomState(seed)

    def reseed_rng(self):
        self._rng = np.random.RandomState()

    def sample_relative(self, study, trial, search_space):
        found = {}
        for name, distribution in search_space.items():
            options = getattr(distribution, "choices", None) or range(distribution.low, distribution.high + 1)
            number = self._rng.randint(len(options)) if self._rng.rand() < 0.3 else len(options) - 1
            found[name] = options[number]
        return found
'''


def test_a_sampler_loaded_through_optunahub_searches_a_space(tmp_path: Path) -> None:
    optunahub = pytest.importorskip("optunahub", reason="optunahub is not installed")
    folder = tmp_path / "samplers" / "last"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(PACKAGE)
    module = optunahub.load_local_module("samplers/last", registry_root=str(tmp_path))
    goals = tuple(map(Objective.named, ("accuracy", "macs")))
    problem = Problem(load_space("digits_demo"), goals, DataChoice(name="digits"), Recipe())

    def run() -> list[Outcome]:
        strategy, outcomes = sampler_strategy(module.Last(), problem, seed=3), []
        for trial in range(8):
            proposal = strategy.ask(1)[0]
            arch = problem.space.decode(proposal.genome)
            candidate = make_candidate(arch, trial, 1, 0, "search", proposal.genome, proposal.origin)
            outcomes.append(Outcome(candidate=candidate, estimate=Estimate(measured={"accuracy": 80.0 + trial})))
            strategy.tell(outcomes[-1:])
        return outcomes

    one, two = run(), run()
    assert len({each.candidate.arch_id for each in one}) == 8
    assert [each.candidate.arch_id for each in one] == [each.candidate.arch_id for each in two]
    thought = [each.candidate for each in one if each.candidate.origin.get("operator") == "Last"]
    assert len(thought) >= 4
