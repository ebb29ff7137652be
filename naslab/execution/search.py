"""The search loop: asynchronous, every slot busy, the ledger written before anything depends on it."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType
from typing import NamedTuple

import msgspec

from naslab.errors import LedgerError
from naslab.execution.driven_study import DrivenStudy
from naslab.execution.events import (
    Ended,
    EpochEnded,
    Interrupted,
    LinePrinted,
    NodeChanged,
    Observer,
    Resumed,
    SpaceExhausted,
    TrialFinished,
    TrialRetried,
    TrialStarted,
    TrialTaken,
    ignore,
)
from naslab.execution.executor import EpochDone, Executor, Finished, Happened, NodeNoted, Printed, Taken
from naslab.execution.scoring import scores_from
from naslab.execution.source import CandidateSource, StrategySource
from naslab.ledger.finished import finished_trials
from naslab.ledger.ledger import Ledger
from naslab.ledger.running import Epoch, Taker
from naslab.strategies.strategy import Strategy
from naslab.study.finished import FinishedTrials
from naslab.study.outcome import Candidate, Fidelity, Outcome
from naslab.study.problem import Problem

WAIT_SECONDS = 0.2
"""How soon Ctrl-C is noticed."""
EPOCHS_SECONDS = 0.5
"""How often the epochs of trials in flight are written into the ledger, together."""
MOST_EPOCHS_SECONDS = 60.0
"""How often where the ledger could not be written: each time that it cannot doubles the wait."""


def run_search(
    study: str,
    ledger: Ledger,
    strategy: Strategy,
    executor: Executor,
    problem: Problem,
    epochs: int,
    seed: int,
    trials: int,
    on_event: Observer = ignore,
) -> None:
    """Search until the study holds `trials` outcomes of searched candidates, earlier runs and failures counted.

    The `study` of that name is in `ledger` and `executor` is entered; `strategy` is fresh, on `problem`, and is told
    the ledger's outcomes. Each candidate is trained for `epochs`; `on_event` is called with what happens
    (`naslab.execution.events`). Ends early where the space is exhausted.

    Raises `KeyboardInterrupt` on Ctrl-C, `StudyError` if another process drives the study, `LedgerError` if an outcome
    cannot be kept, and what preparing a worker raised; each time the same call continues the study.
    """
    source = StrategySource(strategy, problem, Fidelity(epochs=epochs), seed, trials)
    run_candidates(study, ledger, executor, source, on_event)


def run_candidates(
    study: str,
    ledger: Ledger,
    executor: Executor,
    source: CandidateSource,
    on_event: Observer = ignore,
    tidy: Callable[[], object] = lambda: None,
) -> None:
    """Run what `source` proposes, a strategy's candidates or a given list, and keep the outcomes in the study.

    `study`, `ledger`, `executor` and `on_event` are those of `run_search`, which also says what is raised. `tidy` is
    called before the first candidate and after the last one, while this process alone drives the study and none of its
    workers trains.
    """
    with ledger.claim(study), held_interrupts() as interrupts:
        tidy()
        run = Run(study, ledger, executor, source, on_event, lambda: interrupts.has_come)
        run.fill()
        while run.in_flight and not interrupts.has_come:
            run.wait(WAIT_SECONDS)
            if not interrupts.has_come:
                run.fill()
        if interrupts.has_come:
            run.wait(0.0)
            on_event(Interrupted(sum(map(is_trial, run.in_flight.values()))))
            raise KeyboardInterrupt
        tidy()
        run.end()


class Run:
    """The state of one run of a study: the candidates in flight, those waiting to run again, and how many are done.

    `study`, `ledger`, `executor`, `source` and `on_event` are those of `run_candidates`; `is_interrupted` says whether
    Ctrl-C was pressed.
    """

    def __init__(
        self,
        study: str,
        ledger: Ledger,
        executor: Executor,
        source: CandidateSource,
        on_event: Observer,
        is_interrupted: Callable[[], bool],
    ) -> None:
        self._study = study
        self._ledger = ledger
        self._executor = executor
        self._source = source
        self._on_event = on_event
        self._driven = DrivenStudy(ledger, study, on_event, is_interrupted)
        self._retried: set[int] = set()
        self._epochs: list[Epoch | Taker] = []
        self._epochs_due = -math.inf
        self._epochs_wait = EPOCHS_SECONDS
        self.in_flight: dict[int, Candidate] = {}
        self._next_trial, kept, requeued = taken_up_source(ledger, study, source)
        self._requeued = deque(requeued)
        known = FinishedTrials.of(kept)
        self._num_finished = int((~known.is_infeasible).sum())
        self._num_failed = int((~(known.is_complete | known.is_infeasible)).sum())
        if kept or requeued:
            on_event(Resumed(len(kept), len(requeued)))

    def fill(self) -> None:
        """Give every free slot a candidate: first those that an earlier run left in flight, then new ones."""
        free = max(0, self._executor.num_slots - len(self.in_flight))
        again = [self._requeued.popleft() for _ in range(min(free, len(self._requeued)))]
        self._note_again(again)
        for candidate in again:
            self._submit(candidate)
        free -= len(again)
        fresh = self._source.propose(free, self._next_trial) if free else []
        trials = [candidate for candidate in fresh if is_trial(candidate)]
        self._next_trial += len(trials)
        self._driven.start(trials)
        for candidate in fresh:
            self._submit(candidate)

    def wait(self, seconds: float) -> None:
        """Handle what the executor reports within so many `seconds`."""
        self.handle_all(self._driven.patiently(partial(self._executor.wait, seconds)) or ())

    def handle_all(self, happened: Sequence[Happened]) -> None:
        """Handle everything that an executor reports, in order; what is finished is on the disk before it is told."""
        done = [outcome for event in happened if (outcome := self._handle(event)) is not None]
        if done:
            self._keep(done)
        if self._epochs and time.monotonic() >= self._epochs_due:
            self._note_epochs()

    def _note_epochs(self) -> None:
        """Write who took what, and epochs of trials in flight, for whoever watches; where that cannot be, go on."""
        try:
            self._ledger.add_epochs(self._study, self._epochs)
            self._epochs, self._epochs_wait = [], EPOCHS_SECONDS
        except LedgerError:
            self._epochs_wait = min(2 * self._epochs_wait, MOST_EPOCHS_SECONDS)
        self._epochs_due = time.monotonic() + self._epochs_wait

    def _note_again(self, again: Sequence[Candidate]) -> None:
        """Write that trials begin anew, for whoever watches; the search goes on where that cannot be."""
        if again:
            with suppress(LedgerError):
                self._ledger.start_again(self._study, [candidate.trial for candidate in again])

    def _handle(self, happened: Happened) -> Outcome | None:
        """Pass on a worker, an epoch or a line; make an outcome of an estimate, or run it again after a death."""
        if isinstance(happened, NodeNoted):
            self._on_event(NodeChanged(happened.text))
            return None
        candidate = happened.candidate
        if not (is_trial(candidate) or isinstance(happened, Finished)):
            return None
        if isinstance(happened, Taken):
            self._epochs.append(Taker(candidate.trial, happened.worker, happened.node, time.time()))
            self._on_event(TrialTaken(candidate, happened.worker, happened.node))
            return None
        if isinstance(happened, EpochDone):
            self._epochs.append(Epoch(candidate.trial, happened.epoch))
            self._on_event(EpochEnded(candidate, happened.epoch))
            return None
        if isinstance(happened, Printed):
            self._on_event(LinePrinted(candidate, happened.text))
            return None
        self._epochs = [each for each in self._epochs if each.trial != candidate.trial]
        failure = happened.estimate.failure
        if failure is not None and failure.reason == "worker_died" and candidate.trial not in self._retried:
            self._retried.add(candidate.trial)
            if is_trial(candidate):
                self._note_again([candidate])
                self._on_event(TrialRetried(candidate, failure))
            self._driven.patiently(partial(self._executor.submit, candidate))
            return None
        estimate = happened.estimate
        if candidate.trial in self._retried:
            estimate = msgspec.structs.replace(estimate, notes={**estimate.notes, "retried": True})
        return Outcome(candidate=candidate, estimate=estimate, finished=time.time())

    def end(self) -> None:
        """Report how the run ended."""
        if self._source.is_exhausted and self._num_finished < self._source.total:
            self._on_event(SpaceExhausted(self._num_finished, self._source.total))
        self._on_event(Ended(self._num_finished, self._num_failed))

    def _submit(self, candidate: Candidate) -> None:
        self.in_flight[candidate.trial] = candidate
        self._driven.patiently(partial(self._executor.submit, candidate))
        if is_trial(candidate):
            self._on_event(TrialStarted(candidate))

    def _keep(self, done: Sequence[Outcome]) -> None:
        """Write outcomes, all in one transaction, and only then let anything learn of them; scores in another one."""
        trials = [outcome for outcome in done if is_trial(outcome.candidate)]
        scored = [outcome for outcome in done if not is_trial(outcome.candidate)]
        self._driven.enter_scores([score for outcome in scored for score in scores_from(outcome)])
        if trials:
            self._driven.finish(trials)
        for outcome in done:
            del self.in_flight[outcome.candidate.trial]
        for outcome in scored:
            self._source.learn(outcome)
        for outcome in trials:
            self._num_finished += not outcome.is_infeasible
            self._num_failed += not (outcome.is_complete or outcome.is_infeasible)
            self._source.learn(outcome)
            self._on_event(TrialFinished(outcome, self._num_finished, self._source.total))


def is_trial(candidate: Candidate) -> bool:
    """Whether a candidate is a trial of the study; a network of a prior's pool is none."""
    return candidate.role != "pool"


