"""The live display of a run: one line an event, and one that says how far it is. Everything goes to stderr."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from rich.console import Console
from rich.live import Live
from rich.text import Text

from naslab.analysis.facts import budget_words
from naslab.analysis.front import comparable, losses_of
from naslab.analysis.labels import label_of
from naslab.analysis.pace import TimeLeft
from naslab.analysis.reference import ReferencePoint, reference_point
from naslab.analysis.thinned import MOST_READ, leading
from naslab.arch.summary import describe_arch
from naslab.cli.output import idle_strides_note, quantity
from naslab.errors import counted
from naslab.execution.events import (
    Ended,
    EpochEnded,
    Event,
    Interrupted,
    LedgerNoted,
    LinePrinted,
    NodeChanged,
    PriorScored,
    Resumed,
    SpaceExhausted,
    StrategyChosen,
    StudyOpened,
    StudyRestarted,
    TimeIsUp,
    TrialFinished,
    TrialRetried,
    TrialsReached,
    TrialStarted,
    TrialTaken,
    VersionChanged,
    printed_line,
)
from naslab.execution.first_failures import place_of
from naslab.metrics import ACCURACY, MACS, PARAMS, measured_rows, score_rows
from naslab.outside import is_outside
from naslab.pareto import hypervolume
from naslab.passwords import without_passwords
from naslab.study.outcome import EpochRecord, Outcome

if TYPE_CHECKING:
    from naslab.study.problem import Problem


class Display:
    """Shows events as they come; a context manager. With `quiet` stderr gets plain lines and no moving one."""

    def __init__(self, quiet: bool = False) -> None:
        self._console = Console(stderr=True, highlight=False)
        is_live = self._console.is_terminal and not quiet
        self._live = Live(console=self._console, refresh_per_second=4, transient=True) if is_live else None
        self._problem: Problem | None = None
        self._reference: ReferencePoint | None = None
        self._complete: list[Outcome] = []
        self._training: dict[int, str] = {}
        self._nodes: dict[int, str] = {}
        self._home = socket.gethostname()
        self._scoring = ""
        self._number = self._total = 0
        self._left = TimeLeft()
        self._is_own = False
        self._told: set[str] = set()

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, event: Event) -> None:
        """Take up an event."""
        line = without_passwords(self._line(event))
        if line:
            is_cut = self._console.is_terminal and "\n" not in line
            self._console.print(Text(line, no_wrap=is_cut, overflow="ellipsis"), soft_wrap=not is_cut)
        if self._live is not None:
            self._live.update(Text(without_passwords(self._status()), no_wrap=True, overflow="ellipsis"))

    def _line(self, event: Event) -> str:
        """What an event says; nothing for one that only moves the status."""
        if isinstance(event, StudyOpened):
            self._problem = event.problem
            self._is_own = is_outside(event.record.estimator)
            if self._live is not None or len(event.outcomes) <= MOST_READ:  # else nobody looks
                self._complete = leading(event.outcomes, event.problem.objectives)
            note = _note_of_space(event.problem)
            return f"study {event.record.name}: {_what(event)}" + "".join(
                f"\n{each}" for each in (event.adapted, note) if each
            )
        if isinstance(event, StudyRestarted):
            return f"study {event.study} had no finished trial and is begun anew: {event.difference}"
        if isinstance(event, VersionChanged):
            return f"study {event.study} was last driven by naslab {event.before}, this is {event.now}"
        if isinstance(event, StrategyChosen):
            return f"strategy {event.strategy}: {event.reason}"
        if isinstance(event, TrialsReached):
            are = "is" if event.finished == 1 else "are"
            done = f"{counted(event.finished, 'trial')} {are} finished already"
            return f"{done}, {event.asked} asked for: nothing new is begun"
        if isinstance(event, PriorScored):
            self._scoring = f"scoring the pool of the prior: {event.number} of {event.total}"
            if event.number < event.total:
                return ""
            self._scoring = ""
            failed = f", {event.failed} failed" if event.failed else ""
            return f"prior: {event.total} of the pool's networks scored{failed}"
        if isinstance(event, Resumed):
            self._number = event.finished
            again = f", {event.requeued} that were in flight run again" if event.requeued else ""
            return f"continuing: {event.finished} finished{again}"
        if isinstance(event, TrialStarted):
            self._training[event.candidate.trial] = ""
            self._left.started(event.candidate.trial, time.monotonic())
        if isinstance(event, TrialTaken):
            self._nodes[event.candidate.trial] = event.node
            self._left.taken(event.candidate.trial, time.monotonic())
        if isinstance(event, EpochEnded):
            self._training[event.candidate.trial] = _of_epoch(event.epoch)
        if isinstance(event, LinePrinted):
            return printed_line(event)
        if isinstance(event, (NodeChanged, LedgerNoted)):
            return event.text
        if isinstance(event, TrialRetried):
            return f"trial {event.candidate.trial}: {event.failure.message}; it runs once more"
        if isinstance(event, TrialFinished):
            return self._finished(event)
        if isinstance(event, SpaceExhausted):
            return (
                f"the space holds no more networks within the limits: {event.number} of {counted(event.total, 'trial')}"
            )
        if isinstance(event, TimeIsUp):
            return f"{event.hours:g} hours are over: nothing new is started"
        if isinstance(event, Interrupted):
            return f"interrupted with {event.in_flight} in flight; the same command continues from here"
        if isinstance(event, Ended):
            return f"done: {event.finished} finished, {event.failed} failed"
        return ""

    def _finished(self, event: TrialFinished) -> str:
        outcome = event.outcome
        self._training.pop(outcome.candidate.trial, None)
        self._nodes.pop(outcome.candidate.trial, None)
        self._number, self._total = event.number, event.total
        self._left.finished(outcome.candidate.trial, time.monotonic(), not outcome.is_infeasible)
        if outcome.is_complete and outcome.candidate.role == "search":
            self._complete.append(outcome)
        line = f"[{event.number:>{len(str(event.total))}}/{event.total}] {outcome_line(outcome)}"
        return line + self._users_traceback(outcome)

    def _users_traceback(self, outcome: Outcome) -> str:
        """Behind the line of a failure in the user's own training: the traceback, once for each place.

        An exception raised there again, about another network's sizes say, is told by its message.
        """
        failure = outcome.estimate.failure
        if not self._is_own or failure is None or not failure.traceback or place_of(failure) in self._told:
            return ""
        self._told.add(place_of(failure))
        return "\n" + failure.traceback.rstrip()

    def _status(self) -> str:
        parts = [f"{self._number}/{self._total} done" if self._total else self._scoring or "starting workers"]
        if self._complete and self._problem is not None:
            goal = self._problem.objectives[0]
            best = min(comparable(self._complete), key=lambda outcome: goal.loss(outcome.value(goal.metric)))
            parts.append(f"best {goal.metric} {best.value(goal.metric):.4g} ({label_of(best)})")
            if len(self._problem.objectives) > 1:
                parts.append(f"hypervolume {100 * self._hypervolume():.2f} %")
        seconds = self._left.seconds(self._total - self._number, time.monotonic())
        if self._total > self._number and math.isfinite(seconds):
            parts.append(f"{_clock(seconds)} left")
        training = ", ".join(self._trained(trial, state) for trial, state in sorted(self._training.items())[:4])
        parts += [f"training {training}"] if training else []
        return "  ·  ".join([*parts, *([self._scoring] if self._scoring and self._scoring not in parts else [])])

    def _trained(self, trial: int, state: str) -> str:
        """A trial in flight with its state, and its node where that is another machine than this one."""
        node = self._nodes.get(trial, self._home)
        return " ".join([f"#{trial}", *([state] if state else []), *([f"on {node}"] if node != self._home else [])])

    def _hypervolume(self) -> float:
        """The share of the box between the reference point and the ideal that the outcomes dominate."""
        assert self._problem is not None
        if self._reference is None:
            self._reference = reference_point(self._problem, self._complete)
        losses = losses_of(comparable(self._complete), self._problem.objectives)
        corner = np.asarray(self._reference.losses)
        return hypervolume(losses[np.isfinite(losses).all(axis=1)], corner) / self._reference.box_volume


def outcome_line(outcome: Outcome) -> str:
    """An outcome in one line: what it is called, what it is worth and costs, or why it failed."""
    candidate, estimate = outcome.candidate, outcome.estimate
    network = " | ".join(describe_arch(candidate.arch))
    if estimate.failure is not None:
        first = (estimate.failure.message.splitlines() or [""])[0]
        if outcome.is_infeasible:
            return f"{label_of(outcome)}: infeasible, not trained: {first}  ({network})"
        return f"{label_of(outcome)}: failed, {estimate.failure.reason.replace('_', ' ')}: {first}  ({network})"
    accuracy = outcome.value(ACCURACY.name)
    depth = _depth_of_training(outcome)
    words = [ACCURACY.brief.format(accuracy) + depth] if math.isfinite(accuracy) else []
    others = [row for row in measured_rows(estimate.measured) if row != ACCURACY]
    others += score_rows(estimate.measured)
    words += [f"{quantity(outcome.value(row.name))} {row.name}" for row in (MACS, PARAMS)]
    words += [row.brief.format(estimate.measured[row.name]) for row in others]
    words += [depth.strip()] if depth and not math.isfinite(accuracy) else []
    return f"{label_of(outcome)}: {', '.join(words)}, {estimate.wall_seconds:.1f} s  {network}"


def _of_epoch(epoch: EpochRecord) -> str:
    """What an epoch gave, in a few words: its accuracy, or the first number that a user's own training reported."""
    if math.isfinite(epoch.validation_accuracy) and not epoch.values:
        return f"{epoch.validation_accuracy:.1f} %"
    return next((f"{name} {value:.4g}" for name, value in epoch.values.items()), f"epoch {epoch.epoch}")


