"""ComposedStrategy: a domain, a way to draft proposals, and admission make a strategy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np

from naslab.errors import SpaceExhaustedError, SpecError
from naslab.strategies.domain import ArchDomain, Domain
from naslab.strategies.outcome_history import Observation, OutcomeHistory
from naslab.strategies.proposal_filter import ProposalFilter
from naslab.strategies.strategy import Proposal
from naslab.study.outcome import Candidate, Outcome


class Proposer(Protocol):
    """How a strategy thinks: a function of the history and a random generator, but for caches.

    Nothing it keeps may depend on when it was asked: only on what was told, in order, and on what is in flight.
    """

    def drafts(self, history: OutcomeHistory, rng: np.random.Generator) -> Iterator[Proposal]:
        """Genomes worth estimating, best first, made as they are taken; they may be seen or break limits."""
        ...


class Search:
    """Asks and learns in a domain: proposals never repeat a network, and depend on the seed and the history alone."""

    def __init__(self, domain: Domain, proposer: Proposer, seed: int) -> None:
        if seed < 0:
            raise SpecError("seed", f"must be at least 0, got {seed}")
        self.history = OutcomeHistory(domain.num_objectives)
        self._proposer = proposer
        self._admission = ProposalFilter(domain)
        self._seed = seed

    def ask(self, count: int) -> list[Proposal]:
        """Up to `count` proposals; fewer where the space holds no more, `SpaceExhaustedError` where it holds none."""
        proposals: list[Proposal] = []
        for _ in range(count):
            rng = np.random.default_rng([self._seed, self.history.num_proposed])
            try:
                drafts = self._proposer.drafts(self.history, rng)
                proposals.append(self._admission.admit(drafts, self.history, rng))
            except SpaceExhaustedError:
                if not proposals:
                    raise
                break
        return proposals

    def learn(self, observations: Iterable[Observation]) -> None:
        """Take in what came back."""
        for observation in observations:
            self.history.finish(observation)


class ComposedStrategy:
    """A `Strategy` on the architectures of a problem."""

    def __init__(
        self, domain: ArchDomain, proposer: Proposer, seed: int, learns_across_fidelities: bool = False
    ) -> None:
        self.learns_across_fidelities = learns_across_fidelities
        self._domain = domain
        self._search = Search(domain, proposer, seed)

    def ask(self, count: int) -> list[Proposal]:
        """Up to `count` proposals (see `Strategy.ask`); `LimitError` where no network meets the limits."""
        return self._search.ask(count)

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Learn from finished candidates; networks that the search did not make are only never proposed."""
        for outcome in outcomes:
            if outcome.candidate.role == "search":
                self._search.learn([self._domain.observe(outcome)])
            else:
                self._search.history.forbid(outcome.candidate.arch_id)

    def adopt(self, candidates: Sequence[Candidate]) -> None:
        """Take candidates in flight as proposed."""
        for candidate in candidates:
            if candidate.role == "search":
                self._search.history.start(candidate.arch_id, candidate.genome)
            else:
                self._search.history.forbid(candidate.arch_id)
