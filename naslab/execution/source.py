"""Sources: where the candidates of a run come from, a strategy or a list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from naslab.arch import ArchSpec, arch_id, cost
from naslab.errors import LimitError, SpaceExhaustedError
from naslab.space import Genome
from naslab.strategies.strategy import Proposal, Strategy
from naslab.study.finished import FinishedTrials
from naslab.study.outcome import Candidate, Fidelity, Outcome, Role
from naslab.study.problem import Problem

MOST_INFEASIBLE = 100
"""Networks that break the limits on what is measured, while none meets them, until a search gives up."""


class Resumption(NamedTuple):
    """What a study already holds for a source.

    `kept` are the outcomes that count, `requeued` the candidates in flight that run again first.
    """

    kept: Sequence[Outcome]
    requeued: list[Candidate]


class CandidateSource(Protocol):
    """Where the candidates of a run come from: a strategy, a list, or another source that is added to.

    Used for one run, by one thread: `resume` first, then `propose` and `learn` in turn.

    >>> from naslab.zoo import model
    >>> class Seeds:  # one network, trained from three seeds
    ...     total, is_exhausted = 3, False
    ...     def __init__(self, arch):
    ...         self._arch, self._left = arch, [0, 1, 2]
    ...     def resume(self, outcomes, in_flight):
    ...         done = {each.candidate.seed for each in outcomes}
    ...         again = [each for each in in_flight if each.seed not in done]
    ...         self._left = [seed for seed in self._left if seed not in done | {each.seed for each in again}]
    ...         return Resumption(list(outcomes), again)
    ...     def propose(self, count, first_trial):
    ...         taken, self._left = self._left[:count], self._left[count:]
    ...         trials = range(first_trial, first_trial + len(taken))
    ...         return [make_candidate(self._arch, trial, 1, seed, "baseline") for trial, seed in zip(trials, taken)]
    ...     def learn(self, outcome):
    ...         pass
    >>> source = Seeds(model("lenet5"))
    >>> source.resume([], [])
    Resumption(kept=[], requeued=[])
    >>> [(each.trial, each.seed) for each in source.propose(2, first_trial=0) + source.propose(2, first_trial=2)]
    [(0, 0), (1, 1), (2, 2)]
    """

    @property
    def total(self) -> int:
        """How many outcomes the study is to hold at the end, those of earlier runs counted in; for displays."""
        ...

    @property
    def is_exhausted(self) -> bool:
        """Whether the source could not propose as many candidates as were asked for, and never will."""
        ...

    def resume(self, outcomes: Sequence[Outcome], in_flight: Sequence[Candidate]) -> Resumption:
        """Take up a study where it was left, before anything is proposed; called once.

        `outcomes` are all that the study holds, `in_flight` the candidates that an earlier run started and did not
        finish.
        """
        ...

    def propose(self, count: int, first_trial: int) -> list[Candidate]:
        """At most `count` candidates, with the trial numbers from `first_trial` on, one after another.

        None where there are no more now: the run asks again when something has finished, and ends where nothing is in
        flight either. What is given back is written into the ledger and started. Networks of the role `pool` may stand
        behind the trials: they have no such numbers, and `learn` is told their scores. Raises `LimitError` where no
        network meets the limits.
        """
        ...

    def learn(self, outcome: Outcome) -> None:
        """Learn from `outcome`, which is in the ledger by now, a failure too; each is told once, as they finish.

        Raises `LimitError` where limits are met by nothing.
        """
        ...


class WrappedSource:
    """The candidates of `source`, passed on as they are: what sources that add something to another one begin from."""

    def __init__(self, source: CandidateSource) -> None:
        self._source = source

    @property
    def total(self) -> int:
        return self._source.total

    @property
    def is_exhausted(self) -> bool:
        return self._source.is_exhausted

    def resume(self, outcomes: Sequence[Outcome], in_flight: Sequence[Candidate]) -> Resumption:
        return self._source.resume(outcomes, in_flight)

    def propose(self, count: int, first_trial: int) -> list[Candidate]:
        return self._source.propose(count, first_trial)

    def learn(self, outcome: Outcome) -> None:
        self._source.learn(outcome)


def make_candidate(
    arch: ArchSpec,
    trial: int,
    epochs: int,
    seed: int,
    role: Role,
    genome: Genome = Genome(),  # noqa: B008 - immutable
    origin: dict[str, Any] | None = None,
) -> Candidate:
    """The candidate of a network, with its identity and its cost.

    `arch` is the network, `trial` its number in the study, `epochs` how long it is trained, `role` what it is in the
    study. `genome` and `origin` are what a search knows of it: its choices, and how it was made.
    """
    return Candidate(
        trial=trial,
        arch=arch,
        arch_id=arch_id(arch),
        cost=cost(arch),
        fidelity=Fidelity(epochs=epochs),
        seed=seed,
        genome=genome,
        role=role,
        origin=origin or {},
    )


class StrategySource:
    """What `strategy` proposes on `problem`, until a study holds `trials` searched candidates of `fidelity`.

    Failures count, networks that broke a limit on what is measured do not. Nor do candidates at other fidelities,
    promoted ones; their outcomes are told to strategies that learn across fidelities, and to no others.
    """

    def __init__(self, strategy: Strategy, problem: Problem, fidelity: Fidelity, seed: int, trials: int) -> None:
        self._strategy = strategy
        self._problem = problem
        self._fidelity = fidelity
        self._seed = seed
        self._num_started = 0
        self._num_infeasible = 0
        self._is_met = False
        self._last_infeasible: Outcome | None = None
        self.total = trials
        self.is_exhausted = False

    def resume(self, outcomes: Sequence[Outcome], in_flight: Sequence[Candidate]) -> Resumption:
        finished = FinishedTrials.of(outcomes)
        kept = finished.where(finished.is_searched)
        own = kept.where(kept.is_of(self._fidelity))
        self._num_infeasible = int(own.is_infeasible.sum())
        num_counted = len(own) - self._num_infeasible
        self._is_met = num_counted > 0
        room = max(0, self.total - num_counted)
        left = [each for each in in_flight if each.role == "search" and self._is_own(each)]
        requeued = undone(left, own.of_networks({each.arch_id for each in left}))[:room]
        told = kept if self._strategy.learns_across_fidelities else own
        if told:
            self._strategy.tell(told)
        if requeued:
            self._strategy.adopt(requeued)
        self._num_started = num_counted + len(requeued)
        return Resumption(kept, requeued)

    def propose(self, count: int, first_trial: int) -> list[Candidate]:
        count = min(count, self.total - self._num_started)
        if count <= 0 or self.is_exhausted:
            return []
        try:
            proposals = self._strategy.ask(count)
        except SpaceExhaustedError:
            proposals = []
        self.is_exhausted = len(proposals) < count
        if self.is_exhausted:
            self._require_met()
        self._num_started += len(proposals)
        return [self._candidate(proposal, first_trial + index) for index, proposal in enumerate(proposals)]

    def learn(self, outcome: Outcome) -> None:
        if self._is_own(outcome.candidate) or self._strategy.learns_across_fidelities:
            self._strategy.tell([outcome])
        if outcome.is_infeasible and outcome.candidate.role == "search":
            self._num_started -= 1
            self._num_infeasible += 1
            self._last_infeasible = outcome
            if self._num_infeasible >= MOST_INFEASIBLE:
                self._require_met()
        else:
            self._is_met = True

    def _require_met(self) -> None:
        """Raise `LimitError` where every network so far broke a limit on what is measured."""
        last = self._last_infeasible
        if last is None or self._is_met or last.estimate.failure is None:
            return
        number = self._num_infeasible
        first = (
            "the one network that there is does not meet"
            if number == 1
            else f"none of the first {number} networks meets"
        )
        told = f"{first} the limits on what is measured"
        raise LimitError(f"{told}; the last: {last.estimate.failure.message}")

    def _is_own(self, candidate: Candidate) -> bool:
        return candidate.fidelity == self._fidelity

    def _candidate(self, proposal: Proposal, trial: int) -> Candidate:
        arch = self._problem.space.decode(proposal.genome)
        epochs = self._fidelity.epochs
        made = make_candidate(arch, trial, epochs, self._seed, "search", proposal.genome, proposal.origin)
        return msgspec.structs.replace(made, fidelity=self._fidelity)


class ListSource:
    """Given candidates, a rescaled family or baselines; their trial numbers are given when they start.

    Those that the study holds a result of (same network, role, fidelity and seed) are not trained again; failed ones
    are.
    """

    is_exhausted = False

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self._waiting = list(unique(candidates))
        self.total = len(self._waiting)

    def resume(self, outcomes: Sequence[Outcome], in_flight: Sequence[Candidate]) -> Resumption:
        asked = {job(candidate) for candidate in self._waiting}
        same = FinishedTrials.of(outcomes).of_networks({candidate.arch_id for candidate in self._waiting})
        kept = [outcome for outcome in same if outcome.is_complete and job(outcome.candidate) in asked]
        done = {job(outcome.candidate) for outcome in kept}
        requeued = [candidate for candidate in unique(in_flight) if job(candidate) in asked - done]
        done |= {job(candidate) for candidate in requeued}
        self._waiting = [candidate for candidate in self._waiting if job(candidate) not in done]
        return Resumption(kept, requeued)

    def propose(self, count: int, first_trial: int) -> list[Candidate]:
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return [msgspec.structs.replace(candidate, trial=first_trial + index) for index, candidate in enumerate(taken)]

    def learn(self, outcome: Outcome) -> None:
        """A list learns nothing."""


def job(candidate: Candidate) -> tuple[str, str, Fidelity, int]:
    """What a candidate's estimate depends on: equal jobs are run once."""
    return candidate.arch_id, candidate.role, candidate.fidelity, candidate.seed


def undone(in_flight: Sequence[Candidate], outcomes: Sequence[Outcome]) -> list[Candidate]:
    """Candidates in flight whose jobs no outcome did, each job once.

    A study of an older program may hold several candidates of one network, which it told apart.
    """
    done = {job(outcome.candidate) for outcome in outcomes}
    return [candidate for candidate in unique(in_flight) if job(candidate) not in done]


def unique(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates without repeated jobs, in order."""
    return list({job(candidate): candidate for candidate in reversed(candidates)}.values())[::-1]
