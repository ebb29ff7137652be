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


PEERS = {
    "smac": Peer("smac", "naslab.bench.peer_smac", 1),
    "hyperopt": Peer("hyperopt", "naslab.bench.peer_hyperopt", 1),
    "nevergrad": Peer("nevergrad", "naslab.bench.peer_nevergrad", 1),
}


def peer_names() -> list[str]:
    """The peers whose packages are installed, sorted."""
    return sorted(name for name, peer in PEERS.items() if importlib.util.find_spec(peer.package) is not None)


def make_contender(name: str, domain: Domain, seed: int = 0) -> Search:
    """A strategy or a peer by name, on a table.

    Raises what `make_search` raises, and `SpecError` where a peer's package is not installed, or where the peer cannot
    do what is asked.
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
    """The choices of a domain's space that have more than one option."""
    return [hole for hole in domain.space.holes() if len(hole.options) > 1]


def worst_loss(history: OutcomeHistory) -> float:
    """The worst first loss told, 0 before there is one: what a failure is told as."""
    return max((each.losses[0] for each in history.told if each.losses is not None), default=0.0)
