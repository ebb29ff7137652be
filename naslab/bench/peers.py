"""Peers: optimisers of other packages as contenders of the bench, behind the interface of the own strategies.

They are there for comparison alone: `naslab search` does not know them. Each needs its package, none comes with naslab.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import NamedTuple

from naslab.errors import SpecError
from naslab.space.genome import Hole
from naslab.strategies.composed import Proposer, Search
from naslab.strategies.domain import Domain
from naslab.strategies.outcome_history import OutcomeHistory
from naslab.strategies.registry import make_search


class Peer(NamedTuple):
    """The package of a peer, the module that speaks to it, and how many objectives it takes at most."""

    package: str
    module: str
    most_objectives: int


MANY = 10
"""Objectives that no bench reaches."""
PEERS = {
    "botorch": Peer("botorch", "naslab.bench.peer_botorch", MANY),
    "smac": Peer("smac", "naslab.bench.peer_smac", 1),
    "hyperopt": Peer("hyperopt", "naslab.bench.peer_hyperopt", 1),
    "nevergrad": Peer("nevergrad", "naslab.bench.peer_nevergrad", 1),
}


def peer_names() -> list[str]:
    """The peers whose packages are installed, sorted.

    >>> set(peer_names()) <= set(PEERS)
    True
    """
    return sorted(name for name, peer in PEERS.items() if importlib.util.find_spec(peer.package) is not None)


def make_contender(name: str, domain: Domain, seed: int = 0) -> Search:
    """The strategy or the peer `name` on a `domain`, such as a table of known results.

    Raises what `make_search` raises, and `SpecError` where a peer's package is not installed, or where the peer cannot
    do what is asked.

    >>> import numpy as np
    >>> from naslab.bench.table import TableDomain, TableSpace
    >>> space = TableSpace([Hole(path="kernel", options=(3, 5, 7))], np.array([[0], [1], [2]]))
    >>> domain = TableDomain(space, losses=-np.array([[91.0], [93.0], [92.5]]))
    >>> len(make_contender("random", domain).ask(2))
    2
    """
    peer = PEERS.get(name)
    if peer is None:
        return make_search(name, domain, seed)
    if importlib.util.find_spec(peer.package) is None:
        rule = f"'{name}' needs the package {peer.package}, which is not installed: pip install 'naslab[bench]'"
        raise SpecError("strategy", rule)
    if domain.num_objectives > peer.most_objectives:
        raise SpecError("strategy", f"'{name}' takes one objective in this bench, got {domain.num_objectives}")
    proposer: Proposer = importlib.import_module(peer.module).propose(domain, seed)
    return Search(domain, proposer, seed)


def knobs_of(domain: Domain) -> list[Hole]:
    """The choices of the space of `domain` that have more than one option, in its order.

    >>> import numpy as np
    >>> from naslab.bench.table import TableDomain, TableSpace
    >>> choices = [Hole(path="kernel", options=(3, 5)), Hole(path="width", options=(8,))]
    >>> domain = TableDomain(TableSpace(choices, np.array([[0, 0], [1, 0]])), losses=np.array([[2.0], [1.0]]))
    >>> [hole.path for hole in knobs_of(domain)]
    ['kernel']
    """
    return [hole for hole in domain.space.holes() if len(hole.options) > 1]


def worst_loss(history: OutcomeHistory) -> float:
    """The worst first loss of `history`, 0 before there is one: what a failure is told as.

    >>> worst_loss(OutcomeHistory(num_objectives=1))
    0.0
    """
    return max((each.losses[0] for each in history.told if each.losses is not None), default=0.0)
