"""ComposedStrategy: a strategy made of a domain, a proposer of drafts, and a filter that admits them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import msgspec
import numpy as np

from naslab.errors import SpaceExhaustedError, SpecError
from naslab.strategies.domain import ArchDomain, Domain
from naslab.strategies.outcome_history import Observation, OutcomeHistory, Unread
from naslab.strategies.preferred_part import ranked_behind
from naslab.strategies.priors import Prior
from naslab.strategies.proposal_filter import ProposalFilter
from naslab.strategies.strategy import Proposal
from naslab.study.finished import FinishedTrials
from naslab.study.outcome import Candidate, Outcome


class Proposer(Protocol):
    """What tells search algorithms apart: which genomes to try next. Limits and repeats are the filter's business.

    What it keeps between calls may depend on the outcomes told, in order, and on what is in flight, but not on how
    often or when it was asked: a resumed study replays the outcomes and must get the same drafts.

    >>> from naslab.bench.table import TableDomain, TableSpace
    >>> from naslab.space.genome import Hole
    >>> from naslab.strategies.outcome_history import best_first
    >>> from naslab.strategies.random_search import samples
    >>> class BesideTheBest:  # what differs from the best network so far in one choice
    ...     def __init__(self, space):
    ...         self._space = space
    ...     def drafts(self, history, rng):
    ...         if not history.told:
    ...             yield from samples(self._space, rng)
    ...         best = history.told[best_first(history.told)[0]]
    ...         yield from map(Proposal, self._space.neighbours(best.genome))
    >>> space = TableSpace([Hole(path="kernel", options=(3, 5, 7))], np.array([[0], [1], [2]]))
    >>> domain = TableDomain(space, losses=-np.array([[91.0], [93.0], [92.5]]))
    >>> search = Search(domain, BesideTheBest(space), seed=0)
    >>> for _ in range(3):
    ...     [proposal] = search.ask(1)
    ...     search.learn([domain.look_up(proposal.genome)])
    >>> sorted(observation.losses for observation in search.history.told)
    [(-93.0,), (-92.5,), (-91.0,)]
    """

    def drafts(self, history: OutcomeHistory, rng: np.random.Generator) -> Iterator[Proposal]:
        """Genomes worth estimating after `history`, best first, as an iterator that makes them when they are taken.

        Their networks may have been proposed before and may break limits; the filter passes over those, and repairs
        some. It takes 64 at most, so the iterator may be without end, and may end before: then neighbours of what is
        known take their place. `history` is the search's own, to be read only. All random numbers come from `rng`.
        """
        ...


class Search:
    """Ask and tell in any `domain`, such as a table of known results, with the drafts of `proposer`.

    Proposals never repeat a network, and depend on the seed and the history alone. With `compares` the proposer learns
    from losses by comparing them, and is told those by which the domain's preferences come first (`ranked_behind`).
    Raises `SpecError` where the seed is negative.
    """

    def __init__(self, domain: Domain, proposer: Proposer, seed: int, compares: bool = False) -> None:
        if seed < 0:
            raise SpecError("seed", f"must be at least 0, got {seed}")
        self._preferred = domain.preferred if compares else None
        self.history = OutcomeHistory(domain.num_objectives)
        self._proposer = proposer
        self._filter = ProposalFilter(domain)
        self._seed = seed

    def ask(self, count: int) -> list[Proposal]:
        """Up to `count` proposals, fewer where the space holds no more.

        Raises `SpaceExhaustedError` where it holds none, and `LimitError` where no network meets the limits.
        """
        proposals: list[Proposal] = []
        for _ in range(count):
            rng = np.random.default_rng([self._seed, self.history.num_proposed])
            try:
                drafts = self._proposer.drafts(self.history, rng)
                proposals.append(self._filter.admit(drafts, self.history, rng))
            except SpaceExhaustedError:
                if not proposals:
                    raise
                break
        return proposals

    def learn(self, observations: Iterable[Observation]) -> None:
        """Add finished estimates to the history."""
        for observation in observations:
            if self._preferred is not None and observation.losses is not None:
                [losses] = ranked_behind(np.array([observation.losses]), self._preferred)
                observation = msgspec.structs.replace(observation, losses=tuple(losses.tolist()))
            self.history.finish(observation)

    def take_up(self, unread: Unread) -> None:
        """Begin with the finished estimates of a study that goes on, in place of `learn`."""
        if self._preferred is not None:
            unread = unread._replace(losses=ranked_behind(unread.losses, self._preferred))
        self.history.take_up(unread)


class ComposedStrategy:
    """A `Strategy` on the architectures of a problem: `domain` says what is known of them, `proposer` what to try next.

    `learns_across_fidelities` says whether the proposer can use outcomes of one network at several fidelities,
    `compares` whether it learns by comparing losses (`Search`).
    """

    def __init__(
        self,
        domain: ArchDomain,
        proposer: Proposer,
        seed: int,
        learns_across_fidelities: bool = False,
        compares: bool = False,
    ) -> None:
        self.learns_across_fidelities = learns_across_fidelities
        self._domain = domain
        self._search = Search(domain, proposer, seed, compares)

    @property
    def history(self) -> OutcomeHistory:
        """What it was told and what is in flight, to be read only."""
        return self._search.history

    def ask(self, count: int) -> list[Proposal]:
        """Up to `count` proposals (see `Strategy.ask`); `LimitError` where no network meets the limits."""
        return self._search.ask(count)

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Learn from finished candidates; networks that the search did not make are only never proposed."""
        if isinstance(outcomes, FinishedTrials) and outcomes.is_searched.all() and not self._search.history.told:
            unread = self._domain.observe_all(outcomes)
            if unread is not None:
                self._search.take_up(unread)
                return
        for outcome in outcomes:
            if outcome.candidate.role == "search":
                self._search.learn([self._domain.observe(outcome)])
            else:
                self._search.history.forbid(outcome.candidate.arch_id)

    def take_prior(self, prior: Prior) -> None:
        """Learn from the scores of `prior` from now on, where the proposer learns from any."""
        self._domain.prior = prior

    def adopt(self, candidates: Sequence[Candidate]) -> None:
        """Take candidates in flight as proposed."""
        for candidate in candidates:
            if candidate.role == "search":
                self._search.history.start(candidate.arch_id, candidate.genome)
            else:
                self._search.history.forbid(candidate.arch_id)
