"""OutcomeHistory: what a strategy was told, in order, and what is still in flight."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from naslab.pareto import crowding_distance, non_dominated_ranks
from naslab.space import Genome


class Observation(msgspec.Struct, frozen=True):
    """A network's losses, all to be small; `None` where its estimate failed.

    `origin` is what the strategy said when it proposed the network, `trial` its number in the study. `effort` is how
    much was spent on the estimate, in any unit: more is a higher fidelity.
    """

    genome: Genome
    network_id: str
    losses: tuple[float, ...] | None
    origin: dict[str, Any] = {}
    trial: int = -1
    effort: float = 1.0


class OutcomeHistory:
    """What was `told`, in order; the genomes `pending` by the id of their network; the ids `seen`, proposed or told.

    `num_objectives` is how many losses an observation has. A network may be told more than once, at several fidelities.
    """

    def __init__(self, num_objectives: int) -> None:
        self.num_objectives = num_objectives
        self.told: list[Observation] = []
        self.pending: dict[str, Genome] = {}
        self.seen: set[str] = set()
        self._known: set[str] = set()

    @property
    def num_proposed(self) -> int:
        """How many different networks were proposed, told or adopted."""
        return len(self.seen)

    @property
    def num_searched(self) -> int:
        """How many networks of the search itself are in flight or told; baselines and rescaled ones do not count."""
        return len(self._known) + len(self.pending)

    def start(self, network_id: str, genome: Genome) -> None:
        """Note that a network was proposed and is being estimated."""
        self.seen.add(network_id)
        self.pending[network_id] = genome

    def finish(self, observation: Observation) -> None:
        """Add a finished estimate; its network is no longer pending."""
        self.forbid(observation.network_id)
        self._known.add(observation.network_id)
        self.told.append(observation)

    def forbid(self, network_id: str) -> None:
        """Never propose this network; nothing is learned of it."""
        self.seen.add(network_id)
        self.pending.pop(network_id, None)


def best_first(observations: Iterable[Observation]) -> NDArray[np.intp]:
    """Positions of observations from best to worst, shape (observations,); failures last, ties by age.

    One loss decides by itself; several by non-dominated rank, then by crowding distance within the front (Deb et al.
    2002).

    >>> best_first(Observation(Genome(), "", losses) for losses in [(3.0,), None, (1.0,)])
    array([2, 0, 1])
    """
    listed = list(observations)
    measured = np.array([index for index, each in enumerate(listed) if each.losses is not None], dtype=np.intp)
    failed = np.array([index for index, each in enumerate(listed) if each.losses is None], dtype=np.intp)
    if len(measured) == 0:
        return failed
    losses = np.array([listed[index].losses for index in measured], dtype=np.float64)
    return np.concatenate((measured[_order(losses)], failed))


def _order(losses: NDArray[np.float64]) -> NDArray[np.intp]:
    if losses.shape[1] == 1:
        return np.argsort(losses[:, 0], kind="stable")
    ranks = non_dominated_ranks(losses)
    crowding = np.zeros(len(losses))
    for rank in range(int(ranks.max()) + 1):
        front = ranks == rank
        crowding[front] = crowding_distance(losses[front])
    return np.lexsort((-crowding, ranks))
