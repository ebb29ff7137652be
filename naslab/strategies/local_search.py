"""Local search with restarts (White et al. 2020, "Local Search is State of the Art for NAS Benchmarks", 2005.02960)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from naslab.arch.block import require
from naslab.pareto import Losses, dominates, is_non_dominated
from naslab.space import Genome
from naslab.strategies.domain import Domain
from naslab.strategies.last_front import LastFront, next_to_join
from naslab.strategies.outcome_history import Observation, OutcomeHistory
from naslab.strategies.random_search import samples
from naslab.strategies.strategy import Proposal
from naslab.study.outcome import RESTART


class LocalSearch:
    """First improvement in `domain`: neighbours of the best network of a climb in random order, on from any better one.

    A climb begins at the best of `num_starts` random networks and ends where every neighbour is known. Several
    objectives: neighbours of any network of the front (Pareto local search, Paquete et al. 2004). Raises `SpecError`
    where `num_starts` is below 1.
    """

    def __init__(self, domain: Domain, num_starts: int = 3) -> None:
        require(num_starts >= 1, "num_starts", f"must be at least 1, got {num_starts}")
        self._domain = domain
        self._num_starts = num_starts
        self._centres: list[Observation] = []
        self._known: set[str] = set()
        self._num_read = 0

    def drafts(self, history: OutcomeHistory, rng: np.random.Generator) -> Iterator[Proposal]:
        """Unseen neighbours of where the climb stands, then a random genome to begin the next."""
        self._read(history)
        if history.num_searched >= self._num_starts:
            for index in rng.permutation(len(self._centres)):
                centre = self._centres[index]
                near = self._near(centre.genome, history.seen)
                for other in rng.permutation(len(near)):
                    yield Proposal(near[other], {"operator": "mutate", "parents": [centre.trial]})
        for draft in samples(self._domain.space, rng):
            yield Proposal(draft.genome, {"operator": RESTART})

    def _read(self, history: OutcomeHistory) -> None:
        told = history.told
        losses, _, network_ids = told.columns(len(told))
        restarts = told.made_by(RESTART, self._num_read).tolist()
        first = self._num_read
        while first < len(told):
            place = self._next_of_use(losses, first, restarts)
            self._known.update(network_ids[first : place + 1])
            if place < len(told) and not np.isnan(losses[place, 0]):
                self._climb(told[place])
            first = place + 1
        self._num_read = len(told)

    def _next_of_use(self, losses: Losses, first: int, restarts: Sequence[int]) -> int:
        """The place, from `first` on, of the next outcome that may move the climb; the number of `losses` without one.

        It begins a climb, or no network where the climb stands dominates it.
        """
        index = int(np.searchsorted(restarts, first))
        restart = int(restarts[index]) if index < len(restarts) else len(losses)
        if not self._centres:
            return min(restart, first)
        standing = np.array([each.losses for each in self._centres], dtype=np.float64)  # none dominates another
        return min(restart, next_to_join(losses, first, LastFront(standing, above=standing[:0]).is_behind))

    def _climb(self, observation: Observation) -> None:
        """Move to the observation if it is better, or if it begins a climb after one that has ended."""
        if observation.origin.get("operator") == RESTART and self._has_ended():
            self._centres = [observation]
            return
        joined = [*self._centres, observation]
        losses = np.array([each.losses for each in joined], dtype=np.float64)
        if len(joined) > 1 and losses.shape[1] == 1:
            is_better = dominates(losses[-1], losses[0])
            self._centres = [observation] if is_better else self._centres
        else:
            self._centres = [each for each, is_front in zip(joined, is_non_dominated(losses), strict=True) if is_front]

    def _has_ended(self) -> bool:
        return not any(self._near(centre.genome, self._known) for centre in self._centres)

    def _near(self, genome: Genome, known: set[str]) -> list[Genome]:
        """Neighbours that meet the limits and whose networks are not among the known."""
        found = []
        for neighbour in self._domain.space.neighbours(genome):
            network = self._domain.examine(neighbour)
            if network.is_feasible and network.network_id not in known:
                found.append(neighbour)
        return found
