"""The strategies by name, from `random` to `bayes` and Optuna's samplers.

>>> strategy_names()[:4]
['bayes', 'bayes_per_second', 'cmaes', 'evolution']
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from naslab.errors import SpecError, UnknownNameError
from naslab.strategies.composed import ComposedStrategy, Proposer, Search
from naslab.strategies.domain import ArchDomain, Domain
from naslab.strategies.pausing_strategy import PausingSearch
from naslab.strategies.strategy import Strategy
from naslab.study.problem import Problem

MakeProposer: TypeAlias = Callable[[Domain, int], Proposer]
"""A proposer for a domain and a seed. What it needs is imported when it is called: some strategies load SciPy."""

PER_SECOND = ("bayes_per_second",)
"""The strategies that learn from how long trainings take, so that equal results of another speed change them."""

ACROSS_FIDELITIES = ("bayes", *PER_SECOND)
"""The strategies that use outcomes of one network at several fidelities; others are told the lowest alone."""

WITH_PRIOR = ("bayes", *PER_SECOND)
"""The strategies that learn from scores of cheap estimators; others do not see them."""


WITH_PAUSES = ("bayes", *PER_SECOND)
"""The strategies that can decide after every epoch which training goes on."""

BY_COMPARING = ("evolution", "local", "nsga2", "nsga3", "reinforce")
"""The strategies that learn from outcomes by comparing their losses, in which a preference is told by the losses."""

WITH_PREFERENCES = ("bayes", *PER_SECOND, *BY_COMPARING)
"""The strategies that search the part of a front that is preferred."""


def strategy_names() -> list[str]:
    """The names of naslab's strategies, sorted; those of users are not among them.

    >>> "evolution" in strategy_names()
    True
    """
    return sorted(_ROWS)


def strategy_summaries() -> dict[str, str]:
    """What each strategy is in a line, by its name, sorted.

    >>> strategy_summaries()["tpe"]
    "Optuna's tree-structured Parzen estimator"
    """
    return {name: _ROWS[name].summary for name in strategy_names()}


def make_strategy(name: str, problem: Problem, seed: int = 0) -> Strategy:
    """The strategy `name` on the space, objectives and limits of `problem`, freshly made: it was told nothing yet.

    A user's own is named `package.module:name`, or by an entry point. Raises `UnknownNameError` with the nearest names,
    `OutsideError` for a user's that cannot be loaded or made, and `SpecError` where the seed is negative, or where
    `cmaes` gets more than one objective. The first `ask` of `cmaes` raises it where its package is missing.

    >>> from naslab.space import load_space
    >>> from naslab.study.problem import DataChoice, Objective
    >>> from naslab.study.recipe import Recipe
    >>> goals = (Objective.named("accuracy"), Objective.named("macs"))
    >>> problem = Problem(load_space("nas_bench_macro"), goals, DataChoice("digits"), Recipe())
    >>> [proposal.origin for proposal in make_strategy("evolution", problem).ask(2)]
    [{'operator': 'sample'}, {'operator': 'sample'}]
    """
    if name not in _ROWS:
        from naslab.strategies.own import own_strategy

        own = own_strategy(name, problem, seed)
        if own is not None:
            return own
    domain = ArchDomain(problem, reads_seconds=name in PER_SECOND)
    proposer = make_proposer(name, domain, seed)
    return ComposedStrategy(domain, proposer, seed, name in ACROSS_FIDELITIES, name in BY_COMPARING)


def require_pausing(name: str) -> None:
    """Raise `SpecError` where the strategy `name` cannot decide which training goes on.

    >>> require_pausing("random")
    Traceback (most recent call last):
    naslab.errors.SpecError: pause: is for --strategy bayes, bayes_per_second, got 'random'
    """
    if name not in WITH_PAUSES:
        raise SpecError("pause", f"is for --strategy {', '.join(WITH_PAUSES)}, got '{name}'")


def make_pausing_strategy(name: str, problem: Problem, seed: int, epochs: int) -> PausingSearch:
    """The strategy `name` on `problem`, deciding after each of `epochs` epochs which training goes on.

    `seed` is that of `make_strategy`. Raises `SpecError` for strategies that cannot.

    >>> from naslab.space import load_space
    >>> from naslab.study.problem import DataChoice, Objective
    >>> from naslab.study.recipe import Recipe
    >>> problem = Problem(load_space("nas_bench_macro"), (Objective.named("accuracy"),), DataChoice("digits"), Recipe())
    >>> strategy = make_pausing_strategy("bayes", problem, seed=0, epochs=12)
    >>> print(strategy.next_paused([], may_begin=True))  # nothing is paused: ask for a new network
    None
    """
    require_pausing(name)
    from naslab.strategies.pausing import Pausing

    domain = ArchDomain(problem, reads_seconds=name in PER_SECOND)
    pausing = Pausing(domain, epochs, seed, is_per_second=name in PER_SECOND)
    return PausingSearch(ComposedStrategy(domain, pausing, seed, learns_across_fidelities=True), pausing)


def make_search(name: str, domain: Domain, seed: int = 0) -> Search:
    """The strategy `name`, one of naslab's, on any `domain`, such as a table of known results.

    Raises `UnknownNameError` and `SpecError` as `make_strategy` does.

    >>> import numpy as np
    >>> from naslab.bench.table import TableDomain, TableSpace
    >>> from naslab.space.genome import Hole
    >>> space = TableSpace([Hole(path="kernel", options=(3, 5, 7))], np.array([[0], [1], [2]]))
    >>> domain = TableDomain(space, losses=-np.array([[91.0], [93.0], [92.5]]))
    >>> len(make_search("random", domain).ask(5))
    3
    """
    return Search(domain, make_proposer(name, domain, seed), seed, name in BY_COMPARING)


def make_proposer(name: str, domain: Domain, seed: int = 0) -> Proposer:
    """What drafts the proposals of the strategy `name`, one of naslab's, in `domain`.

    Raises `UnknownNameError` with the nearest names, and `SpecError` where the seed is negative, or where `cmaes` gets
    more than one objective.

    >>> make_proposer("cmeas", domain=None)
    Traceback (most recent call last):
    naslab.errors.UnknownNameError: unknown strategy 'cmeas' (did you mean 'cmaes'?)
    """
    row = _ROWS.get(name)
    if row is None:
        raise UnknownNameError("strategy", name, _ROWS)
    if seed < 0:
        raise SpecError("seed", f"must be at least 0, got {seed}")
    if domain.preferred is not None and name not in WITH_PREFERENCES:
        raise SpecError("prefer", f"is for --strategy {', '.join(WITH_PREFERENCES)}, got '{name}'")
    return row.make(domain, seed)


def _random(domain: Domain, seed: int) -> Proposer:
    from naslab.strategies.random_search import RandomSearch

    return RandomSearch(domain.space)


def _quasi_random(domain: Domain, seed: int) -> Proposer:
    from naslab.strategies.quasi_random import QuasiRandom

    return QuasiRandom(domain, seed)


def _evolution(domain: Domain, seed: int) -> Proposer:
    from naslab.strategies.aging_evolution import AgingEvolution

    return AgingEvolution(domain.space)


def _nsga2(domain: Domain, seed: int) -> Proposer:
    from naslab.strategies.nsga2 import NSGA2

    return NSGA2(domain.space)


def _nsga3(domain: Domain, seed: int) -> Proposer:
    from naslab.strategies.nsga3 import NSGA3

    return NSGA3(domain.space, domain.num_objectives)


def _local(domain: Domain, seed: int) -> Proposer:
    from naslab.strategies.local_search import LocalSearch

    return LocalSearch(domain)


def _reinforce(domain: Domain, seed: int) -> Proposer:
    from naslab.strategies.reinforce import Reinforce

    return Reinforce(domain.space)


def _bayes(domain: Domain, seed: int) -> Proposer:
    from naslab.strategies.bayes import Bayes

    return Bayes(domain)


def _bayes_per_second(domain: Domain, seed: int) -> Proposer:
    from naslab.strategies.bayes import Bayes

    return Bayes(domain, is_per_second=True)


def _optuna(sampler: str) -> MakeProposer:
    """A maker of the bridge to one of Optuna's samplers."""

    def make(domain: Domain, seed: int) -> Proposer:
        from naslab.strategies import optuna_bridge as bridge

        samplers: dict[str, bridge.MakeSampler] = {
            "tpe": bridge.tpe,
            "gp": bridge.gp,
            "nsga2": bridge.nsga2,
            "nsga3": bridge.nsga3,
            "cmaes": bridge.cmaes,
        }
        if sampler == "cmaes" and domain.num_objectives > 1:
            rule = f"'cmaes' takes one objective, got {domain.num_objectives}; choose nsga2 or bayes for several"
            raise SpecError("strategy", rule)
        return bridge.OptunaBridge(domain.space, samplers[sampler])

    return make


