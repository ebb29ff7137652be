"""ProposalFilter: which draft of a strategy becomes a proposal. What all strategies share, by composition.

A proposal meets the limits before anything is trained and is a network that was never proposed. Every step is bounded:
drafts, repaired where they break a limit; unseen neighbours of what is known; the whole space where it is small; and an
error that says why there is nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np

from naslab.errors import LimitError, SpaceExhaustedError, counted
from naslab.space import Genome
from naslab.strategies.domain import Domain
from naslab.strategies.outcome_history import OutcomeHistory
from naslab.strategies.strategy import Proposal

MAX_DRAFTS = 64
MAX_KNOWN = 16
MAX_NEIGHBOURS = 64
MAX_SAMPLES = 256
ENUMERABLE = 50_000
"""A space of more genomes is not walked through to find the last networks."""


class ProposalFilter:
    """Turns drafts into proposals for one `domain`: networks that meet the limits and were not proposed before."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._left: dict[str, Genome] | None = None
        self._met_feasible = False

    def admit(self, drafts: Iterator[Proposal], history: OutcomeHistory, rng: np.random.Generator) -> Proposal:
        """The first of `drafts` that meets the limits and is new, else another such network; it is noted in `history`.

        Of the drafts at most 64 are looked at, each repaired where it breaks a limit. Raises `LimitError` where no
        network meets the limits and `SpaceExhaustedError` where all that do were proposed.
        """
        for proposal in self._ways(drafts, history, rng):
            history.start(self._domain.examine(proposal.genome).network_id, proposal.genome)
            return proposal
        if not self._met_feasible:
            raise LimitError(self._domain.unmet_limits())
        raise SpaceExhaustedError(self._exhaustion(history))

    def _ways(
        self, drafts: Iterator[Proposal], history: OutcomeHistory, rng: np.random.Generator
    ) -> Iterator[Proposal]:
        """Admissible proposals, the strategy's own first."""
        drafted: list[Proposal] = []
        for draft in islice(drafts, MAX_DRAFTS):
            genome = self._admissible(draft.genome, history, rng)
            if genome is not None:
                yield draft if genome == draft.genome else Proposal(genome, {**draft.origin, "repaired": True})
            drafted.append(draft)
        # What the strategy noted on its draft stays with what replaces it; its parents are others.
        noted = {key: value for key, value in drafted[0].origin.items() if key != "parents"} if drafted else {}
        for genome in self._fallbacks([draft.genome for draft in drafted[:1]], history, rng):
            yield Proposal(genome, {**noted, "operator": "fallback"})

    def _fallbacks(self, drafted: list[Genome], history: OutcomeHistory, rng: np.random.Generator) -> Iterator[Genome]:
        """Admissible genomes beside the draft and what is known, then of the whole space."""
        pending, num_told = list(history.pending.values()), len(history.told)
        picked = rng.permutation(num_told + len(pending))[:MAX_KNOWN].tolist()
        read = iter(history.told.at(place for place in picked if place < num_told))
        known = [next(read).genome if place < num_told else pending[place - num_told] for place in picked]
        for centre in drafted + known:
            yield from self._beside(centre, history, rng)
        if self._domain.space.size() <= ENUMERABLE:
            yield from self._anything_left(history, rng)
            return
        for _ in range(MAX_SAMPLES):
            genome = self._admissible(self._domain.space.sample(rng), history, rng)
            if genome is not None:
                yield genome

    def _beside(self, centre: Genome, history: OutcomeHistory, rng: np.random.Generator) -> Iterator[Genome]:
        """Unseen neighbours of a genome that meet the limits, in random order."""
        near = list(islice(self._domain.space.neighbours(centre), 4 * MAX_NEIGHBOURS))
        for index in rng.permutation(len(near))[:MAX_NEIGHBOURS]:
            network = self._domain.examine(near[index])
            if network.is_feasible and network.network_id not in history.seen:
                self._met_feasible = True
                yield near[index]

    def _anything_left(self, history: OutcomeHistory, rng: np.random.Generator) -> Iterator[Genome]:
        """Any network of a small space that was not proposed."""
        if self._left is None:
            self._left = {}
            for genome in self._domain.space.enumerate():
                network = self._domain.examine(genome)
                if network.is_feasible:
                    self._left.setdefault(network.network_id, genome)
            self._met_feasible = self._met_feasible or bool(self._left)
        left = [genome for network_id, genome in self._left.items() if network_id not in history.seen]
        if left:
            yield left[int(rng.integers(len(left)))]

    def _admissible(self, genome: Genome, history: OutcomeHistory, rng: np.random.Generator) -> Genome | None:
        """The genome, repaired if it breaks a limit, unless its network was proposed or no repair was found."""
        network = self._domain.examine(genome)
        if not network.is_feasible:
            repaired = self._domain.repair(genome, rng)
            if repaired is None:
                return None
            genome, network = repaired, self._domain.examine(repaired)
            if not network.is_feasible:
                return None
        self._met_feasible = True
        return None if network.network_id in history.seen else genome

    def _exhaustion(self, history: OutcomeHistory) -> str:
        if self._left is not None:
            size, number = self._domain.space.size(), len(self._left)
            genomes = counted(size, "genome")
            if number == 1:
                return f"the one network that the space's {genomes} {'makes' if size == 1 else 'make'} was proposed"
            return f"all {number} networks that the space's {genomes} make within the limits were proposed"
        return (
            f"{counted(history.num_proposed, 'network')} {'was' if history.num_proposed == 1 else 'were'} "
            f"proposed, and no other was found in {MAX_DRAFTS} drafts, beside "
            f"{MAX_KNOWN} known networks and in {MAX_SAMPLES} samples; loosen the limits or widen the space"
        )
