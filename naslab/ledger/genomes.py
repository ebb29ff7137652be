"""Whether the genomes that a ledger holds are those of the study's space."""

from __future__ import annotations

from collections.abc import Iterable

from naslab.errors import LedgerError
from naslab.space.space import SearchSpace
from naslab.study.outcome import Candidate


def require_genomes_of(space: SearchSpace, candidates: Iterable[Candidate]) -> None:
    """Raise `LedgerError` naming the first searched candidate whose genome is none of the study's `space`."""
    for candidate in candidates:
        if candidate.role == "search" and not space.has(candidate.genome):
            raise LedgerError(
                f"trial {candidate.trial} in the ledger is damaged (its genome is none of the study's space): "
                "restore the ledger from a copy"
            )
