"""The strategies by name."""

from __future__ import annotations

from collections.abc import Callable

from naslab.errors import UnknownNameError
from naslab.problem import Problem
from naslab.strategies.aging_evolution import AgingEvolution
from naslab.strategies.bayes import Bayes
from naslab.strategies.composed import ComposedStrategy, Proposer, Search
from naslab.strategies.domain import ArchDomain, Domain
from naslab.strategies.local_search import LocalSearch
from naslab.strategies.nsga2 import NSGA2
from naslab.strategies.random_search import RandomSearch
from naslab.strategies.strategy import Strategy


def strategy_names() -> list[str]:
    """The names that `make_strategy` knows, sorted."""
    return sorted(_PROPOSERS)


def make_strategy(name: str, problem: Problem, seed: int = 0) -> Strategy:
    """The strategy of a name on a problem.

    Raises `UnknownNameError` with the nearest names, and `SpecError` where the strategy cannot do what is asked.
    """
    domain = ArchDomain(problem)
    return ComposedStrategy(domain, make_proposer(name, domain), seed)


def make_search(name: str, domain: Domain, seed: int = 0) -> Search:
    """The same strategy on any domain, such as a table of known results."""
    return Search(domain, make_proposer(name, domain), seed)


def make_proposer(name: str, domain: Domain) -> Proposer:
    """How the strategy of a name drafts proposals in a domain."""
    make = _PROPOSERS.get(name)
    if make is None:
        raise UnknownNameError("strategy", name, _PROPOSERS)
    return make(domain)


def _optuna(sampler: str) -> Callable[[Domain], Proposer]:
    """A maker that imports Optuna when it is called."""

    def make(domain: Domain) -> Proposer:
        from naslab.strategies import optuna_bridge as bridge

        samplers: dict[str, bridge.MakeSampler] = {
            "tpe": bridge.tpe,
            "gp": bridge.gp,
            "nsga2": bridge.nsga2,
            "nsga3": bridge.nsga3,
            "cmaes": bridge.cmaes,
        }
        return bridge.OptunaBridge(domain.space, samplers[sampler])

    return make


_PROPOSERS: dict[str, Callable[[Domain], Proposer]] = {
    "random": lambda domain: RandomSearch(domain.space),
    "evolution": lambda domain: AgingEvolution(domain.space),
    "bayes": Bayes,
    "nsga2": lambda domain: NSGA2(domain.space),
    "local": LocalSearch,
    "tpe": _optuna("tpe"),
    "gp": _optuna("gp"),
    "cmaes": _optuna("cmaes"),
    "optuna_nsga2": _optuna("nsga2"),
    "optuna_nsga3": _optuna("nsga3"),
}