def _depth_of_training(outcome: Outcome) -> str:
    """How far a network of a rung was trained, and whether it was stopped; nothing for one trained as all are."""
    fidelity, stopped = outcome.candidate.fidelity, outcome.estimate.notes.get("stopped")
    if stopped is not None:
        return f" extrapolated, stopped after {counted(stopped['after_epochs'], 'epoch')}"
    if fidelity.schedule_epochs is None and outcome.candidate.origin.get("operator") != "promote":
        return ""
    return f" at {fidelity.epochs} of {counted(fidelity.schedule_epochs or fidelity.epochs, 'epoch')}"


def _note_of_space(problem: Problem) -> str:
    """What is to be said of the strides of a space, by its first network."""
    first = problem.space.genome_at(0)
    return idle_strides_note(problem.space.decode(first)) if problem.space.is_network(first) else ""


def _what(event: StudyOpened) -> str:
    problem, record = event.problem, event.record
    goals = ", ".join(f"{goal.metric} {'up' if goal.maximise else 'down'}" for goal in problem.objectives)
    words: Sequence[Any] = (
        f"{problem.space.name or 'a space'} on {problem.data.name}",
        f"{record.strategy} with seed {record.seed}",
        budget_words(record),
        goals,
        *problem.limits,
        *problem.measured_limits,
        *(f"preferred {each}" for each in problem.preferences),
    )
    return ", ".join(map(str, words))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
