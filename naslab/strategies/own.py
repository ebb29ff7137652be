"""A user's strategy: any object with `ask` and `tell`, held to what every strategy promises."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from naslab.errors import LimitError, NaslabError, SpaceExhaustedError, SpecError, StudyError, counted, shown
from naslab.outside import OutsideError, find_outside, require_takes
from naslab.space import Genome
from naslab.strategies.domain import ArchDomain
from naslab.strategies.strategy import Proposal, Strategy
from naslab.study.outcome import Candidate, Outcome
from naslab.study.problem import Problem

MOST_ASKED = 200
"""How often `ask` is called for a network that is new and meets the limits, before the space counts as exhausted."""
WHAT = "strategy"


class OwnStrategy:
    """The strategy `given` on `problem`, an object of the user's called `name`.

    Its `ask(count)` returns at most `count` genomes, or `Proposal`s of them with an origin: of
    `problem.space.sample(rng)`, `mutate`, `cross` and so on. Networks that break a limit or were proposed before are
    left out and asked for anew. Its `tell(outcomes)` takes finished trials, failed ones too; a resumed study tells all
    of its outcomes first. `adopt(candidates)` and `learns_across_fidelities` may be left out.
    """

    def __init__(self, given: Any, name: str, problem: Problem) -> None:
        self._given = given
        self._name = name
        self._domain = ArchDomain(problem)
        self._seen: set[str] = set()
        self.learns_across_fidelities = bool(getattr(given, "learns_across_fidelities", False))

    def ask(self, count: int) -> list[Proposal]:
        """Up to `count` proposals that are new and meet the limits.

        Raises `SpaceExhaustedError` where `ask` of the user's strategy gives nothing more, `LimitError` where nothing
        that it gives meets the limits, and `StudyError` for what is no genome of the space, and for what it raises.
        """
        found: list[Proposal] = []
        num_infeasible = 0
        for _ in range(MOST_ASKED):
            with self._told("ask"):
                asked = list(self._given.ask(count - len(found)))
            if not asked:
                break
            for proposal in map(self._proposal, asked[: count - len(found)]):
                network = self._domain.examine(proposal.genome)
                num_infeasible += not network.is_feasible
                if network.is_feasible and network.network_id not in self._seen:
                    self._seen.add(network.network_id)
                    found.append(proposal)
            if len(found) == count:
                return found
        if found:
            return found
        if num_infeasible and not self._seen:
            raise LimitError(f"strategy {self._name}: {counted(num_infeasible, 'proposal')}, and none meets the limits")
        raise SpaceExhaustedError(f"strategy {self._name} proposes no network that is new")

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Pass on `outcomes`; their networks are not proposed again. Raises `StudyError` for what `tell` raises."""
        self._seen |= {outcome.candidate.arch_id for outcome in outcomes}
        with self._told("tell"):
            self._given.tell(list(outcomes))

    def adopt(self, candidates: Sequence[Candidate]) -> None:
        """Take candidates in flight as proposed, and pass them on where the user's strategy has an `adopt`."""
        self._seen |= {candidate.arch_id for candidate in candidates}
        if hasattr(self._given, "adopt"):
            with self._told("adopt"):
                self._given.adopt(candidates)

    def _proposal(self, asked: object) -> Proposal:
        proposal = Proposal(asked, {"operator": self._name}) if isinstance(asked, Genome) else asked
        if not isinstance(proposal, Proposal):
            told = f"{type(asked).__name__} {shown(repr(asked))}"
            raise StudyError(f"strategy {self._name}: ask must return genomes or proposals, got {told}")
        try:
            self._domain.space.encode(proposal.genome)
        except (SpecError, KeyError, ValueError, IndexError) as error:
            raise StudyError(f"strategy {self._name}: ask returned no genome of the space: {error}") from None
        return proposal

    @contextmanager
    def _told(self, method: str) -> Iterator[None]:
        """What the user's strategy raises, on one line with its place."""
        try:
            yield
        except NaslabError:
            raise
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            message = f"{type(error).__name__}: {error} ({place.filename}, line {place.lineno}, in {place.name})"
            raise StudyError(f"strategy {self._name}: {method} raised {message}") from error


def own_strategy(text: str, problem: Problem, seed: int) -> Strategy | None:
    """The strategy that `package.module:name` or an entry point makes for `problem` and `seed`; `None` without one.

    Raises `OutsideError` where it cannot be made, or has no `ask` and `tell`.
    """
    found = find_outside(text, WHAT, "naslab.strategies")
    return None if found is None else strategy_of(found, text, problem, seed)


def strategy_of(found: Any, name: str, problem: Problem, seed: int) -> Strategy:
    """The strategy called `name`: `found` itself where it has `ask` and `tell`, else what it makes for `problem`.

    Raises `OutsideError` where it cannot be called so, or makes something else.
    """
    made = found
    if isinstance(found, type) or not is_strategy(found):
        require_takes(found, WHAT, "problem", "seed")
        try:
            made = found(problem, seed)
        except NaslabError:
            raise
        except Exception as error:
            raise OutsideError(WHAT, name, f"making it fails: {type(error).__name__}: {error}") from error
    if not is_strategy(made):
        raise OutsideError(WHAT, name, f"must have ask(count) and tell(outcomes), got {type(made).__name__}")
    return OwnStrategy(made, name, problem)


def is_strategy(found: object) -> bool:
    """Whether something has the methods `ask` and `tell`."""
    return all(callable(getattr(found, method, None)) for method in ("ask", "tell"))
