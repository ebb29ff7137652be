"""What every search strategy does: propose genomes, and learn from outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from naslab.space import Genome
from naslab.study.outcome import Candidate, Outcome


class Proposal(msgspec.Struct, frozen=True):
    """A genome to estimate. `origin` says how it was made (`operator`, `parents`), in JSON values for the ledger."""

    genome: Genome
    origin: dict[str, Any] = {}


class Strategy(Protocol):
    """A search strategy. It knows the problem, its seed and the outcomes told, never torch.

    Its state is a function of (problem, seed, outcomes told, candidates adopted), in order: a resumed study replays
    its ledger into a fresh strategy. Every proposal meets the limits and is a network that was not proposed before.
    """

    @property
    def learns_across_fidelities(self) -> bool:
        """Whether outcomes of one network at several fidelities may be told; otherwise only its lowest one is."""
        ...

    def ask(self, count: int) -> list[Proposal]:
        """`count` proposals, fewer only where the space holds no more.

        Raises `SpaceExhaustedError` where it holds none, and `LimitError` where no network meets the limits.
        """
        ...

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Learn from `outcomes`: finished candidates in the order in which they finished, failed ones among them."""
        ...

    def adopt(self, candidates: Sequence[Candidate]) -> None:
        """Take `candidates`, which an earlier run of the study left unfinished and which run again, as proposed."""
        ...
