"""Strategies that also decide, after every epoch, which paused training goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from naslab.strategies.composed import ComposedStrategy, Proposer
from naslab.strategies.outcome_history import OutcomeHistory
from naslab.strategies.priors import Prior
from naslab.strategies.strategy import Proposal, Strategy
from naslab.study.outcome import Candidate, Outcome


class PausingStrategy(Strategy, Protocol):
    """A strategy that also says, after every epoch, which paused training is to go on.

    >>> from naslab.space import load_space
    >>> from naslab.strategies.registry import make_strategy
    >>> from naslab.study.problem import DataChoice, Objective, Problem
    >>> from naslab.study.recipe import Recipe
    >>> class InTurn:  # each network to its end before the next is begun
    ...     learns_across_fidelities = False
    ...     def __init__(self, networks):
    ...         self._networks = networks
    ...     def ask(self, count):
    ...         return self._networks.ask(count)
    ...     def tell(self, outcomes):
    ...         self._networks.tell(outcomes)
    ...     def adopt(self, candidates):
    ...         self._networks.adopt(candidates)
    ...     def next_paused(self, paused, may_begin):
    ...         return next(iter(paused), None)
    >>> problem = Problem(load_space("nas_bench_macro"), (Objective.named("accuracy"),), DataChoice("digits"), Recipe())
    >>> strategy = InTurn(make_strategy("random", problem))
    >>> strategy.next_paused(["one", "two"], may_begin=True), len(strategy.ask(1))
    ('one', 1)
    """

    def next_paused(self, paused: Sequence[str], may_begin: bool) -> str | None:
        """Which of the networks `paused`, by their ids, is trained for one epoch more; `None` for a new one instead.

        A new one only where one `may_begin`, else always one of those paused, of which there is at least one.
        """
        ...


class PausingProposer(Proposer, Protocol):
    """A proposer that can weigh paused trainings against new networks.

    >>> import numpy as np
    >>> from naslab.bench.table import TableSpace
    >>> from naslab.space.genome import Hole
    >>> from naslab.strategies.random_search import samples
    >>> class InTurn:  # random networks, each to its end before the next is begun
    ...     def __init__(self, space):
    ...         self._space = space
    ...     def drafts(self, history, rng):
    ...         yield from samples(self._space, rng)
    ...     def next_paused(self, history, paused, may_begin):
    ...         return next(iter(paused), None)
    >>> space = TableSpace([Hole(path="kernel", options=(3, 5))], np.array([[0], [1]]))
    >>> InTurn(space).next_paused(OutcomeHistory(1), ["one", "two"], may_begin=True)
    'one'
    """

    def next_paused(self, history: OutcomeHistory, paused: Sequence[str], may_begin: bool) -> str | None:
        """See `PausingStrategy.next_paused`; a function of its seed and of `history`, which it reads only."""
        ...


class PausingSearch:
    """`networks` that `pausing` proposes, which also weighs those paused against them."""

    learns_across_fidelities = True

    def __init__(self, networks: ComposedStrategy, pausing: PausingProposer) -> None:
        self._networks = networks
        self._pausing = pausing

    def ask(self, count: int) -> list[Proposal]:
        """New networks (see `Strategy.ask`)."""
        return self._networks.ask(count)

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Learn from finished epochs."""
        self._networks.tell(outcomes)

    def take_prior(self, prior: Prior) -> None:
        """Learn from the scores of `prior` from now on; those of an earlier prior are forgotten."""
        self._networks.take_prior(prior)

    def adopt(self, candidates: Sequence[Candidate]) -> None:
        """Take candidates in flight as proposed."""
        self._networks.adopt(candidates)

    def next_paused(self, paused: Sequence[str], may_begin: bool) -> str | None:
        """See `PausingStrategy.next_paused`."""
        return self._pausing.next_paused(self._networks.history, paused, may_begin)
