"""A search in a notebook: one output below the cell that says how far it is, and its front so far."""

from __future__ import annotations

import math
import sys
import time
from html import escape
from typing import Any

from naslab.analysis.pace import TimeLeft
from naslab.analysis.study import StudyView
from naslab.errors import counted
from naslab.execution.events import (
    Ended,
    EpochEnded,
    Event,
    Interrupted,
    Observer,
    StudyOpened,
    TrialFinished,
    TrialStarted,
    TrialTaken,
    tell_prints,
)
from naslab.passwords import without_passwords
from naslab.study.outcome import EpochRecord, Outcome

UPDATE_SECONDS = 0.5
"""How often the output is drawn anew while trials train."""
MOST_TRAINING = 16


def in_notebook() -> bool:
    """Whether a kernel of a notebook runs this program; IPython is not loaded for it."""
    interactive = sys.modules.get("IPython")
    shell = interactive.get_ipython() if interactive is not None else None
    return getattr(shell, "kernel", None) is not None


def notebook_observer(given: Observer) -> Observer:
    """In a notebook an observer that shows a search below its cell, where `given` is the usual one; else `given`."""
    return SearchOutput().show if given is tell_prints and in_notebook() else given


class SearchOutput:
    """What a search shows below the cell of a notebook: `show` takes its events, `_repr_html_` is how it looks."""

    def __init__(self) -> None:
        self._view: StudyView | None = None
        self._outcomes: list[Outcome] = []
        self._training: dict[int, tuple[str, str]] = {}
        self._number = self._total = 0
        self._left = TimeLeft()
        self._end = ""
        self._handle: Any = None
        self._drawn = -math.inf

    def show(self, event: Event) -> None:
        """Take up an event, and draw the output anew where it is time."""
        tell_prints(event)
        is_due = self._take(event)
        if self._view is not None and (is_due or time.monotonic() >= self._drawn + UPDATE_SECONDS):
            self._draw()

    def _take(self, event: Event) -> bool:
        """Note an event; whether it is to be seen at once."""
        if isinstance(event, StudyOpened):
            self._view = StudyView(record=event.record, problem=event.problem, outcomes=tuple(event.outcomes))
            self._outcomes, self._total = list(event.outcomes), event.record.num_asked
            self._number = len(event.outcomes)
            return True
        if isinstance(event, TrialStarted):
            self._training[event.candidate.trial] = ("", "")
            self._left.started(event.candidate.trial, time.monotonic())
        elif isinstance(event, TrialTaken):
            self._training[event.candidate.trial] = (f"{event.worker} on {event.node}", "")
            self._left.taken(event.candidate.trial, time.monotonic())
        elif isinstance(event, EpochEnded):
            worker, _ = self._training.get(event.candidate.trial, ("", ""))
            self._training[event.candidate.trial] = (worker, _of_epoch(event.epoch, event.candidate.fidelity.epochs))
        elif isinstance(event, TrialFinished):
            outcome = event.outcome
            self._training.pop(outcome.candidate.trial, None)
            self._left.finished(outcome.candidate.trial, time.monotonic(), not outcome.is_infeasible)
            self._outcomes.append(outcome)
            self._number, self._total = event.number, event.total
        elif isinstance(event, Interrupted):
            self._end = f"Interrupted with {event.in_flight} in flight; the same call continues from here."
            return True
        elif isinstance(event, Ended):
            self._training.clear()
            self._end = f"Done: {event.finished} finished, {event.failed} failed."
            return True
        return False

    def _draw(self) -> None:
        from IPython.display import display

        self._drawn = time.monotonic()
        if self._handle is None:
            self._handle = display(self, display_id=True)
        else:
            self._handle.update(self)

    def _repr_html_(self) -> str:
        if self._view is None:
            return "<p>starting</p>"
        text = escape(without_passwords(self._end or self._progress()))
        meter = f'<progress max="{max(1, self._total)}" value="{min(self._number, self._total)}"></progress>'
        found = StudyView(record=self._view.record, problem=self._view.problem, outcomes=tuple(self._outcomes))
        return f"<p>{meter} {text}</p>{self._in_flight()}{found._repr_html_()}"

    def _progress(self) -> str:
        left = self._left.seconds(self._total - self._number, time.monotonic())
        words = f"{self._number} of {counted(self._total, 'trial')}"
        return words if math.isnan(left) else f"{words}, about {_clock(left)} left"

    def _in_flight(self) -> str:
        rows = "".join(
            f"<tr><td>trial {trial}</td><td>{escape(worker)}</td><td>{escape(state)}</td></tr>"
            for trial, (worker, state) in sorted(self._training.items())[:MOST_TRAINING]
        )
        heads = "<tr><th>in flight</th><th>worker</th><th>so far</th></tr>"
        return f"<table><thead>{heads}</thead><tbody>{rows}</tbody></table>" if rows else ""


def _of_epoch(epoch: EpochRecord, total: int) -> str:
    """How far a training is, and its accuracy or the first number that a user's own training reported."""
    told = next((f", {name} {value:.4g}" for name, value in epoch.values.items()), "")
    if not told and math.isfinite(epoch.validation_accuracy):
        told = f", {epoch.validation_accuracy:.1f} %"
    return f"epoch {epoch.epoch} of {total}{told}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02} h" if minutes >= 60 else f"{minutes}:{rest:02} min"