class TakenUp(NamedTuple):
    """Where a study goes on: the number of its next trial, the outcomes that count, and what runs again first."""

    next_trial: int
    kept: Sequence[Outcome]
    requeued: Sequence[Candidate]


def taken_up_source(ledger: Ledger, study: str, source: CandidateSource) -> TakenUp:
    """Tell `source`, which was told nothing so far, what the `study` of `ledger` holds."""
    outcomes, left = finished_trials(ledger, study), ledger.in_flight(study)
    started = [int(outcomes.columns.trial.max(initial=-1)), *(candidate.trial for candidate in left)]
    kept, requeued = source.resume(outcomes, left)
    return TakenUp(max(started) + 1, kept, requeued)


class Interrupts:
    """Whether Ctrl-C was pressed (`has_come`)."""

    def __init__(self) -> None:
        self.has_come = False

    def take(self, signal_number: int, frame: FrameType | None) -> None:
        """Note the first Ctrl-C; the second one raises `KeyboardInterrupt` where the program stands."""
        if self.has_come:
            raise KeyboardInterrupt
        self.has_come = True


@contextmanager
def held_interrupts() -> Iterator[Interrupts]:
    """Hold Ctrl-C back inside the block, so that it never falls between an estimate and its place in the ledger."""
    interrupts = Interrupts()
    before = signal.getsignal(signal.SIGINT)
    # Only the main thread may; a program that ignores Ctrl-C goes on ignoring it.
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield interrupts
        return
    signal.signal(signal.SIGINT, interrupts.take)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, before)
