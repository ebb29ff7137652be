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
    One thread calls it: `tell` and `adopt` once with what a study holds, then `ask` and `tell` in any order. A strategy
    of your own may promise less: `OwnStrategy` around it holds it to the limits and to new networks.

    >>> from naslab.arch import arch_id, cost
    >>> from naslab.errors import SpaceExhaustedError
    >>> from naslab.space import load_space
    >>> from naslab.study.problem import DataChoice, Limit, Objective, Problem
    >>> from naslab.study.recipe import Recipe
    >>> class OneAfterAnother:  # every network of the space, in its order
    ...     learns_across_fidelities = False
    ...     def __init__(self, problem):
    ...         self._problem, self._left, self._seen = problem, problem.space.enumerate(), set()
    ...     def ask(self, count):
    ...         found = []
    ...         while len(found) < count and (genome := next(self._left, None)) is not None:
    ...             arch = self._problem.space.decode(genome)
    ...             if arch_id(arch) not in self._seen and self._problem.is_feasible(arch, cost(arch)):
    ...                 self._seen.add(arch_id(arch))
    ...                 found.append(Proposal(genome, {"operator": "next"}))
    ...         if not found:
    ...             raise SpaceExhaustedError("every network of the space was proposed")
    ...         return found
    ...     def tell(self, outcomes):
    ...         self._seen |= {outcome.candidate.arch_id for outcome in outcomes}
    ...     def adopt(self, candidates):
    ...         self._seen |= {candidate.arch_id for candidate in candidates}
    >>> goals, limits = (Objective.named("accuracy"),), (Limit.parse("params<=1e6"),)
    >>> problem = Problem(load_space("nas_bench_macro"), goals, DataChoice("digits"), Recipe(), limits)
    >>> [cost(problem.space.decode(each.genome)).params for each in OneAfterAnother(problem).ask(2)]
    [387882, 791594]
    """

    @property
    def learns_across_fidelities(self) -> bool:
        """Whether outcomes of one network at several fidelities may be told; otherwise only its lowest one is."""
        ...

    def ask(self, count: int) -> list[Proposal]:
        """`count` proposals, fewer only where the space holds no more; what was proposed counts as in flight.

        Raises `SpaceExhaustedError` where it holds none, and `LimitError` where no network meets the limits.
        """
        ...

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Learn from `outcomes`: finished candidates in the order in which they finished, failed ones among them.

        There may be networks among them that it did not propose: baselines and rescaled ones, never to be proposed.
        """
        ...

    def adopt(self, candidates: Sequence[Candidate]) -> None:
        """Take `candidates`, which an earlier run of the study left unfinished and which run again, as proposed."""
        ...