class _Row(NamedTuple):
    """A strategy: what makes its proposer, and what it is in a line."""

    make: MakeProposer
    summary: str


_ROWS: dict[str, _Row] = {
    "random": _Row(_random, "random search without repeats"),
    "quasi_random": _Row(_quasi_random, "the points of a scrambled Sobol sequence"),
    "evolution": _Row(_evolution, "aging evolution (Real et al. 2019, arXiv 1802.01548)"),
    "nsga2": _Row(_nsga2, "NSGA-II, steady-state and asynchronous (Deb et al. 2002)"),
    "nsga3": _Row(_nsga3, "NSGA-III, for three and more objectives (Deb and Jain 2014)"),
    "local": _Row(_local, "local search with restarts (White et al. 2020, arXiv 2005.02960)"),
    "reinforce": _Row(_reinforce, "a policy-gradient controller (Zoph and Le 2017, arXiv 1611.01578)"),
    "bayes": _Row(_bayes, "Gaussian processes over choices and costs, by expected gain"),
    "bayes_per_second": _Row(_bayes_per_second, "the same by expected gain for each second of training"),
    "tpe": _Row(_optuna("tpe"), "Optuna's tree-structured Parzen estimator"),
    "gp": _Row(_optuna("gp"), "Optuna's Gaussian process"),
    "cmaes": _Row(_optuna("cmaes"), "Optuna's CMA-ES, for one objective"),
    "optuna_nsga2": _Row(_optuna("nsga2"), "Optuna's NSGA-II, in generations"),
    "optuna_nsga3": _Row(_optuna("nsga3"), "Optuna's NSGA-III, in generations"),
}
